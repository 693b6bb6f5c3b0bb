"""The content of a ledger: inputs, a model's results for them, and the error of these results."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from diglot import heads
from diglot.equality.cases import ENCODINGS, PAIRS, TEXTS, Case
from diglot.equality.reference import Expected
from diglot.equality.stages import Stages
from diglot.equality.tolerance import Tolerance
from diglot.errors import InputError
from diglot.heads import Head
from diglot.parity.ledger.sketch import compact
from diglot.types import Precision, ScoreFunction

if TYPE_CHECKING:
    from diglot.types import Array, Encoding


@dataclass(frozen=True, eq=False)
class Recorded:
    """One array of one stage.

    Attributes:
        values: the array of the recorded backend, in the recorded precision.
        truth: the array of the PyTorch model in float64. In a sketch of a hidden state it is
            accurate to half a percent of the error, and NaN where either array is not finite.
        error: the largest absolute error of the backend in the whole array, or of PyTorch with
            other roundings if that is larger; in the array's own unit.
    """

    values: Array
    truth: Array
    error: float


@dataclass(frozen=True, eq=False)
class Entry:
    """One input.

    Attributes:
        case: the input.
        encoding: the encoded texts, or the input itself if it is an encoding.
        hidden_states: the sketches of the hidden states, the embeddings first; see
            :func:`diglot.parity.ledger.compact`.
        outputs: the arrays of the head's stages by name, in order.
        refused: the reason why the backend refused the input, which then has no arrays; empty if it
            did not.
    """

    case: Case
    encoding: Encoding
    hidden_states: tuple[Recorded, ...] = ()
    outputs: Mapping[str, Recorded] = field(default_factory=dict)
    refused: str = ""

    @property
    def stages(self) -> Stages:
        """The recorded arrays."""
        return self._stages(lambda recorded: recorded.values)

    @property
    def expected(self) -> Expected:
        """The results with which another run is compared.

        The results with other roundings are replaced by one array that is as wrong as the worst of
        them was; the rule needs no more.
        """
        peer = self._stages(lambda recorded: recorded.truth + recorded.error)
        return Expected(
            self.encoding,
            stages=self.stages,
            truth=self._stages(lambda recorded: recorded.truth),
            peers=lambda: [peer],
            comparable=compact,
        )

    def _stages(self, array: Callable[[Recorded], Array]) -> Stages:
        return Stages(
            tuple(map(array, self.hidden_states)),
            {name: array(recorded) for name, recorded in self.outputs.items()},
        )


@dataclass(frozen=True, eq=False)
class Origin:
    """The origin of the entries of a ledger.

    Attributes:
        checkpoint: the checkpoint's name, as the user gave it.
        files: the SHA-256 of each of the checkpoint's files.
        task: the task of the head, such as ``"text-classification"``.
        labels: the labels in the order of the head's outputs.
        function_to_apply: the function that turned outputs into scores.
        backend: the recorded backend, such as ``"torch"``.
        precision: the dtype of the parameters.
        rounding: the relative size of the coarsest rounding in the model.
        tolerance: the largest allowed error of another run.
        seed: the random seed of the drawn inputs.
        versions: the versions of the packages, of Python and of the platform.
    """

    checkpoint: str
    files: Mapping[str, str]
    task: str
    labels: tuple[str, ...]
    function_to_apply: ScoreFunction
    backend: str
    precision: Precision
    rounding: float
    tolerance: Tolerance
    seed: int
    versions: Mapping[str, str]

    @property
    def head(self) -> Head:
        """The head of the task."""
        return heads.find(self.task)


@dataclass(frozen=True, eq=False)
class Ledger(Origin):
    """The recorded answers of one model; satisfies :class:`diglot.equality.reference.Reference`.

    Attributes:
        entries: the inputs, in the order in which they were run.
    """

    entries: tuple[Entry, ...] = ()

    forms = frozenset({TEXTS, PAIRS, ENCODINGS})

    @property
    def name(self) -> str:
        """The backend's name, such as ``"torch as recorded"``."""
        return f"{self.backend} as recorded"

    @property
    def cases(self) -> tuple[Case, ...]:
        """The inputs."""
        return tuple(entry.case for entry in self.entries)

    def expected(self, case: Case) -> Expected:
        """The recorded results for one input.

        Raises:
            InputError: the backend refused the input, or the ledger does not hold it.
        """
        entry = self._by_case.get(key(case))
        if entry is None:
            raise InputError(f"the ledger of {self.checkpoint} does not hold this input: {case}")
        if entry.refused:
            raise InputError(entry.refused)
        return entry.expected

    @cached_property
    def _by_case(self) -> Mapping[str, Entry]:
        return {key(entry.case): entry for entry in self.entries}


def key(case: Case) -> str:
    """A key that is equal for equal inputs, whatever their origin."""
    facts = case.facts()
    del facts["origin"]
    return json.dumps(facts, sort_keys=True)
