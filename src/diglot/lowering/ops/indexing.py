"""Operators that select elements, by position or by a mask."""

from __future__ import annotations

import functools
from typing import Any

import tensorflow as tf
import torch

from diglot.errors import LoweringError
from diglot.lowering import dtypes, shapes
from diglot.lowering.registry import lowering

aten = torch.ops.aten


@lowering(aten.embedding.default)
def aten_embedding(
    weight: tf.Tensor,
    indices: tf.Tensor,
    padding_idx: int = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> tf.Tensor:
    """embedding(Tensor weight, Tensor indices, SymInt padding_idx=-1, bool scale_grad_by_freq=False, bool sparse=False) -> Tensor

    The row of ``padding_idx`` gets no gradient, as in PyTorch.
    """
    rows = tf.gather(weight, indices)
    if padding_idx < 0:
        return rows
    padding = tf.expand_dims(indices == tf.cast(padding_idx, indices.dtype), -1)
    return tf.where(padding, tf.stop_gradient(rows), rows)


@lowering(aten.select.int)
def aten_select_int(self: tf.Tensor, dim: int, index: int) -> tf.Tensor:
    """select.int(Tensor(a) self, int dim, SymInt index) -> Tensor(a)"""
    return self[(slice(None),) * shapes.positive(dim, self.shape.rank) + (index,)]


@lowering(aten.slice.Tensor)
def aten_slice_Tensor(
    self: tf.Tensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> tf.Tensor:
    """slice.Tensor(Tensor(a) self, int dim=0, SymInt? start=None, SymInt? end=None, SymInt step=1) -> Tensor(a)"""
    whole = (slice(None),) * shapes.positive(dim, self.shape.rank)
    stop = None if isinstance(end, int) and end >= 2**31 - 1 else end
    return self[(*whole, slice(start, stop, step))]


@lowering(aten.index_select.default)
def aten_index_select(self: tf.Tensor, dim: int, index: tf.Tensor) -> tf.Tensor:
    """index_select(Tensor self, int dim, Tensor index) -> Tensor"""
    # PyTorch treats a scalar as a vector of one element.
    return tf.gather(self, index, axis=dim) if self.shape.rank else self


@lowering(aten.gather.default)
def aten_gather(self: tf.Tensor, dim: int, index: tf.Tensor, **_: Any) -> tf.Tensor:
    """gather(Tensor self, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor"""
    rank = self.shape.rank
    if rank == 0:
        return self
    dim = shapes.positive(dim, rank)
    order = [axis for axis in range(rank) if axis != dim] + [dim]
    back = [order.index(axis) for axis in range(rank)]
    source, index = tf.transpose(self, order), tf.transpose(index, order)
    # The index may be smaller than the tensor in the other dimensions.
    source = source[tuple(slice(0, shapes.size(index, axis)) for axis in range(rank - 1))]
    return tf.transpose(tf.gather(source, index, axis=rank - 1, batch_dims=rank - 1), back)


@lowering(aten.index.Tensor)
def aten_index_Tensor(self: tf.Tensor, indices: Any) -> tf.Tensor:
    """index.Tensor(Tensor self, Tensor?[] indices) -> Tensor

    As in NumPy, the indices are broadcast together, and ``None`` keeps a dimension whole.
    """
    dims = [dim for dim, index in enumerate(indices) if index is not None]
    chosen = [tf.cast(indices[dim], tf.int64) for dim in dims]
    if any(indices[dim].dtype == tf.bool for dim in dims):
        raise LoweringError(
            "index.Tensor with a boolean mask has a result whose size depends on the data; run this"
            " checkpoint with backend='torch'"
        )
    others = [dim for dim in range(self.shape.rank) if dim not in dims]
    shape = functools.reduce(tf.broadcast_dynamic_shape, [tf.shape(index) for index in chosen])
    static = functools.reduce(tf.broadcast_static_shape, [index.shape for index in chosen])
    positions = [
        tf.broadcast_to(
            tf.where(index < 0, index + tf.cast(shapes.size(self, dim), tf.int64), index), shape
        )
        for dim, index in zip(dims, chosen, strict=True)
    ]
    result = tf.gather_nd(tf.transpose(self, dims + others), tf.stack(positions, axis=-1))
    # Adjacent indices leave their dimensions in place; others move them to the front.
    if dims != list(range(dims[0], dims[-1] + 1)):
        return result
    before = [len(static) + others.index(dim) for dim in others if dim < dims[0]]
    after = [len(static) + others.index(dim) for dim in others if dim > dims[-1]]
    return tf.transpose(result, before + list(range(len(static))) + after)


@lowering(aten.where.self, promote=("self", "other"))
def aten_where_self(condition: tf.Tensor, self: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """where.self(Tensor condition, Tensor self, Tensor other) -> Tensor"""
    return tf.where(condition, self, other)


@lowering(aten.where.ScalarOther, promote=("self", "other"))
def aten_where_ScalarOther(condition: tf.Tensor, self: tf.Tensor, other: Any) -> tf.Tensor:
    """where.ScalarOther(Tensor condition, Tensor self, Scalar other) -> Tensor"""
    return tf.where(condition, self, dtypes.constant(other, self.dtype))


@lowering(aten.where.ScalarSelf, promote=("self", "other"))
def aten_where_ScalarSelf(condition: tf.Tensor, self: Any, other: tf.Tensor) -> tf.Tensor:
    """where.ScalarSelf(Tensor condition, Scalar self, Tensor other) -> Tensor"""
    return tf.where(condition, dtypes.constant(self, other.dtype), other)


@lowering(aten.masked_fill.Scalar)
def aten_masked_fill_Scalar(self: tf.Tensor, mask: tf.Tensor, value: Any) -> tf.Tensor:
    """masked_fill.Scalar(Tensor self, Tensor mask, Scalar value) -> Tensor"""
    return tf.where(mask, dtypes.constant(value, self.dtype), self)


@lowering(aten.masked_fill.Tensor)
def aten_masked_fill_Tensor(self: tf.Tensor, mask: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """masked_fill.Tensor(Tensor self, Tensor mask, Tensor value) -> Tensor"""
    return tf.where(mask, tf.cast(value, self.dtype), self)
