"""Operators that move elements or read sizes, without computing."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import strategies as st

from .case import ALL, Call, Draw, case, dim, dims, dtypes, huge, shapes, tensor

aten = torch.ops.aten


def any_tensor(draw: Draw, least: int = 0, **options: Any) -> torch.Tensor:
    dtype = draw(dtypes((*ALL, torch.uint8)))
    return tensor(draw, draw(shapes(least, **options)), dtype, special=huge(dtype))


@case(aten.sym_size.int)
def _(draw: Draw) -> Call:
    # torch.export treats a size of 1 as a constant, which no operator reads.
    x = tensor(draw, draw(shapes(1).filter(lambda sizes: 1 not in sizes)), draw(dtypes(ALL)))
    return Call((x, draw(dim(x.ndim))))


@case(aten.alias.default, aten.detach.default, aten.lift_fresh_copy.default, exact=True)
def _(draw: Draw) -> Call:
    return Call((any_tensor(draw),))


@case(aten.clone.default, exact=True)
def _(draw: Draw) -> Call:
    memory = {"memory_format": torch.contiguous_format}
    return Call((any_tensor(draw),), draw(st.sampled_from([{}, memory])))


@case(aten.view.default, aten._unsafe_view.default, exact=True, fixed=True)
def _(draw: Draw) -> Call:
    x = any_tensor(draw)
    size = list(draw(st.permutations(x.shape)))
    if len(size) > 1 and draw(st.booleans()):  # join two
        size = [size[0] * size[1], *size[2:]]
    if draw(st.booleans()):
        size.insert(draw(st.integers(0, len(size))), 1)
    if size and x.numel() and draw(st.booleans()):
        size[draw(st.integers(0, len(size) - 1))] = -1
    return Call((x, size))


@case(aten.expand.default, exact=True, fixed=True)
def _(draw: Draw) -> Call:
    x = any_tensor(draw)
    sizes = [draw(st.sampled_from([-1, n] if n != 1 else [-1, 1, 0, 3])) for n in x.shape]
    return Call((x, [*draw(shapes(0, 2)), *sizes]))


@case(aten.permute.default, exact=True)
def _(draw: Draw) -> Call:
    x = any_tensor(draw)
    return Call((x, dims(draw, x.ndim, least=x.ndim)))


@case(aten.transpose.int, exact=True)
def _(draw: Draw) -> Call:
    x = any_tensor(draw)
    return Call((x, draw(dim(x.ndim)), draw(dim(x.ndim))))


@case(aten.t.default, exact=True)
def _(draw: Draw) -> Call:
    x = any_tensor(draw)
    return Call((x if x.ndim < 3 else x[0] if len(x) else x.flatten(),))


@case(aten.unsqueeze.default, exact=True)
def _(draw: Draw) -> Call:
    x = any_tensor(draw)
    return Call((x, draw(dim(x.ndim + 1))))


@case(aten.squeeze.dim, exact=True)
def _(draw: Draw) -> Call:
    x = any_tensor(draw, largest=2)
    return Call((x, draw(dim(x.ndim))))


@case(aten.squeeze.dims, exact=True)
def _(draw: Draw) -> Call:
    x = any_tensor(draw, largest=2)
    return Call((x, dims(draw, x.ndim)))


def several(draw: Draw, shape: Any) -> list[torch.Tensor]:
    count = draw(st.integers(1, 3))
    dtype = draw(dtypes(ALL))
    kinds = [
        draw(st.sampled_from([dtype, dtype, torch.int64, torch.float32])) for _ in range(count)
    ]
    return [tensor(draw, shape(), kind) for kind in kinds]


@case(aten.cat.default, exact=True)
def _(draw: Draw) -> Call:
    shape = list(draw(shapes(1)))
    along = draw(dim(len(shape)))

    def varied() -> list[int]:
        return [draw(st.integers(0, 3)) if at == along % len(shape) else n
                for at, n in enumerate(shape)]  # fmt: skip

    tensors = several(draw, varied)
    if draw(st.booleans()):  # PyTorch allows an empty vector among other tensors
        tensors.insert(draw(st.integers(0, len(tensors))), torch.zeros(0))
    return Call((tensors, along))


@case(aten.stack.default, exact=True)
def _(draw: Draw) -> Call:
    shape = draw(shapes())
    return Call((several(draw, lambda: shape), draw(dim(len(shape) + 1))))


# The number of parts must be known to torch.export, and so must the size that is split.
@case(aten.split.Tensor, exact=True, static=True)
def _(draw: Draw) -> Call:
    x = any_tensor(draw, 1)
    return Call((x, draw(st.integers(1, 5)), draw(dim(x.ndim))))


@case(aten.split_with_sizes.default, exact=True, fixed=True)
def _(draw: Draw) -> Call:
    x = any_tensor(draw, 1)
    along = draw(dim(x.ndim))
    cuts = sorted(draw(st.lists(st.integers(0, x.shape[along]), max_size=3)))
    parts = [b - a for a, b in zip([0, *cuts], [*cuts, x.shape[along]], strict=True)]
    return Call((x, parts, along))


@case(aten.unbind.int, exact=True, static=True)
def _(draw: Draw) -> Call:
    x = any_tensor(draw, 1, smallest=1)
    return Call((x, draw(dim(x.ndim))))


@case(aten.repeat.default, exact=True)
def _(draw: Draw) -> Call:
    x = any_tensor(draw)
    count = x.ndim + draw(st.integers(0, 2))
    return Call((x, [draw(st.integers(0, 3)) for _ in range(count)]))


@case(aten.flip.default, exact=True)
def _(draw: Draw) -> Call:
    x = any_tensor(draw)
    return Call((x, dims(draw, x.ndim)))


@case(aten.roll.default, exact=True)
def _(draw: Draw) -> Call:
    x = any_tensor(draw)
    along = [] if not x.ndim or draw(st.booleans()) else dims(draw, x.ndim, least=1)
    shifts = [draw(st.integers(-6, 6)) for _ in along or [0]]
    return Call((x, shifts, *([along] if along else [])))


@case(aten.constant_pad_nd.default, exact=True)
def _(draw: Draw) -> Call:
    x = any_tensor(draw)
    pad: list[int] = []
    for n in reversed(x.shape[x.ndim - draw(st.integers(0, x.ndim)) :]):
        before = draw(st.integers(-n, 3))
        pad += [before, draw(st.integers(-(n + min(before, 0)), 3))]
    if x.dtype is torch.bool:
        return Call((x, pad))
    numbers = [-2, 1, 0.5, float("-inf")] if x.dtype.is_floating_point else [2, 1, 3]
    return Call((x, pad, *draw(st.sampled_from([(), *((number,) for number in numbers)]))))
