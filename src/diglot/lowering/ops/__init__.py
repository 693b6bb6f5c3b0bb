"""The lowerings, one file per family of operators; importing this package registers them all."""

from diglot.lowering.ops import (
    casts,
    convolution,
    creation,
    elementwise,
    indexing,
    layout,
    logic,
    matmul,
    normalization,
    reduction,
)

__all__ = [
    "casts",
    "convolution",
    "creation",
    "elementwise",
    "indexing",
    "layout",
    "logic",
    "matmul",
    "normalization",
    "reduction",
]
