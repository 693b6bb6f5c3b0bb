"""Softmax and normalizations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import torch

from diglot.lowering import dtypes
from diglot.lowering.dtypes import in_float32
from diglot.lowering.registry import lowering
from diglot.lowering.shapes import Size

aten = torch.ops.aten


def _softmax(x: tf.Tensor, axis: int) -> tf.Tensor:
    """Softmax, NaN along ``axis`` if any element is; TensorFlow's is NaN at that element only."""
    result = tf.nn.softmax(x, axis=axis)
    total = tf.reduce_sum(result, axis=axis, keepdims=True)
    return result + (total - total)  # total - total is NaN or zero


def _along(function: Callable[..., tf.Tensor], x: tf.Tensor, dim: int) -> tf.Tensor:
    """``function`` along ``dim``; PyTorch treats a scalar as a vector of one element."""
    if x.shape.rank == 0:
        return tf.reshape(_along(function, x[None], 0), [])
    return in_float32(lambda y: function(y, axis=dim), x)


@lowering(aten.softmax.int, promote=("self",))
def aten_softmax_int(self: tf.Tensor, dim: int, dtype: torch.dtype | None = None) -> tf.Tensor:
    """softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor"""
    return _along(_softmax, self, dim)


@lowering(aten.log_softmax.int, promote=("self",))
def aten_log_softmax_int(self: tf.Tensor, dim: int, dtype: torch.dtype | None = None) -> tf.Tensor:
    """log_softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor"""
    return _along(tf.nn.log_softmax, self, dim)


@lowering(aten.layer_norm.default)
def aten_layer_norm(
    input: tf.Tensor,
    normalized_shape: list[Size],
    weight: tf.Tensor | None = None,
    bias: tf.Tensor | None = None,
    eps: float = 1e-05,
    cudnn_enable: bool = True,
) -> tf.Tensor:
    """layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1.0000000000000001e-05, bool cudnn_enable=True) -> Tensor"""
    axes = list(range(-len(normalized_shape), 0))

    def normalize(x: tf.Tensor) -> tf.Tensor:
        centered = x - tf.reduce_mean(x, axis=axes, keepdims=True)
        variance = tf.reduce_mean(tf.square(centered), axis=axes, keepdims=True)
        result = centered * tf.math.rsqrt(variance + dtypes.constant(eps, x.dtype))
        if weight is not None:
            result *= tf.cast(weight, x.dtype)
        return result if bias is None else result + tf.cast(bias, x.dtype)

    return in_float32(normalize, input)


@lowering(aten.rms_norm.default)
def aten_rms_norm(
    input: tf.Tensor, normalized_shape: list[Size], weight: tf.Tensor | None = None, eps: Any = None
) -> tf.Tensor:
    """rms_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, float? eps=None) -> Tensor"""
    axes = list(range(-len(normalized_shape), 0))
    epsilon = torch.finfo(getattr(torch, input.dtype.name)).eps if eps is None else eps

    def normalize(x: tf.Tensor) -> tf.Tensor:
        square = tf.reduce_mean(tf.square(x), axis=axes, keepdims=True)
        result = x * tf.math.rsqrt(square + dtypes.constant(epsilon, x.dtype))
        return result if weight is None else result * tf.cast(weight, x.dtype)

    return in_float32(normalize, input)
