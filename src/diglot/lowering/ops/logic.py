"""Comparisons, and logic on booleans and bits."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import torch

from diglot.lowering import dtypes
from diglot.lowering.registry import lowering

aten = torch.ops.aten


def _bitwise(name: str, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Apply a logical operator to booleans, or its bitwise form to integers."""
    if x.dtype == tf.bool:
        return getattr(tf.math, f"logical_{name}")(x, y)
    return getattr(tf.bitwise, f"bitwise_{name}")(x, y)


def _ordered(x: tf.Tensor, y: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """Cast booleans to integers: TensorFlow does not order booleans."""
    y = dtypes.constant(y, x.dtype)
    return (tf.cast(x, tf.int8), tf.cast(y, tf.int8)) if x.dtype == tf.bool else (x, y)


@lowering(aten.eq.Tensor, promote=("self", "other"))
def aten_eq_Tensor(self: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """eq.Tensor(Tensor self, Tensor other) -> Tensor"""
    return tf.equal(self, other)


@lowering(aten.eq.Scalar, promote=("self", "other"))
def aten_eq_Scalar(self: tf.Tensor, other: Any) -> tf.Tensor:
    """eq.Scalar(Tensor self, Scalar other) -> Tensor"""
    return tf.equal(self, dtypes.constant(other, self.dtype))


@lowering(aten.ne.Tensor, promote=("self", "other"))
def aten_ne_Tensor(self: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """ne.Tensor(Tensor self, Tensor other) -> Tensor"""
    return tf.not_equal(self, other)


@lowering(aten.ne.Scalar, promote=("self", "other"))
def aten_ne_Scalar(self: tf.Tensor, other: Any) -> tf.Tensor:
    """ne.Scalar(Tensor self, Scalar other) -> Tensor"""
    return tf.not_equal(self, dtypes.constant(other, self.dtype))


@lowering(aten.lt.Tensor, promote=("self", "other"))
def aten_lt_Tensor(self: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """lt.Tensor(Tensor self, Tensor other) -> Tensor"""
    return tf.less(*_ordered(self, other))


@lowering(aten.lt.Scalar, promote=("self", "other"))
def aten_lt_Scalar(self: tf.Tensor, other: Any) -> tf.Tensor:
    """lt.Scalar(Tensor self, Scalar other) -> Tensor"""
    return tf.less(*_ordered(self, other))


@lowering(aten.le.Tensor, promote=("self", "other"))
def aten_le_Tensor(self: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """le.Tensor(Tensor self, Tensor other) -> Tensor"""
    return tf.less_equal(*_ordered(self, other))


@lowering(aten.le.Scalar, promote=("self", "other"))
def aten_le_Scalar(self: tf.Tensor, other: Any) -> tf.Tensor:
    """le.Scalar(Tensor self, Scalar other) -> Tensor"""
    return tf.less_equal(*_ordered(self, other))


@lowering(aten.gt.Tensor, promote=("self", "other"))
def aten_gt_Tensor(self: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """gt.Tensor(Tensor self, Tensor other) -> Tensor"""
    return tf.greater(*_ordered(self, other))


@lowering(aten.gt.Scalar, promote=("self", "other"))
def aten_gt_Scalar(self: tf.Tensor, other: Any) -> tf.Tensor:
    """gt.Scalar(Tensor self, Scalar other) -> Tensor"""
    return tf.greater(*_ordered(self, other))


@lowering(aten.ge.Tensor, promote=("self", "other"))
def aten_ge_Tensor(self: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """ge.Tensor(Tensor self, Tensor other) -> Tensor"""
    return tf.greater_equal(*_ordered(self, other))


@lowering(aten.ge.Scalar, promote=("self", "other"))
def aten_ge_Scalar(self: tf.Tensor, other: Any) -> tf.Tensor:
    """ge.Scalar(Tensor self, Scalar other) -> Tensor"""
    return tf.greater_equal(*_ordered(self, other))


@lowering(aten.__and__.Tensor, promote=("self", "other"))
def aten___and___Tensor(self: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """__and__.Tensor(Tensor self, Tensor other) -> Tensor"""
    return _bitwise("and", self, other)


@lowering(aten.bitwise_and.Tensor, promote=("self", "other"))
def aten_bitwise_and_Tensor(self: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """bitwise_and.Tensor(Tensor self, Tensor other) -> Tensor"""
    return _bitwise("and", self, other)


@lowering(aten.__or__.Tensor, promote=("self", "other"))
def aten___or___Tensor(self: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """__or__.Tensor(Tensor self, Tensor other) -> Tensor"""
    return _bitwise("or", self, other)


@lowering(aten.bitwise_or.Tensor, promote=("self", "other"))
def aten_bitwise_or_Tensor(self: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """bitwise_or.Tensor(Tensor self, Tensor other) -> Tensor"""
    return _bitwise("or", self, other)


@lowering(aten.__xor__.Tensor, promote=("self", "other"))
def aten___xor___Tensor(self: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """__xor__.Tensor(Tensor self, Tensor other) -> Tensor"""
    return _bitwise("xor", self, other)


@lowering(aten.bitwise_xor.Tensor, promote=("self", "other"))
def aten_bitwise_xor_Tensor(self: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """bitwise_xor.Tensor(Tensor self, Tensor other) -> Tensor"""
    return _bitwise("xor", self, other)


@lowering(aten.bitwise_not.default)
def aten_bitwise_not(self: tf.Tensor) -> tf.Tensor:
    """bitwise_not(Tensor self) -> Tensor"""
    return tf.logical_not(self) if self.dtype == tf.bool else tf.bitwise.invert(self)


@lowering(aten.logical_and.default)
def aten_logical_and(self: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """logical_and(Tensor self, Tensor other) -> Tensor"""
    return tf.logical_and(tf.cast(self, tf.bool), tf.cast(other, tf.bool))


@lowering(aten.logical_or.default)
def aten_logical_or(self: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """logical_or(Tensor self, Tensor other) -> Tensor"""
    return tf.logical_or(tf.cast(self, tf.bool), tf.cast(other, tf.bool))


@lowering(aten.logical_not.default)
def aten_logical_not(self: tf.Tensor) -> tf.Tensor:
    """logical_not(Tensor self) -> Tensor"""
    return tf.logical_not(tf.cast(self, tf.bool))


@lowering(aten.isnan.default)
def aten_isnan(self: tf.Tensor) -> tf.Tensor:
    """isnan(Tensor self) -> Tensor"""
    return tf.math.is_nan(self) if self.dtype.is_floating else tf.zeros_like(self, tf.bool)


@lowering(aten.isinf.default)
def aten_isinf(self: tf.Tensor) -> tf.Tensor:
    """isinf(Tensor self) -> Tensor"""
    return tf.math.is_inf(self) if self.dtype.is_floating else tf.zeros_like(self, tf.bool)
