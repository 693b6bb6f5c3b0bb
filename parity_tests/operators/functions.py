"""Functions of one operand, and dropout."""

from __future__ import annotations

import math

import torch
from hypothesis import strategies as st

from .case import (
    ALL,
    FLOATS,
    INTEGERS,
    NUMBERS,
    Call,
    Draw,
    case,
    dtypes,
    huge,
    shapes,
    tensor,
)

aten = torch.ops.aten

SIGNED = (*NUMBERS, torch.int8, torch.int16)


def operand(draw: Draw, choice: tuple[torch.dtype, ...], bound: float = 8) -> torch.Tensor:
    dtype = draw(dtypes(choice))
    return tensor(draw, draw(shapes()), dtype, least=-bound, most=bound, special=huge(dtype))


@case(aten.neg.default, aten.abs.default, aten.sign.default, exact=True)
def _(draw: Draw) -> Call:
    return Call((operand(draw, SIGNED, 100),))


@case(
    aten.ceil.default,
    aten.floor.default,
    aten.trunc.default,
    aten.round.default,
    aten.relu.default,
    exact=True,
)
def _(draw: Draw) -> Call:
    return Call((operand(draw, (*SIGNED, torch.uint8), 100),))


@case(aten.square.default)
def _(draw: Draw) -> Call:
    return Call((operand(draw, SIGNED),))


@case(
    aten.reciprocal.default,
    aten.sqrt.default,
    aten.rsqrt.default,
    aten.exp.default,
    aten.log.default,
    aten.log1p.default,
    aten.erf.default,
    aten.tanh.default,
    aten.sigmoid.default,
)
def _(draw: Draw) -> Call:
    return Call((operand(draw, (*ALL, torch.uint8), 12),))


# The largest angles of rotary embeddings of long texts.
@case(aten.sin.default, aten.cos.default)
def _(draw: Draw) -> Call:
    dtype = draw(dtypes(ALL))
    return Call((tensor(draw, draw(shapes()), dtype, least=-10000, most=10000),))


def floating(draw: Draw) -> torch.Tensor:
    return operand(draw, FLOATS, 12)


def finite(draw: Draw) -> torch.Tensor:
    dtype = draw(dtypes(FLOATS))
    return tensor(draw, draw(shapes()), dtype, least=-12, most=12, special=(math.nan, -0.0, 0.0))


def magnitude(call: Call) -> torch.Tensor:
    """The magnitude of the argument: near 0 the result is x times a small, rounded number."""
    return call.args[0].double().abs()


@case(aten.silu.default)
def _(draw: Draw) -> Call:
    return Call((floating(draw),))


# ACCEPTED has the case of infinity; tests/test_lowering.py that of huge numbers.
@case(aten.gelu.default, scale=magnitude)
def _(draw: Draw) -> Call:
    kind = draw(st.sampled_from([None, "none", "tanh"]))
    return Call((finite(draw),), {"approximate": kind} if kind else {})


@case(aten.leaky_relu.default)
def _(draw: Draw) -> Call:
    slope = draw(st.sampled_from([None, 0.01, 0.5, 0, 1, 2]))
    return Call((floating(draw), *([slope] if slope is not None else [])))


@case(aten.elu.default)
def _(draw: Draw) -> Call:
    more = draw(st.sampled_from([(), (0.5,), (2, 1.05), (1.67, 1.05, 0.5), (1, 1, 1)]))
    return Call((floating(draw), *more))


@case(aten.softplus.default)
def _(draw: Draw) -> Call:
    more = draw(st.sampled_from([(), (1,), (2.0,), (0.5, 3), (3, 20)]))
    return Call((floating(draw), *more))


@case(aten.logical_not.default, exact=True)
def _(draw: Draw) -> Call:
    return Call((operand(draw, (*ALL, torch.uint8)),))


@case(aten.isnan.default, aten.isinf.default, exact=True)
def _(draw: Draw) -> Call:
    return Call((operand(draw, ALL),))


@case(aten.bitwise_not.default, exact=True)
def _(draw: Draw) -> Call:
    return Call((operand(draw, (torch.bool, *INTEGERS)),))


# Only rates that drop all or nothing; tests/test_lowering.py tests the statistics of the others. In
# evaluation, PyTorch's kernel gives a mask of floats, but the metadata of its graphs say booleans.
@case(aten.native_dropout.default, exact=True)
def _(draw: Draw) -> Call:
    dtype = draw(dtypes(FLOATS))
    return Call(
        (
            tensor(draw, draw(shapes(smallest=1)), dtype, special=(), least=0),
            draw(st.sampled_from([0.0, 1.0])),
            True,
        )
    )
