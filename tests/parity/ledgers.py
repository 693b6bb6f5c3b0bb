"""Ledgers made by hand, whose every number is known."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from diglot.equality.cases import Case
from diglot.parity import BUDGET
from diglot.parity.ledger import Entry, Ledger, Recorded

LABELS = ("NEGATIVE", "POSITIVE")
IDS = [[2, 7, 3], [2, 3, 0]]
LOGITS = [[1.5, -0.25], [-2.0, 0.1]]


def entry(
    logits: Sequence[Sequence[float]] = LOGITS,
    *,
    case: Case | None = None,
    ids: Sequence[Sequence[int]] = IDS,
    hidden: float = 1.0,
    error: float = 1e-6,
    dtype: Any = np.float32,
) -> Entry:
    """One input with a hidden state, logits and probabilities, each exact in float64.

    Args:
        logits: the logits, ``[2, 2]``.
        case: the input; two texts unless given.
        ids: the ids of the texts.
        hidden: the value of each element of the hidden state's sketch.
        error: the error of each array.
        dtype: the dtype of the arrays.
    """
    scores = np.exp(np.array(logits, dtype))
    scores /= scores.sum(-1, keepdims=True)

    def exact(values: Any) -> Recorded:
        values = np.asarray(values, dtype)
        return Recorded(values, values.astype(np.float64), error)

    encoding = {"input_ids": np.array(ids), "attention_mask": np.array([[1, 1, 1], [1, 1, 0]])}
    return Entry(
        case or Case("by hand", ("good", "bad")),
        encoding,
        (exact(np.full((2, 3, 2), hidden)),),
        {"logits": exact(logits), "probabilities": exact(scores)},
    )


def ledger(*entries: Entry, **changes: Any) -> Ledger:
    """A ledger of these entries, or of one default entry."""
    default = Ledger(
        checkpoint="somewhere/tiny",
        files={"config.json": "0" * 64, "model.safetensors": "1" * 64},
        task="text-classification",
        labels=LABELS,
        function_to_apply="softmax",
        backend="torch",
        precision="float32",
        rounding=2.0**-23,
        tolerance=BUDGET,
        seed=7,
        versions={"torch": "2.13.0", "python": "3.11.7"},
        entries=entries or (entry(),),
    )
    return replace(default, **changes)
