"""A case for every operator that has a lowering, one file per family.

The families are those of ``diglot.lowering.ops``; elementwise operators are in two files,
``arithmetic`` and ``functions``.
"""

from . import (
    arithmetic,
    casts,
    convolution,
    creation,
    functions,
    indexing,
    layout,
    logic,
    matmul,
    normalization,
    reduction,
)
from .accepted import ACCEPTED
from .case import CASES

__all__ = [
    "ACCEPTED",
    "CASES",
    "arithmetic",
    "casts",
    "convolution",
    "creation",
    "functions",
    "indexing",
    "layout",
    "logic",
    "matmul",
    "normalization",
    "reduction",
]
