"""Hidden states in few numbers, in which a fault still shows.

Whole, the hidden states of a hundred inputs would take hundreds of megabytes. A ledger keeps
weighted sums of them, each over the elements of one token or, in a long text, of a few neighbours,
and the largest magnitude among these:

- The weights of a sum have a norm of 1. So what rounding does to the elements, independently, it
  does to the sum in the same size, and the limit of the whole array is right for the sums too.
- No weight is zero, and the smallest is half the largest. A fault in one element shows in one sum,
  weakened at most by twice the root of the number of elements: 32 for 256 of them. A fault in a
  whole token, or in whatever attention carries to the next layer, shows as it is.
- The weights are random in sign and size. Faults in several elements do not cancel as in a plain
  sum, which a layer norm even keeps the same; nor do two elements that have changed places.
- The largest magnitude is what rounding is relative to. It stands among the numbers that are
  compared, so that the rule finds the scale of the array where it always does.

The sums are made in float64 and rounded once, to the dtype of the array.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diglot.equality.sides import Stages

BLOCK = 256
"""The most elements of one token that go into one sum."""
GROUPS = 64
"""The most groups of neighbouring tokens; a text of no more tokens has one for each."""


def is_hidden(stage: str) -> bool:
    """Whether the arrays of that name are kept as digests."""
    return stage.startswith("hidden state")


def compact(stages: Stages) -> Stages:
    """The same stages with digests for hidden states; all else is kept whole.

    Args:
        stages: as a side gives them, hidden states ``[batch, tokens, width]``.

    Returns:
        Under the same names, hidden states ``[batch, groups, blocks + 1]``: the sums of a group,
        then its largest magnitude. The dtypes stay.
    """
    return {name: _digest(one) if is_hidden(name) else one for name, one in stages.items()}


def _digest(state: NDArray[Any]) -> NDArray[Any]:
    _, tokens, width = state.shape
    weights, groups, blocks = _weights(tokens, width)
    wide = state.astype(np.float64)
    with np.errstate(invalid="ignore"):  # infinities may make a NaN, as they do on the other side
        sums = np.add.reduceat(np.add.reduceat(wide * weights, groups, axis=1), blocks, axis=2)
    largest = np.maximum.reduceat(np.abs(wide).max(axis=2, keepdims=True), groups, axis=1)
    return np.concatenate([sums, largest], axis=2).astype(state.dtype)


def _weights(tokens: int, width: int) -> tuple[NDArray[np.float64], list[int], list[int]]:
    """A weight for each element, ``[tokens, width]``; where groups begin, and where blocks do."""
    groups = list(range(0, tokens, -(-tokens // GROUPS)))
    blocks = list(range(0, width, BLOCK))
    # Not NumPy's generator, whose numbers may be others in its next version.
    drawn = np.frombuffer(hashlib.shake_256(b"diglot").digest(tokens * width), np.uint8)
    weights = np.where(drawn & 128, -1.0, 1.0) * (1 + (drawn & 127) / 128)
    weights = weights.reshape(tokens, width)
    squares = np.add.reduceat(np.add.reduceat(weights**2, groups, axis=0), blocks, axis=1)
    norms = np.sqrt(squares).repeat(np.diff([*groups, tokens]), axis=0)
    return weights / norms.repeat(np.diff([*blocks, width]), axis=1), groups, blocks
