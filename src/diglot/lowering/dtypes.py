"""Conversions of dtypes and arrays between PyTorch and TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import torch
from numpy.typing import NDArray

_DTYPES = {
    torch.bool: tf.bool,
    torch.uint8: tf.uint8,
    torch.int8: tf.int8,
    torch.int16: tf.int16,
    torch.int32: tf.int32,
    torch.int64: tf.int64,
    torch.float16: tf.float16,
    torch.bfloat16: tf.bfloat16,
    torch.float32: tf.float32,
    torch.float64: tf.float64,
}


def to_tf(dtype: torch.dtype) -> tf.DType:
    """The TensorFlow dtype of a PyTorch dtype."""
    return _DTYPES[dtype]


def constant(value: Any, dtype: tf.DType) -> tf.Tensor:
    """A Python number or a tensor as a tensor of ``dtype``.

    ``tf.cast`` converts a Python float to float32 first, which loses digits of a float64;
    ``tf.constant`` refuses a number of another kind.
    """
    if isinstance(value, tf.Tensor):
        return tf.cast(value, dtype)
    return tf.constant(np.asarray(value).astype(dtype.as_numpy_dtype))


def in_float32(function: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor) -> tf.Tensor:
    """``function(x)``; half precision is computed in float32, as in PyTorch's CPU kernels."""
    if x.dtype in (tf.float16, tf.bfloat16):
        return tf.cast(function(tf.cast(x, tf.float32)), x.dtype)
    return function(x)


def to_numpy(tensor: torch.Tensor) -> NDArray[Any]:
    """The tensor's values, bit for bit; bfloat16 becomes TensorFlow's NumPy extension type."""
    tensor = tensor.detach().cpu().contiguous()
    if tensor.dtype is torch.bfloat16:
        bits: NDArray[Any] = tensor.view(torch.int16).numpy()
        return bits.view(tf.bfloat16.as_numpy_dtype)
    array: NDArray[Any] = tensor.numpy()
    return array


def to_torch(array: NDArray[Any]) -> torch.Tensor:
    """The inverse of :func:`to_numpy`."""
    array = np.array(array)  # a writable copy
    if array.dtype == tf.bfloat16.as_numpy_dtype:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)
