"""Convolution."""

from __future__ import annotations

import itertools

import tensorflow as tf
import torch

from diglot.errors import LoweringError
from diglot.lowering import shapes
from diglot.lowering.dtypes import in_float32
from diglot.lowering.registry import lowering
from diglot.lowering.shapes import Size

aten = torch.ops.aten


@lowering(aten.convolution.default)
def aten_convolution(
    input: tf.Tensor,
    weight: tf.Tensor,
    bias: tf.Tensor | None,
    stride: list[Size],
    padding: list[Size],
    dilation: list[Size],
    transposed: bool,
    output_padding: list[Size],
    groups: int,
) -> tf.Tensor:
    """convolution(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding, SymInt[] dilation, bool transposed, SymInt[] output_padding, SymInt groups) -> Tensor

    Computes one matrix product per position of the kernel, of which a text model has few:
    TensorFlow's convolutions do not support groups on a CPU.
    """
    if transposed:
        raise LoweringError(
            "a transposed convolution has no lowering; run this checkpoint with backend='torch'"
        )
    kernel = weight.shape[2:]
    outputs, inner = weight.shape[:2]

    def convolve(x: tf.Tensor) -> tf.Tensor:
        x = tf.pad(x, [[0, 0], [0, 0], *([amount, amount] for amount in padding)])
        batch, _, *lengths = shapes.sizes(x)
        total, result_lengths = None, lengths
        for position in itertools.product(*map(range, kernel)):
            window = [
                slice(p * d, n - (k - 1 - p) * d, s)
                for p, n, k, d, s in zip(position, lengths, kernel, dilation, stride, strict=True)
            ]
            part = x[(slice(None), slice(None), *window)]
            result_lengths = shapes.sizes(part)[2:]
            part = shapes.reshape(part, [batch, groups, inner, shapes.product(result_lengths)])
            matrix = tf.cast(weight[(slice(None), slice(None), *position)], x.dtype)
            product = tf.matmul(tf.reshape(matrix, [groups, outputs // groups, inner]), part)
            total = product if total is None else total + product
        result = shapes.reshape(total, [batch, outputs, *result_lengths])
        if bias is None:
            return result
        return result + tf.reshape(tf.cast(bias, x.dtype), [outputs] + [1] * len(kernel))

    return in_float32(convolve, input)
