"""What a ledger holds: inputs, what a model made of them, and how exact that is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diglot.equality.cases import Case
from diglot.equality.reference import Expected
from diglot.equality.sides import ENCODINGS, PAIRS, TEXTS
from diglot.equality.tolerance import Tolerance
from diglot.errors import InputError
from diglot.parity.ledger.sketch import compact
from diglot.types import Encoding, Precision, ScoreFunction

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Recorded:
    """One array of one stage.

    Attributes:
        values: of the side that was recorded, in the precision that it was recorded in.
        truth: of the PyTorch model in float64. In a hidden state it is known to half a percent of
            the error, and NaN where either side is not finite.
        error: the largest error of that side in the whole array, or, where that is more, of
            PyTorch with all its roundings made anew.
    """

    values: Array
    truth: Array
    error: float


@dataclass(frozen=True, eq=False)
class Entry:
    """One input.

    Attributes:
        case: the input.
        encoding: what the tokenizer made of it, or the input itself where it is an encoding.
        stages: by name, in the order of the model; hidden states as their digests
            (:func:`diglot.parity.ledger.compact`).
        refused: why the side did not take the input, and then there are no stages; empty where it
            did.
    """

    case: Case
    encoding: Encoding
    stages: Mapping[str, Recorded]
    refused: str = ""

    @property
    def expected(self) -> Expected:
        """What another run is held against.

        The results with other roundings are one that is as wrong as the worst of them was, which is
        all that the rule asks of them.
        """
        peer = {name: one.truth + one.error for name, one in self.stages.items()}
        return Expected(
            self.encoding,
            stages={name: one.values for name, one in self.stages.items()},
            truth={name: one.truth for name, one in self.stages.items()},
            peers=lambda: [peer],
            comparable=compact,
        )


@dataclass(frozen=True, eq=False)
class Origin:
    """Where the entries of a ledger come from.

    Attributes:
        checkpoint: its name, as it was given.
        files: the SHA-256 of each of its files.
        labels: in the order of the logits.
        function_to_apply: what turned logits into probabilities.
        backend: what was recorded, such as ``"torch"``.
        precision: the dtype of its parameters.
        rounding: the relative size of the coarsest rounding in the model.
        tolerance: how far another run may be off.
        seed: of the inputs that were drawn.
        versions: of the packages, of Python and of the platform.
    """

    checkpoint: str
    files: Mapping[str, str]
    labels: tuple[str, ...]
    function_to_apply: ScoreFunction
    backend: str
    precision: Precision
    rounding: float
    tolerance: Tolerance
    seed: int
    versions: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Ledger(Origin):
    """The record of one model's answers; satisfies :class:`diglot.equality.reference.Reference`.

    Attributes:
        entries: the inputs, in the order in which they were run.
    """

    entries: tuple[Entry, ...] = ()

    forms = frozenset({TEXTS, PAIRS, ENCODINGS})

    @property
    def name(self) -> str:
        """What was recorded, and that it was."""
        return f"{self.backend} as recorded"

    @property
    def cases(self) -> tuple[Case, ...]:
        """The inputs."""
        return tuple(one.case for one in self.entries)

    def expected(self, case: Case) -> Expected:
        """What was said of one input.

        Raises:
            InputError: the input was refused, or is not in the ledger.
        """
        entry = self._by_case.get(key(case))
        if entry is None:
            raise InputError(f"the ledger of {self.checkpoint} says nothing of this input: {case}")
        if entry.refused:
            raise InputError(entry.refused)
        return entry.expected

    @cached_property
    def _by_case(self) -> Mapping[str, Entry]:
        return {key(one.case): one for one in self.entries}


def key(case: Case) -> str:
    """The same for the same input, wherever it comes from."""
    facts = case.facts()
    del facts["origin"]
    return json.dumps(facts, sort_keys=True)
