"""Operators that convert a tensor to another dtype."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import torch

from diglot.lowering import dtypes
from diglot.lowering.registry import lowering

aten = torch.ops.aten
prims = torch.ops.prims


@lowering(aten._to_copy.default)
def aten__to_copy(self: tf.Tensor, *, dtype: torch.dtype | None = None, **_: Any) -> tf.Tensor:
    """_to_copy(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, bool non_blocking=False, MemoryFormat? memory_format=None) -> Tensor"""
    return tf.cast(self, self.dtype if dtype is None else dtypes.to_tf(dtype))


@lowering(prims.convert_element_type.default)
def prims_convert_element_type(a: tf.Tensor, dtype: torch.dtype) -> tf.Tensor:
    """convert_element_type(Tensor a, ScalarType dtype) -> Tensor"""
    return tf.cast(a, dtypes.to_tf(dtype))


@lowering(aten.type_as.default)
def aten_type_as(self: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """type_as(Tensor self, Tensor other) -> Tensor"""
    return tf.cast(self, other.dtype)
