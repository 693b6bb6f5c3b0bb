"""Matrix products and attention."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf
import torch

from diglot.lowering import dtypes, shapes
from diglot.lowering.registry import lowering

aten = torch.ops.aten


def _safe_softmax(scores: tf.Tensor) -> tf.Tensor:
    """Softmax over the last dimension; zeros where every score is minus infinity."""
    masked = tf.reduce_all(scores == -math.inf, axis=-1, keepdims=True)
    return tf.where(
        masked,
        tf.zeros_like(scores),
        tf.nn.softmax(tf.where(masked, tf.zeros_like(scores), scores)),
    )


def _plus(product: tf.Tensor, x: tf.Tensor, beta: Any) -> tf.Tensor:
    """``product + beta * x``; if ``beta`` is 0, ``x`` is ignored even where it is NaN."""
    if beta == 0:
        return product
    return product + (x if beta == 1 else dtypes.constant(beta, x.dtype) * x)


@lowering(aten.linear.default)
def aten_linear(input: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor | None = None) -> tf.Tensor:
    """linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor

    Flattens the batch: a batched product would read the weight once per row of the batch.
    """
    if weight.shape.rank == 1:
        result = aten_matmul(input, weight)
    elif input.shape.rank == 2:
        result = tf.matmul(input, weight, transpose_b=True)
    else:
        *rows, inner = shapes.sizes(input)
        # -1 avoids computing the product of the sizes, but is ambiguous without elements.
        flat = -1 if isinstance(inner, int) and inner > 0 else shapes.product(rows)
        result = tf.matmul(shapes.reshape(input, [flat, inner]), weight, transpose_b=True)
        result = shapes.reshape(result, [*rows, shapes.size(weight, 0)])
    return result if bias is None else result + bias


@lowering(aten.addmm.default)
def aten_addmm(
    self: tf.Tensor, mat1: tf.Tensor, mat2: tf.Tensor, *, beta: Any = 1, alpha: Any = 1
) -> tf.Tensor:
    """addmm(Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1) -> Tensor"""
    product = tf.matmul(mat1, mat2)
    if alpha != 1:
        product = dtypes.constant(alpha, product.dtype) * product
    return _plus(product, self, beta)


@lowering(aten.mm.default)
def aten_mm(self: tf.Tensor, mat2: tf.Tensor) -> tf.Tensor:
    """mm(Tensor self, Tensor mat2) -> Tensor"""
    return tf.matmul(self, mat2)


@lowering(aten.bmm.default)
def aten_bmm(self: tf.Tensor, mat2: tf.Tensor) -> tf.Tensor:
    """bmm(Tensor self, Tensor mat2) -> Tensor"""
    return tf.matmul(self, mat2)


@lowering(aten.baddbmm.default)
def aten_baddbmm(
    self: tf.Tensor, batch1: tf.Tensor, batch2: tf.Tensor, *, beta: Any = 1, alpha: Any = 1
) -> tf.Tensor:
    """baddbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor"""
    product = tf.matmul(batch1, batch2)
    if alpha != 1:
        product = dtypes.constant(alpha, product.dtype) * product
    return _plus(product, self, beta)


@lowering(aten.matmul.default)
def aten_matmul(self: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """matmul(Tensor self, Tensor other) -> Tensor"""
    if self.shape.rank == 1 and other.shape.rank == 1:
        return tf.tensordot(self, other, 1)
    if self.shape.rank == 1:
        return tf.squeeze(tf.matmul(self[None], other), -2)
    if other.shape.rank == 1:
        return tf.linalg.matvec(self, other)
    return tf.matmul(self, other)


@lowering(aten.einsum.default)
def aten_einsum(equation: str, tensors: list[tf.Tensor], **_: Any) -> tf.Tensor:
    """einsum(str equation, Tensor[] tensors, *, int[]? path=None) -> Tensor"""
    return tf.einsum(equation, *tensors)


@lowering(aten.scaled_dot_product_attention.default)
def aten_scaled_dot_product_attention(
    query: tf.Tensor,
    key: tf.Tensor,
    value: tf.Tensor,
    attn_mask: tf.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: Any = None,
    enable_gqa: bool = False,
) -> tf.Tensor:
    """scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float dropout_p=0., bool is_causal=False, *, float? scale=None, bool enable_gqa=False) -> Tensor

    A row whose keys are all masked gives zeros, as in PyTorch. Half precision is computed in
    float32: added to a mask of the lowest float16, the scores would be lost in float16.
    """
    precision = query.dtype
    if precision in (tf.float16, tf.bfloat16):
        query, key, value = (tf.cast(x, tf.float32) for x in (query, key, value))
    if enable_gqa:
        groups = shapes.size(query, -3) // shapes.size(key, -3)
        key, value = tf.repeat(key, groups, axis=-3), tf.repeat(value, groups, axis=-3)
    if scale is None:
        width = shapes.size(query, -1)
        known = isinstance(width, int)
        scale = 1 / math.sqrt(width) if known else tf.math.rsqrt(tf.cast(width, query.dtype))
    scores = tf.matmul(query, key, transpose_b=True) * dtypes.constant(scale, query.dtype)
    if is_causal:
        attn_mask = tf.linalg.band_part(tf.ones(tf.shape(scores)[-2:], tf.bool), -1, 0)
    if attn_mask is None:
        weights = tf.nn.softmax(scores)
    else:
        if attn_mask.dtype == tf.bool:
            scores = tf.where(attn_mask, scores, tf.constant(-math.inf, scores.dtype))
        else:
            scores += tf.cast(attn_mask, scores.dtype)
        weights = _safe_softmax(scores)
    if dropout_p > 0:
        weights = tf.nn.dropout(weights, dropout_p)
    return tf.cast(tf.matmul(weights, value), precision)
