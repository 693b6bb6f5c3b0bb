"""The result of a check, as a value to read, to print, or to report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from diglot.equality.cases import Case
from diglot.equality.compare import Answer as Answer
from diglot.equality.judge import Flip as Flip
from diglot.equality.stages import ENCODING as ENCODING
from diglot.equality.stages import HIDDEN_STATES as HIDDEN_STATES
from diglot.equality.stages import stage_names
from diglot.heads import SEQUENCE_CLASSIFICATION
from diglot.text import json_number

SCHEMA = 2

STAGES = stage_names(SEQUENCE_CLASSIFICATION)
"""The stages of sequence classification, in the order in which a text passes them."""

LOGITS, PROBABILITIES = STAGES[2:]


@dataclass(frozen=True)
class Stage:
    """The comparison of the two sides in one stage, over all inputs.

    All errors are the largest absolute difference from float64, in the stage's own unit.

    Attributes:
        name: the stage's name, such as ``"logits"``.
        judged: the number of inputs that were compared.
        different: the number of inputs on which the sides differ.
        ratio: the largest error, as a share of its limit.
        error: the largest error of the tested side.
        own_error: the largest error of the reference.
        absent: the reason why no input could be compared; empty if one was.
    """

    name: str
    judged: int
    different: int
    ratio: float
    error: float
    own_error: float
    absent: str = ""


@dataclass(frozen=True)
class Invariant:
    """A property that one side must have, whatever the other side answers.

    Attributes:
        side: the side's name.
        name: the property, such as ``"alone as in a batch"``.
        judged: the number of inputs on which it was tried.
        broken: the number of inputs on which it does not hold.
        absent: the reason why it was not tried; empty if it was.
    """

    side: str
    name: str
    judged: int
    broken: int
    absent: str = ""


@dataclass(frozen=True)
class Token:
    """One token of an input, with its error.

    Attributes:
        id: the token's number in the vocabulary.
        token: the token's name in the vocabulary.
        ratio: the largest error in its last hidden state, as a share of the limit; ``None`` if the
            tested side shows no hidden states.
    """

    id: int
    token: str
    ratio: float | None


@dataclass(frozen=True)
class Input:
    """One input, compared.

    Attributes:
        case: the input.
        ratios: the largest error by stage, as a share of the limit: 0 if the sides are identical,
            above 1 if they differ, infinite if no error can be measured.
        answers: the scores of each row; empty if there are none.
        refused: the reason why neither side takes the input; empty if one of them does.
        tokens: the tokens row by row; only for the worst inputs.
    """

    case: Case
    ratios: Mapping[str, float]
    answers: tuple[Answer, ...] = ()
    refused: str = ""
    tokens: tuple[tuple[Token, ...], ...] = ()


@dataclass(frozen=True)
class Layer:
    """The largest error of one hidden state, over all inputs.

    Attributes:
        name: ``"embeddings"``, ``"layer 1"`` and so on.
        expected: the reference's error against float64.
        actual: the tested side's error against float64.
        limit: the smallest limit of any input.
    """

    name: str
    expected: float
    actual: float
    limit: float


@dataclass(frozen=True)
class Change:
    """A fact that has changed since a ledger was recorded.

    Attributes:
        what: the fact, such as ``"torch"`` for its version, or ``"config.json"`` for its hash.
        old: the recorded value; empty if there was none.
        new: the present value; empty if there is none.
    """

    what: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.what}: {self.old or 'none'} → {self.new or 'none'}"


@dataclass(frozen=True)
class Failure:
    """A difference, on the smallest input that shows it.

    Attributes:
        stage: the name of a stage or of an invariant.
        side: the side's name; both names for a difference between them.
        case: the smallest failing input.
        found_in: the first failing input.
        explanation: the element, both its values, and the limit.
        file: the file that holds the case; ``None`` if none was written.
        command: the command that replays the file; empty if there is none.
    """

    stage: str
    side: str
    case: Case
    found_in: Case
    explanation: str
    file: Path | None = None
    command: str = ""


@dataclass(frozen=True)
class CheckResult:
    """Whether two sides are equal, with all the evidence.

    Attributes:
        checkpoint: the checkpoint's name.
        reference: the side that is taken to be right, such as ``"torch"``.
        against: the tested side, such as ``"tensorflow"``, a folder or an address.
        precision: the dtype of the parameters on both sides.
        tolerance: the largest allowed error, in words.
        seed: the random seed of the drawn inputs.
        labels: the labels in the order of the scores.
        stages: one result for each stage.
        invariants: one result for each invariant of each side.
        layers: the errors layer by layer, the embeddings first.
        inputs: all inputs, in the order in which they were compared.
        flips: the rows that the two sides label differently, excused or not.
        failures: the differences, each on its smallest input.
        changes: the facts that have changed since the ledger was recorded; empty without a ledger.
        versions: the versions of the packages, of Python and of the platform.
        date: the start of the check in ISO 8601, in UTC.
        seconds: the duration of the check.
    """

    checkpoint: str
    reference: str
    against: str
    precision: str
    tolerance: str
    seed: int
    labels: tuple[str, ...]
    stages: tuple[Stage, ...]
    invariants: tuple[Invariant, ...]
    layers: tuple[Layer, ...]
    inputs: tuple[Input, ...]
    flips: tuple[Flip, ...]
    failures: tuple[Failure, ...]
    changes: tuple[Change, ...]
    versions: Mapping[str, str]
    date: str
    seconds: float

    @property
    def equal(self) -> bool:
        """Whether there is no difference."""
        return not self.failures

    @property
    def refused(self) -> int:
        """The number of inputs that neither side takes."""
        return sum(bool(input_.refused) for input_ in self.inputs)

    def facts(self) -> dict[str, Any]:
        """The result as a JSON object; a number that is not finite becomes a string."""
        return {"schema": SCHEMA, "equal": self.equal, **plain(self)}

    def __str__(self) -> str:
        verdict = "equal" if self.equal else "DIFFERENT"
        lines = [
            f"{self.against} against {self.reference}, {self.checkpoint}: {verdict}",
            f"  {len(self.inputs)} inputs, seed {self.seed}, {self.precision}, {self.tolerance}",
        ]
        if self.refused:
            lines.append(f"  refused by both sides: {self.refused} inputs")
        for stage in self.stages:
            summary = stage.absent or (
                f"{stage.different} of {stage.judged} differ; largest error {stage.error:.3g},"
                f" {stage.ratio:.2g} of the limit; the reference's own {stage.own_error:.3g}"
            )
            lines.append(f"  {stage.name}: {summary}")
        excused = sum(flip.excused for flip in self.flips)
        lines.append(f"  label flips: {len(self.flips)}, {excused} of them within the tolerance")
        for invariant in self.invariants:
            summary = invariant.absent or f"broken in {invariant.broken} of {invariant.judged}"
            lines.append(f"  {invariant.name} ({invariant.side}): {summary}")
        lines += [f"  since the ledger was recorded: {change}" for change in self.changes]
        for failure in self.failures:
            lines.append(f"  {failure.stage} ({failure.side}): {failure.explanation}")
            lines.append(f"    smallest input: {failure.case}")
            if failure.command:
                lines.append(f"    replay: {failure.command}")
        return "\n".join(lines)


def plain(value: Any) -> Any:
    """The value in lists, dictionaries, strings and finite numbers, ready for JSON."""
    if isinstance(value, Case):
        return value.facts()
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return json_number(value) if isinstance(value, float) else value
