"""Sketches: hidden states in few numbers, in which a fault still shows.

The hidden states of a hundred inputs would take hundreds of megabytes. A ledger holds weighted sums
of them, each over the elements of one token or, in a long text, of a few neighbours, and the
largest magnitude among these:

- The weights of a sum have a norm of 1. So independent roundings of the elements give the sum an
  error of the same size, and the limit for the whole array is right for the sums too.
- No weight is zero, and the smallest is half the largest. A fault in one element shows in one sum,
  weakened at most by twice the root of the number of elements: 32 for 256 of them. A fault in a
  whole token, or in what attention carries to the next layer, shows undiminished.
- The weights are random in sign and size. Faults in several elements do not cancel as in a plain
  sum, which a layer norm keeps constant; nor do two elements that have changed places.
- The largest magnitude is the scale of rounding. It is one of the compared numbers, so the rule
  finds the scale of the array in its usual place.

The sums are computed in float64 and rounded once, to the dtype of the array.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from diglot.equality.stages import Stages

if TYPE_CHECKING:
    from diglot.types import Array

BLOCK = 256
"""The most elements of one token in one sum."""
GROUPS = 64
"""The most groups of neighbouring tokens; a text of at most so many tokens has one for each."""


def compact(stages: Stages) -> Stages:
    """The same arrays with sketches of the hidden states.

    Args:
        stages: the arrays of a side, hidden states ``[batch, tokens, width]``.

    Returns:
        The head's outputs unchanged, and hidden states ``[batch, groups, blocks + 1]``: the sums of
        a group, then its largest magnitude. The dtypes stay.
    """
    return stages._replace(hidden_states=tuple(map(_sketch, stages.hidden_states)))


def _sketch(state: Array) -> Array:
    _, tokens, width = state.shape
    weights, groups, blocks = _weights(tokens, width)
    wide = state.astype(np.float64)
    # Infinities may add up to a NaN, on both sides alike.
    with np.errstate(invalid="ignore"):
        sums = np.add.reduceat(np.add.reduceat(wide * weights, groups, axis=1), blocks, axis=2)
    largest = np.maximum.reduceat(np.abs(wide).max(axis=2, keepdims=True), groups, axis=1)
    return np.concatenate([sums, largest], axis=2).astype(state.dtype)


def _weights(tokens: int, width: int) -> tuple[Array, list[int], list[int]]:
    """The weight of each element ``[tokens, width]``, the starts of groups, and of blocks."""
    groups = list(range(0, tokens, -(-tokens // GROUPS)))
    blocks = list(range(0, width, BLOCK))
    # The numbers of NumPy's generator may change with its version.
    drawn = np.frombuffer(hashlib.shake_256(b"diglot").digest(tokens * width), np.uint8)
    weights = np.where(drawn & 128, -1.0, 1.0) * (1 + (drawn & 127) / 128)
    weights = weights.reshape(tokens, width)
    squares = np.add.reduceat(np.add.reduceat(weights**2, groups, axis=0), blocks, axis=1)
    norms = np.sqrt(squares).repeat(np.diff([*groups, tokens]), axis=0)
    return weights / norms.repeat(np.diff([*blocks, width]), axis=1), groups, blocks
