"""The types that every floor shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Arrays = Mapping[str, Array]
    Encoding = Mapping[str, NDArray[np.integer[Any]]]
else:
    Array = Arrays = Encoding = Any

Precision = Literal["float32", "float64", "float16", "bfloat16"]
"""The dtype of a model's parameters and of its arithmetic."""

ScoreFunction = Literal["softmax", "sigmoid", "none"]
"""The function, over the last axis, that turns a model's outputs into scores."""


@dataclass(frozen=True)
class Outputs:
    """The result of a model for one encoding.

    Every array is float32, or float64 at that precision.

    Attributes:
        raw: the outputs that the head names, such as ``"logits"`` ``[batch, labels]``.
        scores: the same outputs after the score function; empty where none was asked for.
        hidden_states: one array per layer, the embeddings first, each ``[batch, tokens, width]``;
            empty unless asked for.
    """

    raw: Arrays
    scores: Arrays = field(default_factory=dict)
    hidden_states: tuple[Array, ...] = ()
