"""Sums, extrema and searches along dimensions."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import strategies as st

from .case import (
    ALL,
    FLOATS,
    INTEGERS,
    NUMBERS,
    SPECIAL,
    SUM,
    Call,
    Draw,
    case,
    dim,
    dims,
    dtypes,
    shapes,
    tensor,
)

aten = torch.ops.aten


def keepdim(draw: Draw) -> dict[str, Any]:
    return dict(draw(st.sampled_from([{}, {"keepdim": True}, {"keepdim": False}])))


def widened(draw: Draw, choice: tuple[torch.dtype, ...]) -> dict[str, Any]:
    return dict(draw(st.sampled_from([{}, *({"dtype": dtype} for dtype in choice)])))


@case(aten.sum.default, scale=SUM)
def _(draw: Draw) -> Call:
    x = tensor(draw, draw(shapes()), draw(dtypes((*ALL, *INTEGERS))), most=100)
    return Call((x,), widened(draw, (torch.float32, torch.float64)))


@case(aten.sum.dim_IntList, scale=SUM)
def _(draw: Draw) -> Call:
    x = tensor(draw, draw(shapes()), draw(dtypes((*ALL, *INTEGERS))), most=100)
    along = draw(st.none() | st.just(dims(draw, x.ndim)))
    return Call((x, along), keepdim(draw) | widened(draw, (torch.float32, torch.float64)))


@case(aten.mean.default, scale=SUM)
def _(draw: Draw) -> Call:
    x = tensor(draw, draw(shapes()), draw(dtypes(FLOATS)), most=100)
    return Call((x,), widened(draw, (torch.float32, torch.float64)))


@case(aten.mean.dim, scale=SUM)
def _(draw: Draw) -> Call:
    x = tensor(draw, draw(shapes()), draw(dtypes(FLOATS)), most=100)
    along = draw(st.none() | st.just(dims(draw, x.ndim)))
    return Call((x, along), keepdim(draw) | widened(draw, (torch.float32, torch.float64)))


def deviations(call: Call) -> torch.Tensor:
    """The loss of a variance by cancellation: the square of the greatest value."""
    x = call.args[0].double().nan_to_num(0, 0, 0)
    return x.abs().amax() ** 2 if x.numel() else torch.zeros(())


@case(aten.var.correction, scale=deviations)
def _(draw: Draw) -> Call:
    x = tensor(draw, draw(shapes()), draw(dtypes(FLOATS)))
    along = draw(st.none() | st.just(dims(draw, x.ndim)))
    correction = draw(
        st.sampled_from([{}, {"correction": 0}, {"correction": 1}, {"correction": 2}])
    )
    return Call((x, along), correction | keepdim(draw))


def nonempty(draw: Draw) -> torch.Tensor:
    """A tensor with elements, as PyTorch requires for an extremum.

    It has no -0.0: either zero may be the extremum.
    """
    x = tensor(draw, draw(shapes(smallest=1)), draw(dtypes((*ALL, torch.uint8))))
    return torch.where(x == 0, torch.zeros_like(x), x)


@case(aten.amax.default, aten.amin.default, exact=True)
def _(draw: Draw) -> Call:
    x = nonempty(draw)
    return Call((x, dims(draw, x.ndim)), keepdim(draw))


@case(aten.max.default, aten.min.default, exact=True)
def _(draw: Draw) -> Call:
    return Call((nonempty(draw),))


# Among equal elements PyTorch promises the first.
@case(aten.max.dim, exact=True)
def _(draw: Draw) -> Call:
    x = nonempty(draw)
    return Call((x, draw(dim(x.ndim))), keepdim(draw))


@case(aten.argmax.default, exact=True)
def _(draw: Draw) -> Call:
    dtype = draw(dtypes((*NUMBERS, torch.uint8)))
    x = tensor(draw, draw(shapes(smallest=1)), dtype)
    return Call((x, draw(st.none() | dim(x.ndim))), keepdim(draw))


@case(aten.any.default, aten.all.default, exact=True)
def _(draw: Draw) -> Call:
    return Call((tensor(draw, draw(shapes()), draw(dtypes((*ALL, torch.uint8)))),))


@case(aten.any.dim, aten.all.dim, exact=True)
def _(draw: Draw) -> Call:
    x = tensor(draw, draw(shapes()), draw(dtypes((*ALL, torch.uint8))))
    return Call((x, draw(dim(x.ndim))), keepdim(draw))


def running(call: Call) -> torch.Tensor:
    return call.args[0].double().abs().cumsum(call.args[1])


@case(aten.cumsum.default, scale=running)
def _(draw: Draw) -> Call:
    options = widened(draw, (torch.float32, torch.int64))
    # An infinity has no whole number: what a cast makes of it is undefined.
    special = () if options.get("dtype") is torch.int64 else SPECIAL
    dtype = draw(dtypes((*ALL, torch.uint8)))
    x = tensor(draw, draw(shapes()), dtype, most=100, special=special)
    return Call((x, draw(dim(x.ndim))), options)
