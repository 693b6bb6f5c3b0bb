"""Sizes that are known when a program is built, or only when it runs."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

Size = Any
"""A Python int if the size is known, otherwise a scalar int32 ``tf.Tensor``."""


def size(tensor: tf.Tensor, dim: int) -> Size:
    """The size of one dimension."""
    known = tensor.shape[dim]
    return tf.shape(tensor)[dim] if known is None else known


def sizes(tensor: tf.Tensor) -> list[Size]:
    """The sizes of all dimensions."""
    return [size(tensor, dim) for dim in range(tensor.shape.rank)]


def as_shape(sizes: Sequence[Size]) -> Any:
    """Sizes of both kinds as a shape that TensorFlow takes."""
    if all(isinstance(size, int) for size in sizes):
        return list(sizes)
    return tf.stack([tf.cast(size, tf.int32) for size in sizes])


def reshape(tensor: tf.Tensor, sizes: Sequence[Size]) -> tf.Tensor:
    """``tf.reshape`` with sizes of both kinds."""
    return tf.reshape(tensor, as_shape(sizes))


def product(sizes: Sequence[Size]) -> Size:
    """The product of sizes of both kinds."""
    return functools.reduce(operator.mul, sizes, 1)


def positive(dim: int, rank: int) -> int:
    """The dimension counted from the front, from 0 up; 0 for a scalar."""
    return dim % rank if rank else 0
