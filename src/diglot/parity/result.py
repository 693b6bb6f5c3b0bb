"""What a check found, as a value: read it, print it, or make a report of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from diglot.equality.cases import Case

SCHEMA = 1

ENCODING = "ids and masks"
HIDDEN_STATES = "hidden states"
LOGITS = "logits"
PROBABILITIES = "probabilities and labels"

STAGES = (ENCODING, HIDDEN_STATES, LOGITS, PROBABILITIES)
"""The stages in the order in which a text goes through them."""


@dataclass(frozen=True)
class Stage:
    """How the two sides compare in one stage, over all inputs.

    Attributes:
        name: one of :data:`STAGES`.
        judged: how many inputs were compared.
        different: in how many of them the sides part.
        ratio: the largest error, as a share of what was allowed; 1 is the limit.
        error: the largest error of the side that is tested, against float64.
        own_error: the largest error of the reference, against float64.
        absent: why nothing could be compared; empty where something was.
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
    """Something that one side must keep to, whatever the other does.

    Attributes:
        side: whose.
        name: such as ``"alone as in a batch"``.
        judged: on how many inputs it was tried.
        broken: on how many of them it did not hold.
        absent: why it was not tried; empty where it was.
    """

    side: str
    name: str
    judged: int
    broken: int
    absent: str = ""


@dataclass(frozen=True)
class Flip:
    """A row that the two sides label differently.

    Attributes:
        case: the number of the input.
        row: which of its rows.
        expected: the label that the reference gives.
        actual: the label that the tested side gives.
        margin: how far apart the reference's two best logits are, in float64.
        limit: up to which margin rounding may decide.
        text: the row's text; empty for an encoding.
    """

    case: int
    row: int
    expected: str
    actual: str
    margin: float
    limit: float
    text: str = ""

    @property
    def excused(self) -> bool:
        """Whether rounding may have decided."""
        return self.margin <= self.limit


@dataclass(frozen=True)
class Answer:
    """The probabilities of one row on both sides, in the order of the labels."""

    expected: tuple[float, ...]
    actual: tuple[float, ...]
    flipped: bool = False


@dataclass(frozen=True)
class Token:
    """One token of an input, and how far the sides are apart there.

    Attributes:
        id: its number in the vocabulary.
        token: its name there.
        ratio: the largest error in its last hidden state, as a share of the limit; ``None`` where
            the tested side shows no hidden states.
    """

    id: int
    token: str
    ratio: float | None


@dataclass(frozen=True)
class Input:
    """One input, judged.

    Attributes:
        case: the input.
        ratios: by stage, the largest error as a share of what was allowed: 0 where the sides are
            identical, above 1 where they part, infinite where no error can be measured.
        answers: one for each row; none where there are no probabilities.
        refused: why neither side takes the input; empty where they do.
        tokens: row by row; only of the worst inputs.
    """

    case: Case
    ratios: Mapping[str, float]
    answers: tuple[Answer, ...] = ()
    refused: str = ""
    tokens: tuple[tuple[Token, ...], ...] = ()


@dataclass(frozen=True)
class Layer:
    """The largest error of a hidden state, over all inputs.

    Attributes:
        name: ``"embeddings"``, ``"layer 1"`` and so on.
        expected: the reference's, against float64.
        actual: the tested side's, against float64.
        limit: the least that was allowed in any input.
    """

    name: str
    expected: float
    actual: float
    limit: float


@dataclass(frozen=True)
class Change:
    """A fact that is not as it was when a ledger was recorded.

    Attributes:
        what: such as ``"torch"``, for its version, or ``"config.json"``, for its hash.
        old: what it was; empty where it was not there.
        new: what it is; empty where it is not there.
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
        stage: one of :data:`STAGES`, or the name of an invariant.
        side: whose; both names for a difference between them.
        case: the smallest input that was found to fail.
        found_in: the input that failed first.
        explanation: the element, both its values, the limit.
        file: where the case was written to, to be replayed.
        command: what replays it.
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
    """Whether two sides are equal, and all that the answer rests on.

    Attributes:
        checkpoint: what was checked.
        reference: the side that is held to be right, such as ``"torch"``.
        against: the side that is tested, such as ``"tensorflow"``, a folder or an address.
        precision: the dtype of the parameters on both sides.
        tolerance: how large an error may be, in words.
        seed: of the inputs that were drawn.
        labels: in the order of the probabilities.
        stages: one for each of :data:`STAGES`.
        invariants: what each side must keep to by itself.
        layers: the errors layer by layer, the embeddings first.
        inputs: all inputs, in the order in which they were judged.
        flips: the rows that were labelled differently, excused or not.
        failures: the differences, each on its smallest input.
        changes: what is not as it was when the ledger was recorded; none without a ledger.
        versions: of the packages, of Python and of the platform.
        date: when the check began, as ISO 8601 has it, in UTC.
        seconds: how long the check took.
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
        """Whether nothing differs."""
        return not self.failures

    @property
    def refused(self) -> int:
        """How many inputs neither side takes."""
        return sum(bool(one.refused) for one in self.inputs)

    def facts(self) -> dict[str, Any]:
        """All of it as JSON has it; a number that is not finite becomes a text."""
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
            said = stage.absent or (
                f"{stage.different} of {stage.judged} differ; largest error {stage.error:.3g},"
                f" {stage.ratio:.2g} of the limit; the reference's own {stage.own_error:.3g}"
            )
            lines.append(f"  {stage.name}: {said}")
        excused = sum(flip.excused for flip in self.flips)
        lines.append(f"  label flips: {len(self.flips)}, {excused} of them within the tolerance")
        for one in self.invariants:
            said = one.absent or f"broken in {one.broken} of {one.judged}"
            lines.append(f"  {one.name} ({one.side}): {said}")
        lines += [f"  since the ledger was recorded: {one}" for one in self.changes]
        for failure in self.failures:
            lines.append(f"  {failure.stage} ({failure.side}): {failure.explanation}")
            lines.append(f"    smallest input: {failure.case}")
            if failure.command:
                lines.append(f"    replay: {failure.command}")
        return "\n".join(lines)


def plain(value: Any) -> Any:
    """The value in lists, dictionaries, numbers and texts; what is not finite becomes a text."""
    if isinstance(value, Case):
        return value.facts()
    if is_dataclass(value):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
