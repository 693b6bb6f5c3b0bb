"""Operators that compute each element of the result from the same element of the arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import tensorflow as tf
import torch

from diglot.lowering import dtypes
from diglot.lowering.dtypes import in_float32
from diglot.lowering.registry import lowering

aten = torch.ops.aten


def _wide(function: Callable[[Any, Any], tf.Tensor], x: Any, y: Any) -> tf.Tensor:
    """``function(x, y)``; a Python number is not rounded to a half-precision tensor's dtype."""
    tensor = x if isinstance(x, tf.Tensor) else y
    if isinstance(x, tf.Tensor) and isinstance(y, tf.Tensor):
        return function(x, y)
    return in_float32(lambda z: function(z, y) if tensor is x else function(x, z), tensor)


def _erf(x: tf.Tensor) -> tf.Tensor:
    """The error function; ``tf.math.erf`` gives NaN for large float64 values.

    Beyond 10 the result is 1 to all digits of float64.
    """
    return tf.where(tf.abs(x) > 10, tf.sign(x), tf.math.erf(x))


# Powers that PyTorch computes without ``pow``: the results at zeros and infinities differ.
_POWERS: Mapping[float, Callable[[tf.Tensor], tf.Tensor]] = MappingProxyType(
    {
        0.5: lambda x: tf.sqrt(x),
        2: lambda x: tf.square(x),
        3: lambda x: x * x * x,
        -0.5: lambda x: 1 / tf.sqrt(x),
        -1: lambda x: 1 / x,
        -2: lambda x: 1 / tf.square(x),
    }
)


def _trunc(x: tf.Tensor) -> tf.Tensor:
    return tf.where(x < 0, tf.math.ceil(x), tf.math.floor(x))


def _floor_divide(x: tf.Tensor, y: Any) -> tf.Tensor:
    """The floor of the exact quotient; the floor of the rounded quotient may be 1 too large.

    Follows Python's ``//`` and PyTorch's ``div_floor``; infinite where the divisor is zero.
    """
    y = dtypes.constant(y, x.dtype)
    if not x.dtype.is_floating:
        return tf.math.floordiv(x, y)
    remainder = tf.truncatemod(x, y)
    negative = (remainder != 0) & ((remainder < 0) != (y < 0))
    exact = tf.round((x - remainder) / y) - tf.cast(negative, x.dtype)
    return tf.where(y == 0, x / y, exact)


def _minimum(x: tf.Tensor, y: Any) -> tf.Tensor:
    """The minimum, NaN where either operand is; ``tf.minimum`` gives NaN only in some cases."""
    y = dtypes.constant(y, x.dtype)
    if x.dtype == tf.bool:
        return x & y
    result = tf.minimum(x, y)
    return tf.where(x != x, x, tf.where(y != y, y, result)) if x.dtype.is_floating else result


def _maximum(x: tf.Tensor, y: Any) -> tf.Tensor:
    """The maximum, NaN where either operand is; see :func:`_minimum`."""
    y = dtypes.constant(y, x.dtype)
    if x.dtype == tf.bool:
        return x | y
    result = tf.maximum(x, y)
    return tf.where(x != x, x, tf.where(y != y, y, result)) if x.dtype.is_floating else result


@lowering(aten.abs.default, promote=("self",))
def aten_abs(self: tf.Tensor) -> tf.Tensor:
    """abs(Tensor self) -> Tensor"""
    return tf.abs(self)


@lowering(aten.add.Tensor, promote=("self", "other"))
def aten_add_Tensor(self: tf.Tensor, other: tf.Tensor, *, alpha: Any = 1) -> tf.Tensor:
    """add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor"""
    if self.dtype == tf.bool:
        return self | other
    return _wide(lambda x, y: x + y if alpha == 1 else x + alpha * y, self, other)


@lowering(aten.sub.Tensor, promote=("self", "other"))
def aten_sub_Tensor(self: tf.Tensor, other: tf.Tensor, *, alpha: Any = 1) -> tf.Tensor:
    """sub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor"""
    return _wide(lambda x, y: x - y if alpha == 1 else x - alpha * y, self, other)


@lowering(aten.rsub.Scalar, promote=("self", "other"))
def aten_rsub_Scalar(self: tf.Tensor, other: Any, alpha: Any = 1) -> tf.Tensor:
    """rsub.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor"""
    return _wide(lambda x, y: y - x if alpha == 1 else y - alpha * x, self, other)


@lowering(aten.mul.Tensor, promote=("self", "other"))
def aten_mul_Tensor(self: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """mul.Tensor(Tensor self, Tensor other) -> Tensor"""
    if self.dtype == tf.bool:
        return self & other
    return _wide(lambda x, y: x * y, self, other)


@lowering(aten.div.Tensor, promote=("self", "other"))
def aten_div_Tensor(self: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """div.Tensor(Tensor self, Tensor other) -> Tensor"""
    return _wide(lambda x, y: x / y, self, other)


@lowering(aten.div.Tensor_mode, promote=("self", "other"))
def aten_div_Tensor_mode(self: tf.Tensor, other: tf.Tensor, *, rounding_mode: Any) -> tf.Tensor:
    """div.Tensor_mode(Tensor self, Tensor other, *, str? rounding_mode) -> Tensor"""
    if rounding_mode is None:
        return _wide(lambda x, y: x / y, self, other)
    if rounding_mode == "floor":
        return in_float32(lambda x: _floor_divide(x, other), self)
    if self.dtype.is_floating:
        return _wide(lambda x, y: _trunc(x / y), self, other)
    return tf.truncatediv(self, other)


@lowering(aten.floor_divide.default, promote=("self", "other"))
def aten_floor_divide(self: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """floor_divide(Tensor self, Tensor other) -> Tensor"""
    return in_float32(lambda x: _floor_divide(x, other), self)


@lowering(aten.remainder.Scalar, promote=("self", "other"))
def aten_remainder_Scalar(self: tf.Tensor, other: Any) -> tf.Tensor:
    """remainder.Scalar(Tensor self, Scalar other) -> Tensor"""
    return _wide(tf.math.floormod, self, other)


@lowering(aten.neg.default, promote=("self",))
def aten_neg(self: tf.Tensor) -> tf.Tensor:
    """neg(Tensor self) -> Tensor"""
    return -self


@lowering(aten.reciprocal.default, promote=("self",))
def aten_reciprocal(self: tf.Tensor) -> tf.Tensor:
    """reciprocal(Tensor self) -> Tensor"""
    return tf.math.reciprocal(self)


@lowering(aten.pow.Tensor_Scalar, promote=("self", "exponent"))
def aten_pow_Tensor_Scalar(self: tf.Tensor, exponent: Any) -> tf.Tensor:
    """pow.Tensor_Scalar(Tensor self, Scalar exponent) -> Tensor"""

    def power(x: tf.Tensor) -> tf.Tensor:
        if x.dtype.is_floating and exponent in _POWERS:
            return _POWERS[exponent](x)
        return tf.pow(x, dtypes.constant(exponent, x.dtype))

    return in_float32(power, self)


@lowering(aten.pow.Scalar, promote=("self", "exponent"))
def aten_pow_Scalar(self: Any, exponent: tf.Tensor) -> tf.Tensor:
    """pow.Scalar(Scalar self, Tensor exponent) -> Tensor"""
    return in_float32(lambda x: tf.pow(dtypes.constant(self, x.dtype), x), exponent)


@lowering(aten.pow.Tensor_Tensor, promote=("self", "exponent"))
def aten_pow_Tensor_Tensor(self: tf.Tensor, exponent: tf.Tensor) -> tf.Tensor:
    """pow.Tensor_Tensor(Tensor self, Tensor exponent) -> Tensor"""
    return tf.pow(self, exponent)


@lowering(aten.square.default, promote=("self",))
def aten_square(self: tf.Tensor) -> tf.Tensor:
    """square(Tensor self) -> Tensor"""
    return tf.square(self)


@lowering(aten.sqrt.default, promote=("self",))
def aten_sqrt(self: tf.Tensor) -> tf.Tensor:
    """sqrt(Tensor self) -> Tensor"""
    return in_float32(lambda x: tf.sqrt(x), self)


@lowering(aten.rsqrt.default, promote=("self",))
def aten_rsqrt(self: tf.Tensor) -> tf.Tensor:
    """rsqrt(Tensor self) -> Tensor"""
    return in_float32(lambda x: tf.math.rsqrt(x), self)


@lowering(aten.exp.default, promote=("self",))
def aten_exp(self: tf.Tensor) -> tf.Tensor:
    """exp(Tensor self) -> Tensor"""
    return in_float32(lambda x: tf.exp(x), self)


@lowering(aten.log.default, promote=("self",))
def aten_log(self: tf.Tensor) -> tf.Tensor:
    """log(Tensor self) -> Tensor"""
    return in_float32(lambda x: tf.math.log(x), self)


@lowering(aten.log1p.default, promote=("self",))
def aten_log1p(self: tf.Tensor) -> tf.Tensor:
    """log1p(Tensor self) -> Tensor"""
    return in_float32(lambda x: tf.math.log1p(x), self)


@lowering(aten.sin.default, promote=("self",))
def aten_sin(self: tf.Tensor) -> tf.Tensor:
    """sin(Tensor self) -> Tensor"""
    return in_float32(lambda x: tf.sin(x), self)


@lowering(aten.cos.default, promote=("self",))
def aten_cos(self: tf.Tensor) -> tf.Tensor:
    """cos(Tensor self) -> Tensor"""
    return in_float32(lambda x: tf.cos(x), self)


@lowering(aten.erf.default, promote=("self",))
def aten_erf(self: tf.Tensor) -> tf.Tensor:
    """erf(Tensor self) -> Tensor"""
    return in_float32(_erf, self)


@lowering(aten.tanh.default, promote=("self",))
def aten_tanh(self: tf.Tensor) -> tf.Tensor:
    """tanh(Tensor self) -> Tensor"""
    return in_float32(lambda x: tf.tanh(x), self)


@lowering(aten.sigmoid.default, promote=("self",))
def aten_sigmoid(self: tf.Tensor) -> tf.Tensor:
    """sigmoid(Tensor self) -> Tensor"""
    return in_float32(lambda x: tf.sigmoid(x), self)


@lowering(aten.ceil.default, promote=("self",))
def aten_ceil(self: tf.Tensor) -> tf.Tensor:
    """ceil(Tensor self) -> Tensor"""
    return tf.math.ceil(self) if self.dtype.is_floating else self


@lowering(aten.floor.default, promote=("self",))
def aten_floor(self: tf.Tensor) -> tf.Tensor:
    """floor(Tensor self) -> Tensor"""
    return tf.math.floor(self) if self.dtype.is_floating else self


@lowering(aten.round.default, promote=("self",))
def aten_round(self: tf.Tensor) -> tf.Tensor:
    """round(Tensor self) -> Tensor"""
    return tf.round(self)


@lowering(aten.trunc.default, promote=("self",))
def aten_trunc(self: tf.Tensor) -> tf.Tensor:
    """trunc(Tensor self) -> Tensor"""
    return _trunc(self) if self.dtype.is_floating else self


@lowering(aten.sign.default, promote=("self",))
def aten_sign(self: tf.Tensor) -> tf.Tensor:
    """sign(Tensor self) -> Tensor"""
    # PyTorch gives 0 for NaN; tf.sign gives NaN.
    return tf.cast(self > 0, self.dtype) - tf.cast(self < 0, self.dtype)


@lowering(aten.relu.default, promote=("self",))
def aten_relu(self: tf.Tensor) -> tf.Tensor:
    """relu(Tensor self) -> Tensor"""
    return tf.nn.relu(self)


@lowering(aten.silu.default, promote=("self",))
def aten_silu(self: tf.Tensor) -> tf.Tensor:
    """silu(Tensor self) -> Tensor"""
    return in_float32(lambda x: x * tf.sigmoid(x), self)


@lowering(aten.gelu.default, promote=("self",))
def aten_gelu(self: tf.Tensor, *, approximate: str = "none") -> tf.Tensor:
    """gelu(Tensor self, *, str approximate="none") -> Tensor"""

    def activate(x: tf.Tensor) -> tf.Tensor:
        # tf.nn.gelu has its constants in float32 only.
        if approximate == "tanh":
            inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)
            return 0.5 * x * (1 + tf.tanh(inner))
        return 0.5 * x * (1 + _erf(x * math.sqrt(0.5)))

    return in_float32(activate, self)


@lowering(aten.leaky_relu.default, promote=("self",))
def aten_leaky_relu(self: tf.Tensor, negative_slope: Any = 0.01) -> tf.Tensor:
    """leaky_relu(Tensor self, Scalar negative_slope=0.01) -> Tensor"""
    return in_float32(lambda x: tf.where(x > 0, x, x * negative_slope), self)


@lowering(aten.elu.default, promote=("self",))
def aten_elu(self: tf.Tensor, alpha: Any = 1, scale: Any = 1, input_scale: Any = 1) -> tf.Tensor:
    """elu(Tensor self, Scalar alpha=1, Scalar scale=1, Scalar input_scale=1) -> Tensor"""
    return in_float32(
        lambda x: tf.where(x > 0, scale * x, scale * alpha * tf.math.expm1(input_scale * x)), self
    )


@lowering(aten.softplus.default, promote=("self",))
def aten_softplus(self: tf.Tensor, beta: Any = 1, threshold: Any = 20) -> tf.Tensor:
    """softplus(Tensor self, Scalar beta=1, Scalar threshold=20) -> Tensor"""
    return in_float32(
        lambda x: tf.where(x * beta > threshold, x, tf.math.softplus(x * beta) / beta), self
    )


@lowering(aten.hardtanh.default, promote=("self",))
def aten_hardtanh(self: tf.Tensor, min_val: Any = -1, max_val: Any = 1) -> tf.Tensor:
    """hardtanh(Tensor self, Scalar min_val=-1, Scalar max_val=1) -> Tensor"""
    return aten_clamp(self, min_val, max_val)


@lowering(aten.clamp.default, promote=("self", "min", "max"))
def aten_clamp(self: tf.Tensor, min: Any = None, max: Any = None) -> tf.Tensor:
    """clamp(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor"""
    if min is not None:
        self = _maximum(self, min)
    return self if max is None else _minimum(self, max)


@lowering(aten.clamp_min.default, promote=("self", "min"))
def aten_clamp_min(self: tf.Tensor, min: Any) -> tf.Tensor:
    """clamp_min(Tensor self, Scalar min) -> Tensor"""
    return _maximum(self, min)


@lowering(aten.min.other, promote=("self", "other"))
def aten_min_other(self: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """min.other(Tensor self, Tensor other) -> Tensor"""
    return _minimum(self, other)


@lowering(aten.minimum.default, promote=("self", "other"))
def aten_minimum(self: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """minimum(Tensor self, Tensor other) -> Tensor"""
    return _minimum(self, other)


@lowering(aten.max.other, promote=("self", "other"))
def aten_max_other(self: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """max.other(Tensor self, Tensor other) -> Tensor"""
    return _maximum(self, other)


@lowering(aten.maximum.default, promote=("self", "other"))
def aten_maximum(self: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """maximum(Tensor self, Tensor other) -> Tensor"""
    return _maximum(self, other)


@lowering(aten.native_dropout.default)
def aten_native_dropout(input: tf.Tensor, p: float, train: Any) -> tuple[tf.Tensor, ...]:
    """native_dropout(Tensor input, float p, bool? train) -> (Tensor, Tensor)"""
    if not train:
        return input, tf.ones_like(input, tf.bool)
    mask = tf.random.uniform(tf.shape(input)) >= p
    return tf.where(mask, input / (1 - p), tf.zeros_like(input)), mask
