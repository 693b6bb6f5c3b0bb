"""Arithmetic on two operands, extrema and bounds."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import strategies as st

from .case import (
    ALL,
    FLOATS,
    INTEGERS,
    NUMBERS,
    Call,
    Draw,
    broadcasting,
    case,
    dtypes,
    huge,
    numbers,
    scalar,
    shapes,
    tensor,
)

aten = torch.ops.aten


def two(draw: Draw, choice: Any = ALL, **bounds: Any) -> tuple[torch.Tensor, Any]:
    """Operands of dtypes that may differ; the second is sometimes a number."""
    left, right = broadcasting(draw, 2)
    dtype = draw(dtypes(choice))
    first = tensor(draw, left, dtype, **bounds)
    kind = draw(st.sampled_from(["same", "other", "number"]))
    if kind == "number":
        return first, draw(scalar(dtype))
    return first, tensor(draw, right, dtype if kind == "same" else draw(dtypes(choice)), **bounds)


def with_alpha(draw: Draw, choice: Any) -> Call:
    first, second = two(draw, choice)
    whole = not (first + second).is_floating_point()
    alpha = draw(st.sampled_from([1, 2, -3] if whole else [1, 2, -3, 0.3]))
    return Call((first, second), {"alpha": alpha} if alpha != 1 else {})


def terms(call: Call) -> torch.Tensor:
    """The magnitudes of the two terms of a sum, added."""
    first, second, *alpha = (*call.args, *call.kwargs.values(), 1)
    return abs(first * 1.0).double() + abs(second * 1.0 * alpha[0])


@case(aten.add.Tensor, scale=terms)
def _(draw: Draw) -> Call:
    return with_alpha(draw, (*ALL, torch.uint8, torch.int8))


@case(aten.sub.Tensor, scale=terms)
def _(draw: Draw) -> Call:
    return with_alpha(draw, NUMBERS)


@case(aten.rsub.Scalar, scale=terms)
def _(draw: Draw) -> Call:
    dtype = draw(dtypes(NUMBERS))
    x = tensor(draw, draw(shapes()), dtype)
    alpha = draw(st.sampled_from([1, 2, -3]))
    return Call((x, draw(scalar(dtype)), *([alpha] if alpha != 1 else [])))


@case(aten.mul.Tensor)
def _(draw: Draw) -> Call:
    return Call(two(draw))


@case(aten.div.Tensor)
def _(draw: Draw) -> Call:
    return Call(two(draw))


# No integer is divided by zero: PyTorch raises an error, and TensorFlow under XLA does not.
NOT_ZERO = st.sampled_from([-7, -3, -2, -1, 1, 2, 3, 5])


def dividing(draw: Draw) -> tuple[torch.Tensor, Any]:
    dtype = draw(dtypes((*NUMBERS, torch.int8)))
    if dtype.is_floating_point:
        return two(draw, FLOATS)
    left, right = broadcasting(draw, 2)
    first = tensor(draw, left, dtype, least=-50, most=50)
    if draw(st.booleans()):
        return first, draw(NOT_ZERO)
    second = tensor(draw, right, dtype, least=-9, most=9)
    return first, torch.where(second == 0, 1, second).to(dtype)


@case(aten.div.Tensor_mode)
def _(draw: Draw) -> Call:
    return Call(dividing(draw), {"rounding_mode": draw(st.sampled_from([None, "floor", "trunc"]))})


@case(aten.floor_divide.default)
def _(draw: Draw) -> Call:
    return Call(dividing(draw))


@case(aten.remainder.Scalar)
def _(draw: Draw) -> Call:
    dtype = draw(dtypes(NUMBERS))
    x = tensor(draw, draw(shapes()), dtype, least=-50, most=50)
    return Call((x, draw(NOT_ZERO if not dtype.is_floating_point else NOT_ZERO | numbers(dtype))))


# Integers have small exponents: 50 ** 8 exceeds int32, and its float32 differs by whole numbers.
@case(aten.pow.Tensor_Scalar)
def _(draw: Draw) -> Call:
    dtype = draw(dtypes(NUMBERS))
    exponent = st.integers(0, 4)
    if dtype.is_floating_point:
        exponent = st.integers(-4, 4) | st.sampled_from([0.5, -0.5, 1.5, 2.0, 3.0])
    return Call((tensor(draw, draw(shapes()), dtype), draw(exponent)))


@case(aten.pow.Scalar)
def _(draw: Draw) -> Call:
    dtype = draw(dtypes(NUMBERS))
    base = st.sampled_from([0, 1, 2, 3, 10])
    if dtype.is_floating_point:
        base |= st.sampled_from([0.5, 2.5, 10000.0, 1e-3])
    least = -4 if dtype.is_floating_point else 0
    return Call((draw(base), tensor(draw, draw(shapes()), dtype, least=least, most=4)))


@case(aten.pow.Tensor_Tensor)
def _(draw: Draw) -> Call:
    left, right = broadcasting(draw, 2)
    dtype = draw(dtypes(NUMBERS))
    least = -3 if dtype.is_floating_point else 0
    return Call((tensor(draw, left, dtype), tensor(draw, right, dtype, least=least, most=3)))


@case(aten.minimum.default, aten.maximum.default, aten.min.other, aten.max.other, exact=True)
def _(draw: Draw) -> Call:
    left, right = broadcasting(draw, 2)
    first, second = draw(dtypes(ALL)), draw(dtypes(ALL))
    # Either zero may be the greater one; IEEE 754 did not define it before 2019.
    special = tuple(x for x in huge(torch.float16) if str(x) != "-0.0")
    return Call(
        (
            tensor(draw, left, first, special=special) + torch.zeros((), dtype=first),
            tensor(draw, right, second, special=special) + torch.zeros((), dtype=second),
        )
    )


def bounded(draw: Draw) -> tuple[torch.Tensor, st.SearchStrategy[Any]]:
    dtype = draw(dtypes((*NUMBERS, torch.int8, torch.uint8)))
    x = tensor(draw, draw(shapes()), dtype, least=-40, most=40)
    finite = st.integers(-20, 20)
    return x, finite | numbers(dtype) if dtype.is_floating_point else finite | st.just(2.5)


@case(aten.clamp.default)
def _(draw: Draw) -> Call:
    x, bound = bounded(draw)
    low, high = draw(st.none() | bound), draw(st.none() | bound)
    return Call((x, low if low is not None or high is not None else 0, high))


@case(aten.clamp_min.default)
def _(draw: Draw) -> Call:
    x, bound = bounded(draw)
    return Call((x, draw(bound)))


@case(aten.hardtanh.default)
def _(draw: Draw) -> Call:
    dtype = draw(dtypes((*FLOATS, *INTEGERS[:3])))
    x = tensor(draw, draw(shapes()), dtype)
    low = draw(st.integers(-4, 0))
    return Call((x, low, draw(st.integers(low, 6))) if draw(st.booleans()) else (x,))
