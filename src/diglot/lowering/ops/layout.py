"""Operators that move elements or read sizes, without computing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import torch

from diglot.lowering import dtypes, shapes
from diglot.lowering.registry import lowering
from diglot.lowering.shapes import Size

aten = torch.ops.aten


def _squeeze(x: tf.Tensor, dims: list[int]) -> tf.Tensor:
    """Remove each of ``dims`` whose size is 1; as in PyTorch, the others stay."""
    positive = {shapes.positive(dim, x.shape.rank) for dim in dims if x.shape.rank}
    removed = [dim for dim in positive if x.shape[dim] == 1]
    return tf.squeeze(x, removed) if removed else x  # to tf.squeeze, an empty list means all


@lowering(aten.sym_size.int)
def aten_sym_size_int(self: tf.Tensor, dim: int) -> Size:
    """sym_size.int(Tensor self, int dim) -> SymInt"""
    return shapes.size(self, dim)


@lowering(aten.alias.default)
def aten_alias(self: tf.Tensor) -> tf.Tensor:
    """alias(Tensor(a) self) -> Tensor(a)"""
    return self


@lowering(aten.clone.default)
def aten_clone(self: tf.Tensor, **_: Any) -> tf.Tensor:
    """clone(Tensor self, *, MemoryFormat? memory_format=None) -> Tensor"""
    return self


@lowering(aten.detach.default)
def aten_detach(self: tf.Tensor) -> tf.Tensor:
    """detach(Tensor(a) self) -> Tensor(a)"""
    return self


@lowering(aten.lift_fresh_copy.default)
def aten_lift_fresh_copy(self: tf.Tensor) -> tf.Tensor:
    """lift_fresh_copy(Tensor self) -> Tensor"""
    return self


@lowering(aten.view.default)
def aten_view(self: tf.Tensor, size: list[Size]) -> tf.Tensor:
    """view(Tensor(a) self, SymInt[] size) -> Tensor(a)"""
    return shapes.reshape(self, size)


@lowering(aten._unsafe_view.default)
def aten__unsafe_view(self: tf.Tensor, size: list[Size]) -> tf.Tensor:
    """_unsafe_view(Tensor self, SymInt[] size) -> Tensor"""
    return shapes.reshape(self, size)


@lowering(aten.expand.default)
def aten_expand(self: tf.Tensor, size: list[Size], *, implicit: bool = False) -> tf.Tensor:
    """expand(Tensor(a) self, SymInt[] size, *, bool implicit=False) -> Tensor(a)"""
    present = [1] * (len(size) - self.shape.rank) + shapes.sizes(self)
    result = [
        old if isinstance(new, int) and new == -1 else new
        for old, new in zip(present, size, strict=True)
    ]
    return tf.broadcast_to(self, shapes.as_shape(result))


@lowering(aten.permute.default)
def aten_permute(self: tf.Tensor, dims: list[int]) -> tf.Tensor:
    """permute(Tensor(a) self, int[] dims) -> Tensor(a)"""
    return tf.transpose(self, [shapes.positive(dim, self.shape.rank) for dim in dims])


@lowering(aten.transpose.int)
def aten_transpose_int(self: tf.Tensor, dim0: int, dim1: int) -> tf.Tensor:
    """transpose.int(Tensor(a) self, int dim0, int dim1) -> Tensor(a)"""
    order = list(range(self.shape.rank))
    if order:
        order[dim0], order[dim1] = order[dim1], order[dim0]
    return tf.transpose(self, order)


@lowering(aten.t.default)
def aten_t(self: tf.Tensor) -> tf.Tensor:
    """t(Tensor(a) self) -> Tensor(a)"""
    return tf.transpose(self)


@lowering(aten.unsqueeze.default)
def aten_unsqueeze(self: tf.Tensor, dim: int) -> tf.Tensor:
    """unsqueeze(Tensor(a) self, int dim) -> Tensor(a)"""
    return tf.expand_dims(self, dim)


@lowering(aten.squeeze.dim)
def aten_squeeze_dim(self: tf.Tensor, dim: int) -> tf.Tensor:
    """squeeze.dim(Tensor(a) self, int dim) -> Tensor(a)"""
    return _squeeze(self, [dim])


@lowering(aten.squeeze.dims)
def aten_squeeze_dims(self: tf.Tensor, dim: list[int]) -> tf.Tensor:
    """squeeze.dims(Tensor(a) self, int[] dim) -> Tensor(a)"""
    return _squeeze(self, dim)


@lowering(aten.cat.default, promote=("tensors",))
def aten_cat(tensors: list[tf.Tensor], dim: int = 0) -> tf.Tensor:
    """cat(Tensor[] tensors, int dim=0) -> Tensor"""
    return tf.concat([tensor for tensor in tensors if tensor.shape != [0]] or tensors, axis=dim)


@lowering(aten.stack.default, promote=("tensors",))
def aten_stack(tensors: list[tf.Tensor], dim: int = 0) -> tf.Tensor:
    """stack(Tensor[] tensors, int dim=0) -> Tensor"""
    return tf.stack(tensors, axis=dim)


@lowering(aten.split.Tensor)
def aten_split_Tensor(self: tf.Tensor, split_size: int, dim: int = 0) -> list[tf.Tensor]:
    """split.Tensor(Tensor(a -> *) self, SymInt split_size, int dim=0) -> Tensor(a)[]"""
    total = self.shape[dim]
    parts: list[tf.Tensor] = tf.split(
        self,
        [min(split_size, total - start) for start in range(0, max(total, 1), split_size)],
        axis=dim,
    )
    return parts


@lowering(aten.split_with_sizes.default)
def aten_split_with_sizes(
    self: tf.Tensor, split_sizes: list[Size], dim: int = 0
) -> list[tf.Tensor]:
    """split_with_sizes(Tensor(a -> *) self, SymInt[] split_sizes, int dim=0) -> Tensor(a)[]"""
    parts: list[tf.Tensor] = tf.split(self, split_sizes, axis=dim)
    return parts


@lowering(aten.unbind.int)
def aten_unbind_int(self: tf.Tensor, dim: int = 0) -> list[tf.Tensor]:
    """unbind.int(Tensor(a -> *) self, int dim=0) -> Tensor(a)[]"""
    parts: list[tf.Tensor] = tf.unstack(self, axis=dim)
    return parts


@lowering(aten.repeat.default)
def aten_repeat(self: tf.Tensor, repeats: list[Size]) -> tf.Tensor:
    """repeat(Tensor self, SymInt[] repeats) -> Tensor"""
    added = len(repeats) - self.shape.rank
    return tf.tile(shapes.reshape(self, [1] * added + shapes.sizes(self)), shapes.as_shape(repeats))


@lowering(aten.flip.default)
def aten_flip(self: tf.Tensor, dims: list[int]) -> tf.Tensor:
    """flip(Tensor self, int[] dims) -> Tensor"""
    return tf.reverse(self, [shapes.positive(dim, self.shape.rank) for dim in dims])


@lowering(aten.roll.default)
def aten_roll(self: tf.Tensor, shifts: list[int], dims: Sequence[int] = ()) -> tf.Tensor:
    """roll(Tensor self, SymInt[1] shifts, int[1] dims=[]) -> Tensor"""
    if not dims:
        return tf.reshape(tf.roll(tf.reshape(self, [-1]), shifts[0], 0), tf.shape(self))
    return tf.roll(self, shifts, dims)


def _cut(padding: Size) -> int:
    """How many elements a padding removes; a padding known only at run time is never negative."""
    return max(-padding, 0) if isinstance(padding, int) else 0


@lowering(aten.constant_pad_nd.default)
def aten_constant_pad_nd(self: tf.Tensor, pad: list[Size], value: Any = 0) -> tf.Tensor:
    """constant_pad_nd(Tensor self, SymInt[] pad, Scalar value=0) -> Tensor"""
    if not pad:
        return self
    pairs = [[pad[i], pad[i + 1]] for i in range(0, len(pad), 2)][::-1]
    paddings = [[0, 0]] * (self.shape.rank - len(pairs)) + pairs
    # A negative padding removes elements.
    for axis, (before, after) in enumerate(paddings):
        if _cut(before) or _cut(after):
            end = shapes.size(self, axis) - _cut(after)
            self = self[(slice(None),) * axis + (slice(_cut(before), end),)]
    grown = [[before + _cut(before), after + _cut(after)] for before, after in paddings]
    return tf.pad(self, grown, constant_values=dtypes.constant(value, self.dtype))
