"""Faults of the lowered program: each is one operator, and the trace must name that one."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf
import torch

from .fault import Fault
from .planting import Argument, Lowered

aten = torch.ops.aten


def _in(dtype: tf.DType, function: Any, *args: Any, **kwargs: Any) -> tf.Tensor:
    """The function with its floating-point arguments rounded to ``dtype`` first."""
    rounded = [
        tf.cast(tf.cast(one, dtype), one.dtype)
        if isinstance(one, tf.Tensor) and one.dtype.is_floating
        else one
        for one in args
    ]
    return function(*rounded, **kwargs)


def _sample_variance(
    right: Any, x: Any, shape: Any, weight: Any, bias: Any, eps: Any, *_: Any
) -> Any:
    size = shape[0]
    mean = tf.reduce_mean(x, -1, keepdims=True)
    variance = tf.reduce_sum(tf.square(x - mean), -1, keepdims=True) / (size - 1)
    result = (x - mean) * tf.math.rsqrt(variance + eps) * weight
    return result if bias is None else result + bias


def _variance_of_squares(
    right: Any, x: Any, shape: Any, weight: Any, bias: Any, eps: Any, *_: Any
) -> Any:
    mean = tf.reduce_mean(x, -1, keepdims=True)
    variance = tf.reduce_mean(tf.square(x), -1, keepdims=True) - tf.square(mean)
    result = (x - mean) * tf.math.rsqrt(variance + eps) * weight
    return result if bias is None else result + bias


def _series_for_erf(right: Any, x: Any, **_: Any) -> Any:
    """Abramowitz and Stegun 7.1.26, which is off by 1.5e-7 at most."""
    z = tf.abs(x) / math.sqrt(2)
    t = 1 / (1 + 0.3275911 * z)
    series = 1.061405429
    for factor in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series = series * t + factor
    return 0.5 * x * (1 + tf.sign(x) * (1 - series * t * tf.exp(-z * z)))


def _finite_mask(right: Any, query: Any, key: Any, value: Any, mask: Any, **rest: Any) -> Any:
    least = tf.where(mask, 0.0, query.dtype.min)
    return right(query, key, value, least, **rest)


def _over_queries(
    right: Any, query: Any, key: Any, value: Any, mask: Any, *, scale: Any, **_: Any
) -> Any:
    scores = tf.where(mask, tf.matmul(query, key, transpose_b=True) * scale, query.dtype.min)
    return tf.matmul(tf.nn.softmax(scores, axis=-2), value)


def _without_maximum(
    right: Any, query: Any, key: Any, value: Any, mask: Any, *, scale: Any, **_: Any
) -> Any:
    scores = tf.exp(tf.matmul(query, key, transpose_b=True) * scale) * tf.cast(mask, query.dtype)
    total = tf.reduce_sum(scores, -1, keepdims=True)
    return tf.matmul(tf.math.divide_no_nan(scores, total), value)


def _first_type(right: Any, weight: Any, indices: Any, *rest: Any) -> Any:
    return right(weight, tf.zeros_like(indices) if weight.shape[0] == 2 else indices, *rest)


def _without_padding(right: Any, weight: Any, indices: Any, padding: int = -1, *rest: Any) -> Any:
    rows = right(weight, indices, padding, *rest)
    return tf.where((indices == padding)[..., None], tf.zeros_like(rows), rows)


def _one_position_short(right: Any, weight: Any, indices: Any, *rest: Any) -> Any:
    if weight.shape[0] == 96:
        indices = tf.minimum(indices, tf.constant(46, indices.dtype))
    return right(weight, indices, *rest)


def _all_ones(right: Any, x: Any, *, dtype: Any, **rest: Any) -> Any:
    result = right(x, dtype=dtype, **rest)
    return tf.ones_like(result) if dtype == torch.bool else result


def _interleaved(right: Any, x: Any, size: Any) -> Any:
    return right(tf.transpose(x, [0, 2, 1, 3, 4]) if x.shape.rank == 5 else x, size)


def _last_of_equals(right: Any, x: Any, dim: int, *rest: Any) -> Any:
    found = right(tf.reverse(x, [dim]), dim, *rest)
    return tf.cast(tf.shape(x)[dim], found.dtype) - 1 - found


def _last_token(right: Any, x: Any, dim: int, *rest: Any) -> Any:
    found = right(x, dim, *rest)
    return tf.fill(tf.shape(found), tf.cast(tf.shape(x)[dim], found.dtype) - 1)


def _wrapped_end(
    right: Any, x: Any, dim: int = 0, start: Any = None, end: Any = None, *rest: Any
) -> Any:
    return right(x, dim, start, -1 if isinstance(end, int) and end == 2**63 - 1 else end, *rest)


FAULTS = (
    # Activations.
    Fault(
        "tanh for erf in GELU",
        "bert",
        Lowered(aten.gelu.default, lambda right, x, **_: right(x, approximate="tanh")),
    ),
    Fault(
        "x * sigmoid(1.702 x) for GELU",
        "electra",
        Lowered(aten.gelu.default, lambda right, x, **_: x * tf.sigmoid(1.702 * x)),
    ),
    Fault(
        "0.0447 for 0.044715 in GELU's cube, in one layer",
        "gpt2",
        Argument(aten.mul.Tensor, "h.1.mlp.act", 1, 0.0447, right=0.044715),
        missed="What enters there is below 1, where the error is no larger than rounding.",
    ),
    Fault(
        "0.8 for the root of 2 / pi in GELU, in one layer",
        "gpt2",
        Argument(aten.mul.Tensor, "h.1.mlp.act", 1, 0.8, right=0.7978845608028654),
    ),
    Fault(
        "erf by a series that is off by 1.5e-7",
        "distilbert",
        Lowered(aten.gelu.default, _series_for_erf),
        missed="The error is no larger than float32's own rounding.",
    ),
    Fault(
        "SiLU in half precision",
        "llama",
        Lowered(aten.silu.default, lambda right, x: _in(tf.float16, right, x)),
    ),
    Fault(
        "leaky ReLU for ReLU in the head",
        "distilbert",
        Lowered(aten.relu.default, lambda right, x: tf.nn.leaky_relu(x, 0.01)),
    ),
    Fault("no tanh in the pooler", "bert", Lowered(aten.tanh.default, lambda right, x: x)),
    # Normalization.
    Fault(
        "layer-norm epsilon 1e-5 for 1e-12",
        "bert",
        Argument(aten.layer_norm.default, "LayerNorm", 4, 1e-5),
    ),
    Fault(
        "layer-norm epsilon 1e-5 for 1e-12, in the last layer",
        "electra",
        Argument(aten.layer_norm.default, "layer.1.output.LayerNorm", 4, 1e-5),
    ),
    Fault(
        "layer-norm epsilon 1e-12 for 1e-5, in the embeddings",
        "modernbert",
        Argument(aten.layer_norm.default, "embeddings.norm", 4, 1e-12),
    ),
    Fault(
        "the variance of a sample in layer norm",
        "distilbert",
        Lowered(aten.layer_norm.default, _sample_variance),
    ),
    Fault(
        "the variance as a difference of squares",
        "xlm-roberta",
        Lowered(aten.layer_norm.default, _variance_of_squares),
        missed="What is normalized here has a mean no larger than its spread, where both formulas"
        " round alike.",
    ),
    Fault(
        "RMS-norm epsilon 1e-5 for 1e-6",
        "llama",
        Argument(aten.add.Tensor, "input_layernorm", 1, 1e-5, right=1e-6),
    ),
    Fault(
        "no RMS-norm epsilon in the last norm",
        "qwen2",
        Argument(aten.add.Tensor, "model.norm", 1, 0.0, right=1e-6),
    ),
    # Masks.
    Fault(
        "a mask constant of -10000 that is added",
        "mpnet",
        Argument(aten.where.ScalarOther, "mpnet", 2, -1e4),
    ),
    Fault(
        "a mask constant of -10000 that replaces",
        "deberta-v2",
        Argument(aten.masked_fill.Scalar, "layer.0.attention.self", 2, -1e4),
        missed="The constant replaces the score: a row that is masked throughout is even with any"
        " constant, and elsewhere exp(-10000) is 0 like exp of the least float32.",
    ),
    Fault(
        "a mask constant of -10 that replaces, in one layer",
        "deberta-v2",
        Argument(aten.masked_fill.Scalar, "layer.1.attention.self", 2, -10.0),
    ),
    Fault(
        "the least float32 for minus infinity in attention",
        "roberta",
        Lowered(aten.scaled_dot_product_attention.default, _finite_mask),
    ),
    Fault("the mask ignored", "electra", Lowered(aten._to_copy.default, _all_ones)),
    Fault(
        "the embeddings of padding not masked",
        "deberta-v2",
        Argument(aten.mul.Tensor, "deberta.embeddings", 1, 1.0),
    ),
    Fault(
        "each token sees the next one too",
        "llama",
        Lowered(aten.le.Tensor, lambda right, keys, queries: right(keys, queries + 1)),
    ),
    Fault(
        "no token sees itself",
        "gpt2",
        Lowered(aten.le.Tensor, lambda right, keys, queries: tf.less(keys, queries)),
    ),
    Fault(
        "the sliding window one token narrower",
        "modernbert",
        Argument(aten.le.Scalar, "model", 1, 3, right=4),
    ),
    # Attention.
    Fault(
        "another scale of attention, in one layer",
        "camembert",
        Argument(
            aten.scaled_dot_product_attention.default, "layer.1.attention.self", "scale", 0.25
        ),
    ),
    Fault(
        "attention's softmax over the queries",
        "bert",
        Lowered(aten.scaled_dot_product_attention.default, _over_queries),
    ),
    Fault(
        "attention's softmax without taking the maximum off",
        "albert",
        Lowered(aten.scaled_dot_product_attention.default, _without_maximum),
        missed="Scores above 88 would overflow in float32; those of this checkpoint stay below, on"
        " any input.",
    ),
    Fault(
        "softmax over the wrong axis",
        "deberta-v2",
        Lowered(aten.softmax.int, lambda right, x, dim, **_: right(x, -2)),
    ),
    Fault(
        "attention in half precision",
        "xlm-roberta",
        Lowered(
            aten.scaled_dot_product_attention.default,
            lambda right, *args, **rest: _in(tf.float16, right, *args, **rest),
        ),
    ),
    Fault(
        "keys and values shared out to the wrong queries",
        "qwen2",
        Lowered(aten._unsafe_view.default, _interleaved),
    ),
    Fault(
        "the scale of disentangled attention for two terms, not three",
        "deberta-v2",
        Argument(aten.mul.Tensor, "layer.0.attention.self", 1, 2, right=3),
    ),
    # Positions.
    Fault(
        "positions counted from one more",
        "roberta",
        Argument(aten.add.Tensor, "embeddings", 1, 3, right=2),
    ),
    Fault(
        "positions counted from 1",
        "gpt2",
        Argument(aten.add.Tensor, "transformer", 1, 1, right=0, first=True),
    ),
    Fault(
        "rotary positions counted from 1",
        "llama",
        Argument(aten.add.Tensor, "model", 1, 1, right=0, first=True),
        missed="Rotary attention sees only how far two tokens are apart, so that the result is the"
        " same.",
    ),
    Fault(
        "padding counted by positions",
        "camembert",
        Argument(aten.ne.Scalar, "embeddings", 1, -1),
    ),
    Fault(
        "the last position read for the one before",
        "distilbert",
        Lowered(aten.embedding.default, _one_position_short),
    ),
    Fault(
        "rotary angles in half precision",
        "qwen2",
        Lowered(aten.cos.default, lambda right, x: _in(tf.float16, right, x)),
    ),
    Fault("rotary halves not negated", "modernbert", Lowered(aten.neg.default, lambda right, x: x)),
    Fault(
        "a bucket of relative positions one wider",
        "mpnet",
        Argument(aten.lt.Scalar, "encoder", 1, 7, right=8),
    ),
    Fault(
        "relative buckets rounded down",
        "deberta-v2",
        Lowered(aten.ceil.default, lambda right, x: tf.floor(x)),
    ),
    Fault(
        "relative positions cut off one earlier",
        "deberta-v2",
        Argument(aten.clamp.default, "layer.0.attention.self", 2, 14),
    ),
    # Embeddings, products and heads.
    Fault("token types ignored", "bert", Lowered(aten.embedding.default, _first_type)),
    Fault(
        "the padding's embedding zero", "albert", Lowered(aten.embedding.default, _without_padding)
    ),
    Fault(
        "products with ten bits of mantissa",
        "electra",
        Lowered(aten.linear.default, lambda right, *args: _in(tf.float16, right, *args)),
    ),
    Fault(
        "dropout left on",
        "electra",
        Lowered(aten.clone.default, lambda right, x, **_: tf.nn.dropout(x, 0.1)),
    ),
    Fault(
        "the halves of a gated layer exchanged",
        "modernbert",
        Lowered(aten.split.Tensor, lambda right, *args: right(*args)[::-1]),
    ),
    Fault(
        "an open slice whose end wraps in int32",
        "xlm-roberta",
        Lowered(aten.slice.Tensor, _wrapped_end),
    ),
    Fault(
        "the head reads the last token, not the first",
        "distilbert",
        Argument(aten.select.int, "model", 2, -1),
    ),
    Fault(
        "the head reads the last place, padded or not",
        "llama",
        Lowered(aten.argmax.default, _last_token),
    ),
    Fault(
        "the head reads the last place where all is padding",
        "gpt2",
        Lowered(aten.argmax.default, _last_of_equals),
    ),
)
