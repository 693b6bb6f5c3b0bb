"""The differences between two ledgers: the stages that moved, and how far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from diglot.equality.cases import Case
from diglot.equality.judge import Flip, Judgement, Rule, judge, judge_encoding
from diglot.equality.stages import ENCODING, HIDDEN_STATES, Stages, stage_name, stage_names
from diglot.errors import LedgerError
from diglot.explanation import Difference
from diglot.parity import result
from diglot.parity.ledger.entries import Entry, Ledger, Origin, key
from diglot.parity.result import Change

if TYPE_CHECKING:
    from diglot.equality.tolerance import Measurement
    from diglot.heads import Head
    from diglot.types import Array


@dataclass(frozen=True)
class Move:
    """The change of one stage, over all inputs that both ledgers hold.

    Attributes:
        stage: the stage's name.
        judged: the number of inputs on which it was compared.
        moved: the number of inputs on which it is not identical to the last bit.
        beyond: the number of inputs on which it moved by more than the tolerance.
        largest: the largest absolute difference between two recorded numbers, in the stage's unit;
            infinite if the arrays differ in shape, or one number is not finite.
        ratio: the largest error of the new ledger, as a share of the old ledger's limit.
    """

    stage: str
    judged: int = 0
    moved: int = 0
    beyond: int = 0
    largest: float = 0.0
    ratio: float = 0.0


@dataclass(frozen=True)
class LedgerDiff:
    """The differences between two ledgers.

    Attributes:
        changes: the changed facts about the whole.
        only_old: the inputs that only the old ledger holds.
        only_new: the inputs that only the new ledger holds.
        refused: the inputs that were refused in one ledger only.
        moves: one for each stage.
        flips: the rows with different labels, excused or not, with the new ledger's indices.
    """

    changes: tuple[Change, ...]
    only_old: tuple[Case, ...]
    only_new: tuple[Case, ...]
    refused: tuple[Case, ...]
    moves: tuple[Move, ...]
    flips: tuple[Flip, ...]

    @property
    def within(self) -> bool:
        """Whether nothing moved by more than the old ledger's tolerance."""
        return not self.refused and not any(move.beyond for move in self.moves)

    def facts(self) -> dict[str, Any]:
        """The differences as a JSON object."""
        facts: dict[str, Any] = result.plain(self)
        return {"within": self.within, **facts}

    def __str__(self) -> str:
        lines = ["nothing moved beyond the tolerance" if self.within else "MOVED"]
        lines += [f"  {change}" for change in self.changes]
        for which, cases in (("old", self.only_old), ("new", self.only_new)):
            if cases:
                lines.append(f"  only in the {which} ledger: {len(cases)} inputs")
        lines += [f"  refused in one ledger only: {case}" for case in self.refused]
        for move in self.moves:
            lines.append(
                f"  {move.stage}: {move.moved} of {move.judged} moved, {move.beyond} beyond the"
                f" tolerance; by {move.largest:.3g} at most, {move.ratio:.2g} of the limit"
            )
        excused = sum(flip.excused for flip in self.flips)
        lines.append(f"  label flips: {len(self.flips)}, {excused} of them within the tolerance")
        lines += [
            f"    input {flip.case}, row {flip.row}: {flip.expected} → {flip.actual},"
            f" {flip.margin:.3g} apart where rounding explains {flip.limit:.3g}"
            for flip in self.flips
        ]
        return "\n".join(lines)


def diff(old: Ledger, new: Ledger) -> LedgerDiff:
    """Compare the new ledger with the old one, under the old one's tolerance.

    Raises:
        LedgerError: the ledgers differ in precision or task, or have no input in common.
    """
    if (old.precision, old.task) != (new.precision, new.task):
        raise LedgerError(
            f"the ledgers were recorded in {old.precision} for {old.task} and in {new.precision}"
            f" for {new.task}, which differ by more than versions do; record both with the same"
            " --precision"
        )
    earlier = {key(entry.case): entry for entry in old.entries}
    later = {key(entry.case): entry for entry in new.entries}
    if not earlier.keys() & later.keys():
        raise LedgerError(
            f"the ledgers, of {old.checkpoint} and of {new.checkpoint}, have no input in common;"
            " record both with the same --seed, --examples and --texts"
        )
    rule = Rule(
        (new.labels, old.labels),
        old.tolerance,
        old.rounding,
        ("the new ledger", "the old one"),
        old.head,
    )
    moves = {stage: Move(stage) for stage in stage_names(old.head)}
    refused, flips = [], []
    for index, entry in enumerate(new.entries):
        before = earlier.get(key(entry.case))
        if before is None:
            continue
        if bool(before.refused) != bool(entry.refused):
            refused.append(entry.case)
        elif not entry.refused:
            judgement, distances = _judged(entry, before, rule)
            for stage, measurements in judgement.stages.items():
                moves[stage] = _further(moves[stage], measurements, distances.get(stage, 0.0))
            text = entry.case.texts
            flips += [
                replace(flip, case=index, text=text[flip.row] if text else "")
                for flip in judgement.flips
            ]
    return LedgerDiff(
        changes(old, new),
        tuple(entry.case for name, entry in earlier.items() if name not in later),
        tuple(entry.case for name, entry in later.items() if name not in earlier),
        tuple(refused),
        tuple(moves.values()),
        tuple(flips),
    )


def _judged(entry: Entry, before: Entry, rule: Rule) -> tuple[Judgement, dict[str, float]]:
    """The judgement of one input, and the largest difference between the arrays of each stage."""
    ids = judge_encoding(entry.encoding, before.encoding, rule)
    wanted = before.expected
    actual = entry.stages
    if ids.differences:
        # Other ids have other hidden states, of another length.
        actual = actual._replace(hidden_states=())
    judged = judge(actual, wanted.stages, wanted.truth, rule, peers=wanted.peers)
    distances = _distances(actual, wanted.stages, rule.head)
    shared = entry.encoding.keys() & before.encoding.keys()
    distances[ENCODING] = _largest((entry.encoding[n], before.encoding[n]) for n in shared)
    return Judgement({**ids.stages, **judged.stages}, flips=judged.flips), distances


def _distances(actual: Stages, expected: Stages, head: Head) -> dict[str, float]:
    layers = zip(actual.hidden_states, expected.hidden_states, strict=False)
    distances = {HIDDEN_STATES: _largest(layers)}
    for stage in head.stages:
        if stage.name in actual.outputs and stage.name in expected.outputs:
            pair = actual.outputs[stage.name], expected.outputs[stage.name]
            distances[stage_name(stage)] = _largest([pair])
    return distances


def _largest(pairs: Iterable[tuple[Array, Array]]) -> float:
    distances = [Difference.between(new, old).largest for new, old in pairs]
    return float(np.max(distances, initial=0.0))


def _further(move: Move, measurements: tuple[Measurement, ...], distance: float) -> Move:
    """The move with one more input."""
    return Move(
        move.stage,
        move.judged + 1,
        move.moved + bool(distance),
        move.beyond + any(one.difference is not None for one in measurements),
        max(move.largest, distance),
        max(move.ratio, *(measurement.ratio for measurement in measurements)),
    )


def changes(old: Origin, new: Origin) -> tuple[Change, ...]:
    """The facts about the whole that differ."""
    before, now = _described(old), _described(new)
    names = {**before, **now}
    values = ((name, before.get(name, ""), now.get(name, "")) for name in names)
    return tuple(Change(*value) for value in values if value[1] != value[2])


def _described(origin: Origin) -> Mapping[str, str]:
    """The facts about a ledger, in words."""
    return {
        "checkpoint": origin.checkpoint,
        **origin.files,
        "task": origin.task,
        "labels": ", ".join(origin.labels),
        "function_to_apply": origin.function_to_apply,
        "backend": origin.backend,
        "tolerance": str(origin.tolerance),
        "seed": str(origin.seed),
        **origin.versions,
    }
