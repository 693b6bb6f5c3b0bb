"""Operators that select elements, by position or by a mask."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from .case import (
    ALL,
    FLOATS,
    Call,
    Draw,
    broadcasting,
    case,
    dim,
    dtypes,
    huge,
    scalar,
    shapes,
    tensor,
)

aten = torch.ops.aten

INDICES = (torch.int64, torch.int32)


def source(draw: Draw, least: int = 0, **options: Any) -> torch.Tensor:
    dtype = draw(dtypes(ALL))
    return tensor(draw, draw(shapes(least, **options)), dtype, special=huge(dtype))


def positions(
    draw: Draw, shape: Any, count: int, *, negative: bool = False, choice: Any = INDICES
) -> torch.Tensor:
    """Indices into a dimension of size ``count``; no indices if it is empty."""
    elements = st.integers(-count if negative else 0, count - 1) if count else st.nothing()
    shape = tuple(shape) if count else (0, *shape[1:])
    if 0 in shape:
        return torch.zeros(shape, dtype=draw(dtypes(choice)))
    array = draw(hnp.arrays("int64", shape, elements=elements))
    return torch.from_numpy(array).to(draw(dtypes(choice)))


@case(aten.embedding.default, exact=True)
def _(draw: Draw) -> Call:
    rows, width = draw(st.integers(0, 5)), draw(st.integers(0, 4))
    dtype = draw(dtypes(FLOATS))
    weight = tensor(draw, (rows, width), dtype, special=huge(dtype))
    indices = positions(draw, draw(shapes(1)), rows)
    more = [(), (-1, False, False)] + ([(0,)] if rows else [])
    return Call((weight, indices, *draw(st.sampled_from(more))))


@case(aten.select.int, exact=True)
def _(draw: Draw) -> Call:
    x = source(draw, 1, smallest=1)
    along = draw(dim(x.ndim))
    n = x.shape[along]
    return Call((x, along, draw(st.integers(-n, n - 1))))


# PyTorch clamps bounds that are out of range, and takes only positive steps.
BOUND = st.none() | st.integers(-3, 3) | st.integers(-9, 9) | st.just(2**63 - 1)


@case(aten.slice.Tensor, exact=True)
def _(draw: Draw) -> Call:
    x = source(draw, 1, largest=7)
    arguments = (draw(dim(x.ndim)), draw(BOUND), draw(BOUND), draw(st.integers(1, 3)))
    return Call((x, *arguments[: draw(st.sampled_from([4, 4, 4, 3, 2, 1, 0]))]))


@case(aten.index_select.default, exact=True)
def _(draw: Draw) -> Call:
    x = source(draw, smallest=1)
    along = draw(dim(x.ndim))
    count = x.shape[along] if x.ndim else 1
    return Call((x, along, positions(draw, (draw(st.integers(0, 5)) if x.ndim else 1,), count)))


@case(aten.gather.default, exact=True)
def _(draw: Draw) -> Call:
    x = source(draw)
    along = draw(dim(x.ndim))
    if not x.ndim:
        return Call((x, along, torch.zeros((), dtype=torch.int64)))
    shape = [draw(st.integers(0, n)) for n in x.shape]
    shape[along] = draw(st.integers(0, 5)) if x.shape[along] else 0
    index = positions(draw, shape, x.shape[along], choice=INDICES[:1])
    return Call(
        (x, along, index.reshape(shape)), draw(st.sampled_from([{}, {"sparse_grad": False}]))
    )


@case(aten.index.Tensor, exact=True)
def _(draw: Draw) -> Call:
    x = source(draw, 1, smallest=1)
    chosen = [draw(st.booleans()) for _ in range(draw(st.integers(1, x.ndim)))]
    chosen[draw(st.integers(0, len(chosen) - 1))] = True
    index_shapes = iter(broadcasting(draw, sum(chosen)))
    indices = [
        positions(draw, next(index_shapes), n, negative=True) if is_chosen else None
        for is_chosen, n in zip(chosen, x.shape, strict=False)
    ]
    return Call((x, indices))


def conditioned(draw: Draw) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    condition, *operands = broadcasting(draw, 3)
    choice = [draw(dtypes(ALL)) for _ in operands]
    first, second = (
        tensor(draw, shape, dtype, special=huge(dtype))
        for shape, dtype in zip(operands, choice, strict=True)
    )
    return tensor(draw, condition, torch.bool), first, second


def number_like(value: torch.Tensor) -> Any:
    """A number of the tensor's kind, which PyTorch does not promote."""
    if value.dtype is torch.bool:
        return st.booleans()
    return scalar(value.dtype)


@case(aten.where.self, exact=True)
def _(draw: Draw) -> Call:
    return Call(conditioned(draw))


# Every number is exact in half precision.
@case(aten.where.ScalarOther, exact=True)
def _(draw: Draw) -> Call:
    condition, x, _ = conditioned(draw)
    return Call((condition, x, draw(st.sampled_from([0, 1, -2, 0.5, False, float("-inf")]))))


@case(aten.where.ScalarSelf, exact=True)
def _(draw: Draw) -> Call:
    condition, x, _ = conditioned(draw)
    return Call((condition, draw(st.sampled_from([0, 1, -2, 0.5, False, float("-inf")])), x))


def masked(draw: Draw) -> tuple[torch.Tensor, torch.Tensor]:
    value, mask = broadcasting(draw, 2)
    dtype = draw(dtypes(ALL))
    return tensor(draw, value, dtype, special=huge(dtype)), tensor(draw, mask, torch.bool)


@case(aten.masked_fill.Scalar, exact=True)
def _(draw: Draw) -> Call:
    x, mask = masked(draw)
    limit = [torch.finfo(x.dtype).min, float("-inf")] if x.is_floating_point() else [7]
    return Call((x, mask, draw(number_like(x) | st.sampled_from(limit))))


@case(aten.masked_fill.Tensor, exact=True)
def _(draw: Draw) -> Call:
    x, mask = masked(draw)
    return Call((x, mask, tensor(draw, (), x.dtype)))
