"""Operators that make a tensor from sizes and numbers, and triangles."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import torch

from diglot.lowering import dtypes, shapes
from diglot.lowering.registry import lowering
from diglot.lowering.shapes import Size

aten = torch.ops.aten


def _filled(size: list[Size], value: Any, dtype: torch.dtype | None) -> tf.Tensor:
    shape = shapes.as_shape(size) if size else []
    return tf.fill(shape, dtypes.constant(value, dtypes.to_tf(dtype)))


def _range(start: Any, end: Any, step: Any, dtype: torch.dtype | None) -> tf.Tensor:
    """Count in float64 or int64, as PyTorch does, and cast the result."""
    target = dtypes.to_tf(dtype)
    wide = tf.float64 if target.is_floating else tf.int64
    bounds = (dtypes.constant(number, wide) for number in (start, end, step))
    return tf.cast(tf.range(*bounds), target)


@lowering(aten.arange.default, promote=("end",))
def aten_arange(end: Any, *, dtype: torch.dtype | None = None, **_: Any) -> tf.Tensor:
    """arange(Scalar end, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor"""
    return _range(0, end, 1, dtype)


@lowering(aten.arange.start, promote=("start", "end"))
def aten_arange_start(
    start: Any, end: Any, *, dtype: torch.dtype | None = None, **_: Any
) -> tf.Tensor:
    """arange.start(Scalar start, Scalar end, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor"""
    return _range(start, end, 1, dtype)


@lowering(aten.arange.start_step, promote=("start", "end", "step"))
def aten_arange_start_step(
    start: Any, end: Any, step: Any = 1, *, dtype: torch.dtype | None = None, **_: Any
) -> tf.Tensor:
    """arange.start_step(Scalar start, Scalar end, Scalar step=1, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor"""
    return _range(start, end, step, dtype)


@lowering(aten.full.default)
def aten_full(
    size: list[Size], fill_value: Any, *, dtype: torch.dtype | None = None, **_: Any
) -> tf.Tensor:
    """full(SymInt[] size, Scalar fill_value, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor"""
    return _filled(size, fill_value, dtype)


@lowering(aten.ones.default)
def aten_ones(size: list[Size], *, dtype: torch.dtype | None = None, **_: Any) -> tf.Tensor:
    """ones(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor"""
    return _filled(size, 1, dtype)


@lowering(aten.zeros.default)
def aten_zeros(size: list[Size], *, dtype: torch.dtype | None = None, **_: Any) -> tf.Tensor:
    """zeros(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor"""
    return _filled(size, 0, dtype)


@lowering(aten.new_full.default)
def aten_new_full(
    self: tf.Tensor,
    size: list[Size],
    fill_value: Any,
    *,
    dtype: torch.dtype | None = None,
    **_: Any,
) -> tf.Tensor:
    """new_full(Tensor self, SymInt[] size, Scalar fill_value, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor"""
    return _filled(size, fill_value, dtype)


@lowering(aten.new_ones.default)
def aten_new_ones(
    self: tf.Tensor, size: list[Size], *, dtype: torch.dtype | None = None, **_: Any
) -> tf.Tensor:
    """new_ones(Tensor self, SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor"""
    return _filled(size, 1, dtype)


@lowering(aten.new_zeros.default)
def aten_new_zeros(
    self: tf.Tensor, size: list[Size], *, dtype: torch.dtype | None = None, **_: Any
) -> tf.Tensor:
    """new_zeros(Tensor self, SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor"""
    return _filled(size, 0, dtype)


@lowering(aten.full_like.default)
def aten_full_like(
    self: tf.Tensor, fill_value: Any, *, dtype: torch.dtype | None = None, **_: Any
) -> tf.Tensor:
    """full_like(Tensor self, Scalar fill_value, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor"""
    return _filled(shapes.sizes(self), fill_value, dtype)


@lowering(aten.ones_like.default)
def aten_ones_like(self: tf.Tensor, *, dtype: torch.dtype | None = None, **_: Any) -> tf.Tensor:
    """ones_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor"""
    return _filled(shapes.sizes(self), 1, dtype)


@lowering(aten.zeros_like.default)
def aten_zeros_like(self: tf.Tensor, *, dtype: torch.dtype | None = None, **_: Any) -> tf.Tensor:
    """zeros_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor"""
    return _filled(shapes.sizes(self), 0, dtype)


@lowering(aten.scalar_tensor.default)
def aten_scalar_tensor(s: Any, *, dtype: torch.dtype | None = None, **_: Any) -> tf.Tensor:
    """scalar_tensor(Scalar s, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor"""
    return dtypes.constant(s, dtypes.to_tf(dtype))


@lowering(aten.tril.default)
def aten_tril(self: tf.Tensor, diagonal: int = 0) -> tf.Tensor:
    """tril(Tensor self, SymInt diagonal=0) -> Tensor"""
    rows = tf.range(shapes.size(self, -2))[:, None]
    columns = tf.range(shapes.size(self, -1))[None, :]
    return tf.where(columns - rows <= diagonal, self, tf.zeros_like(self))


@lowering(aten.triu.default)
def aten_triu(self: tf.Tensor, diagonal: int = 0) -> tf.Tensor:
    """triu(Tensor self, SymInt diagonal=0) -> Tensor"""
    rows = tf.range(shapes.size(self, -2))[:, None]
    columns = tf.range(shapes.size(self, -1))[None, :]
    return tf.where(columns - rows >= diagonal, self, tf.zeros_like(self))
