"""Operators that make a tensor from sizes and numbers, and triangles."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import strategies as st

from .case import ALL, NUMBERS, Call, Draw, case, dtypes, huge, shapes, tensor

aten = torch.ops.aten

MEMORY = [{}, {"layout": torch.strided}, {"device": torch.device("cpu"), "pin_memory": False}]


def rest(draw: Draw) -> dict[str, Any]:
    """A dtype, or none, and arguments about memory."""
    dtype = draw(st.none() | dtypes(ALL))
    return {**({"dtype": dtype} if dtype else {}), **draw(st.sampled_from(MEMORY))}


def numbered(draw: Draw) -> tuple[Any, dict[str, Any]]:
    options = rest(draw)
    dtype = options.get("dtype", torch.float32)
    if dtype is torch.bool:
        return draw(st.booleans()), options
    whole = st.integers(-100, 100) | st.booleans()
    return draw(
        whole | st.sampled_from([0.1, *huge(dtype)]) if dtype.is_floating_point else whole
    ), options


def dimensions(draw: Draw) -> list[int]:
    return list(draw(shapes()))


@case(aten.full.default, exact=True)
def _(draw: Draw) -> Call:
    number, options = numbered(draw)
    return Call((dimensions(draw), number), options)


@case(aten.ones.default, aten.zeros.default, exact=True)
def _(draw: Draw) -> Call:
    return Call((dimensions(draw),), rest(draw))


def like(draw: Draw) -> torch.Tensor:
    return tensor(draw, draw(shapes()), draw(dtypes(ALL)))


def fitting(draw: Draw, x: torch.Tensor) -> tuple[Any, dict[str, Any]]:
    number, options = numbered(draw)
    if "dtype" not in options:
        number = draw(st.booleans() if x.dtype is torch.bool else st.integers(-100, 100))
    return number, options


@case(aten.new_full.default, exact=True)
def _(draw: Draw) -> Call:
    x = like(draw)
    number, options = fitting(draw, x)
    return Call((x, dimensions(draw), number), options)


@case(aten.full_like.default, exact=True)
def _(draw: Draw) -> Call:
    x = like(draw)
    number, options = fitting(draw, x)
    return Call((x, number), options)


@case(aten.new_ones.default, aten.new_zeros.default, exact=True)
def _(draw: Draw) -> Call:
    return Call((like(draw), dimensions(draw)), rest(draw))


@case(aten.ones_like.default, aten.zeros_like.default, exact=True)
def _(draw: Draw) -> Call:
    return Call((like(draw),), rest(draw))


@case(aten.scalar_tensor.default, exact=True)
def _(draw: Draw) -> Call:
    number, options = numbered(draw)
    return Call((number,), options)


def span(draw: Draw) -> tuple[Any, dict[str, Any]]:
    """A strategy of numbers, and options whose dtype can hold them.

    Every fraction is exact in binary; otherwise the number of elements would depend on rounding.
    """
    dtype = draw(st.none() | dtypes(NUMBERS))
    numbers: Any = st.integers(0, 9)
    if dtype is None or dtype.is_floating_point:
        numbers |= st.sampled_from([0.0, 0.5, 2.0, 3.75])
    return numbers, {**({"dtype": dtype} if dtype else {}), **draw(st.sampled_from(MEMORY))}


@case(aten.arange.default, exact=True)
def _(draw: Draw) -> Call:
    numbers, options = span(draw)
    return Call((draw(numbers),), options)


@case(aten.arange.start, exact=True)
def _(draw: Draw) -> Call:
    numbers, options = span(draw)
    start = draw(numbers) - draw(numbers)
    return Call((start, start + draw(numbers)), options)


@case(aten.arange.start_step, exact=True)
def _(draw: Draw) -> Call:
    numbers, options = span(draw)
    start, length, step = draw(numbers), draw(numbers), draw(numbers.filter(bool))
    sign = draw(st.sampled_from([1, -1]))
    return Call((start, start + sign * length, sign * step), options)


@case(aten.tril.default, aten.triu.default, exact=True)
def _(draw: Draw) -> Call:
    dtype = draw(dtypes(ALL))
    x = tensor(draw, draw(shapes(2)), dtype, special=huge(dtype))
    return Call((x, *draw(st.sampled_from([(), (0,), (1,), (-1,), (9,), (-9,)]))))
