"""Operators that sum or search along dimensions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
import torch

from diglot.lowering import dtypes, shapes
from diglot.lowering.dtypes import in_float32
from diglot.lowering.registry import lowering

aten = torch.ops.aten


def _axes(x: tf.Tensor, dim: Any) -> list[int] | None:
    """The axes to reduce; ``None``, all of them, for no dims, an empty list or a scalar."""
    dims = [dim] if isinstance(dim, int) else dim
    return list(dims) if dims and x.shape.rank else None


def _accurate(reduce: Callable[..., tf.Tensor], x: tf.Tensor, dim: Any, keepdim: bool) -> tf.Tensor:
    """Reduce; half precision is accumulated in float32, as in PyTorch."""
    return in_float32(lambda y: reduce(y, axis=_axes(x, dim), keepdims=keepdim), x)


def _with_nan(extremum: tf.Tensor, x: tf.Tensor, dim: Any, keepdim: bool) -> tf.Tensor:
    """The extremum, NaN if any element is, as in PyTorch; XLA's is not always NaN."""
    if not x.dtype.is_floating:
        return extremum
    nan = tf.reduce_any(tf.math.is_nan(x), axis=_axes(x, dim), keepdims=keepdim)
    return tf.where(nan, tf.constant(math.nan, x.dtype), extremum)


def _greatest(x: tf.Tensor, dim: Any = None, keepdim: bool = False) -> tf.Tensor:
    reduce = tf.reduce_any if x.dtype == tf.bool else tf.reduce_max
    return _with_nan(reduce(x, axis=_axes(x, dim), keepdims=keepdim), x, dim, keepdim)


def _least(x: tf.Tensor, dim: Any = None, keepdim: bool = False) -> tf.Tensor:
    reduce = tf.reduce_all if x.dtype == tf.bool else tf.reduce_min
    return _with_nan(reduce(x, axis=_axes(x, dim), keepdims=keepdim), x, dim, keepdim)


def _first_greatest(x: tf.Tensor, dim: int) -> tf.Tensor:
    """The index of the first greatest element; NaN counts as greater than any number."""
    if x.dtype == tf.bool:
        x = tf.cast(x, tf.int32)
    if not x.dtype.is_floating:
        return tf.argmax(x, axis=dim, output_type=tf.int64)
    nan = tf.math.is_nan(x)
    index = tf.argmax(x, axis=dim, output_type=tf.int64)
    first = tf.argmax(tf.cast(nan, tf.int32), axis=dim, output_type=tf.int64)
    return tf.where(tf.reduce_any(nan, axis=dim), first, index)


def _truth(reduce: Callable[..., tf.Tensor], x: tf.Tensor, dim: Any, keepdim: bool) -> tf.Tensor:
    """``any`` or ``all``; the result of uint8 is uint8, as in PyTorch."""
    result = reduce(tf.cast(x, tf.bool), axis=_axes(x, dim), keepdims=keepdim)
    return tf.cast(result, tf.uint8) if x.dtype == tf.uint8 else result


@lowering(aten.mean.default, promote=("self",))
def aten_mean(self: tf.Tensor, *, dtype: torch.dtype | None = None) -> tf.Tensor:
    """mean(Tensor self, *, ScalarType? dtype=None) -> Tensor"""
    return _accurate(tf.reduce_mean, self, None, False)


@lowering(aten.mean.dim, promote=("self",))
def aten_mean_dim(
    self: tf.Tensor, dim: Any, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> tf.Tensor:
    """mean.dim(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"""
    return _accurate(tf.reduce_mean, self, dim, keepdim)


@lowering(aten.sum.default, promote=("self",))
def aten_sum(self: tf.Tensor, *, dtype: torch.dtype | None = None) -> tf.Tensor:
    """sum(Tensor self, *, ScalarType? dtype=None) -> Tensor"""
    return _accurate(tf.reduce_sum, self, None, False)


@lowering(aten.sum.dim_IntList, promote=("self",))
def aten_sum_dim_IntList(
    self: tf.Tensor, dim: Any, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> tf.Tensor:
    """sum.dim_IntList(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"""
    return _accurate(tf.reduce_sum, self, dim, keepdim)


@lowering(aten.var.correction, promote=("self",))
def aten_var_correction(
    self: tf.Tensor, dim: Any = None, *, correction: Any = None, keepdim: bool = False
) -> tf.Tensor:
    """var.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor"""
    correction = 1 if correction is None else correction
    axes = _axes(self, dim)
    reduced = range(self.shape.rank) if axes is None else axes
    sizes = [shapes.size(self, axis) for axis in reduced]
    count = dtypes.constant(shapes.product(sizes), tf.float64)
    degrees = tf.maximum(count - dtypes.constant(correction, tf.float64), 0)

    def spread(x: tf.Tensor) -> tf.Tensor:
        centered = x - tf.reduce_mean(x, axis=axes, keepdims=True)
        squares = tf.reduce_sum(tf.square(centered), axis=axes, keepdims=keepdim)
        return squares / tf.cast(degrees, x.dtype)

    return in_float32(spread, self)


@lowering(aten.amax.default)
def aten_amax(self: tf.Tensor, dim: Sequence[int] = (), keepdim: bool = False) -> tf.Tensor:
    """amax(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor"""
    return _greatest(self, dim, keepdim)


@lowering(aten.amin.default)
def aten_amin(self: tf.Tensor, dim: Sequence[int] = (), keepdim: bool = False) -> tf.Tensor:
    """amin(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor"""
    return _least(self, dim, keepdim)


@lowering(aten.max.default)
def aten_max(self: tf.Tensor) -> tf.Tensor:
    """max(Tensor self) -> Tensor"""
    return _greatest(self)


@lowering(aten.min.default)
def aten_min(self: tf.Tensor) -> tf.Tensor:
    """min(Tensor self) -> Tensor"""
    return _least(self)


@lowering(aten.max.dim)
def aten_max_dim(self: tf.Tensor, dim: int, keepdim: bool = False) -> tuple[tf.Tensor, ...]:
    """max.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)"""
    return _greatest(self, dim, keepdim), aten_argmax(self, dim, keepdim)


@lowering(aten.argmax.default)
def aten_argmax(self: tf.Tensor, dim: Any = None, keepdim: bool = False) -> tf.Tensor:
    """argmax(Tensor self, int? dim=None, bool keepdim=False) -> Tensor"""
    if dim is None or self.shape.rank == 0:
        index = _first_greatest(tf.reshape(self, [-1]), 0)
        return tf.reshape(index, [1] * self.shape.rank) if keepdim else index
    index = _first_greatest(self, dim)
    return tf.expand_dims(index, dim) if keepdim else index


@lowering(aten.any.default)
def aten_any(self: tf.Tensor) -> tf.Tensor:
    """any(Tensor self) -> Tensor"""
    return _truth(tf.reduce_any, self, None, False)


@lowering(aten.all.default)
def aten_all(self: tf.Tensor) -> tf.Tensor:
    """all(Tensor self) -> Tensor"""
    return _truth(tf.reduce_all, self, None, False)


@lowering(aten.any.dim)
def aten_any_dim(self: tf.Tensor, dim: int, keepdim: bool = False) -> tf.Tensor:
    """any.dim(Tensor self, int dim, bool keepdim=False) -> Tensor"""
    return _truth(tf.reduce_any, self, dim, keepdim)


@lowering(aten.all.dim)
def aten_all_dim(self: tf.Tensor, dim: int, keepdim: bool = False) -> tf.Tensor:
    """all.dim(Tensor self, int dim, bool keepdim=False) -> Tensor"""
    return _truth(tf.reduce_all, self, dim, keepdim)


@lowering(aten.cumsum.default, promote=("self",))
def aten_cumsum(self: tf.Tensor, dim: int, *, dtype: torch.dtype | None = None) -> tf.Tensor:
    """cumsum(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor"""
    return in_float32(lambda x: tf.cumsum(x, axis=dim), self) if self.shape.rank else self
