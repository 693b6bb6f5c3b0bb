"""Two ledgers side by side: what moved, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from diglot.equality.cases import Case
from diglot.equality.compare import stage_of
from diglot.equality.judge import Rule, judge, judge_encoding
from diglot.equality.tolerance import Measurement
from diglot.errors import LedgerError
from diglot.explanation import Difference
from diglot.parity import result
from diglot.parity.ledger.entries import Entry, Ledger, Origin, key
from diglot.parity.ledger.sketch import is_hidden
from diglot.parity.result import Change, Flip

_Measured = dict[str, list[tuple[Measurement, float]]]


@dataclass(frozen=True)
class Move:
    """How far one stage moved, over all inputs that both ledgers hold.

    Attributes:
        stage: one of :data:`diglot.parity.result.STAGES`.
        judged: on how many inputs it was compared.
        moved: on how many of them it is not the same to the last bit.
        beyond: on how many of them it moved by more than the tolerance.
        largest: the largest difference between two recorded numbers; infinite where the arrays
            differ in shape, or one number is not finite.
        ratio: the largest error of the new ledger, as a share of what the old one allows.
    """

    stage: str
    judged: int = 0
    moved: int = 0
    beyond: int = 0
    largest: float = 0.0
    ratio: float = 0.0


@dataclass(frozen=True)
class LedgerDiff:
    """What is not the same in two ledgers.

    Attributes:
        changes: of what was recorded, with what, and how.
        only_old: the inputs that the new ledger does not hold.
        only_new: the inputs that the old ledger does not hold.
        refused: the inputs that one of them refuses and the other does not.
        moves: one for each stage.
        flips: the rows that have another label, excused or not; numbered as in the new ledger.
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
        """All of it as JSON has it."""
        facts: dict[str, Any] = result.plain(self)
        return {"within": self.within, **facts}

    def __str__(self) -> str:
        lines = ["nothing moved beyond the tolerance" if self.within else "MOVED"]
        lines += [f"  {one}" for one in self.changes]
        for what, some in (("old", self.only_old), ("new", self.only_new)):
            if some:
                lines.append(f"  only in the {what} ledger: {len(some)} inputs")
        for case in self.refused:
            lines.append(f"  refused by one of them alone: {case}")
        for move in self.moves:
            lines.append(
                f"  {move.stage}: {move.moved} of {move.judged} moved, {move.beyond} beyond the"
                f" tolerance; by {move.largest:.3g} at most, {move.ratio:.2g} of the limit"
            )
        excused = sum(flip.excused for flip in self.flips)
        lines.append(f"  label flips: {len(self.flips)}, {excused} of them within the tolerance")
        lines += [
            f"    input {one.case}, row {one.row}: {one.expected} → {one.actual}, {one.margin:.3g}"
            f" apart where rounding explains {one.limit:.3g}"
            for one in self.flips
        ]
        return "\n".join(lines)


def diff(old: Ledger, new: Ledger) -> LedgerDiff:
    """Hold the new ledger's answers against the old one's, under the old one's tolerance.

    Raises:
        LedgerError: the two cannot be compared: they are of different precisions, or have no input
            in common.
    """
    if old.precision != new.precision:
        raise LedgerError(
            f"the ledgers were recorded in {old.precision} and in {new.precision}, which differ by"
            " more than versions do; record both with the same --precision"
        )
    earlier = {key(one.case): one for one in old.entries}
    later = {key(one.case): one for one in new.entries}
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
    )
    moves = {stage: Move(stage) for stage in result.STAGES}
    refused, flips = [], []
    for number, entry in enumerate(new.entries):
        before = earlier.get(key(entry.case))
        if before is None:
            continue
        if bool(before.refused) != bool(entry.refused):
            refused.append(entry.case)
        elif not entry.refused:
            some, flipped = _judged(entry, before, rule)
            for stage, measured in some.items():
                moves[stage] = _further(moves[stage], measured)
            flips += [replace(one, case=number, text=_text(entry.case, one)) for one in flipped]
    return LedgerDiff(
        changes(old, new),
        tuple(one.case for name, one in earlier.items() if name not in later),
        tuple(one.case for name, one in later.items() if name not in earlier),
        tuple(refused),
        tuple(moves.values()),
        tuple(flips),
    )


def _judged(entry: Entry, before: Entry, rule: Rule) -> tuple[_Measured, tuple[Flip, ...]]:
    """What was measured of one input, by stage, each time with the distance of the arrays."""
    ids = judge_encoding(entry.encoding, before.encoding, rule)
    wanted = before.expected
    actual = {name: one.values for name, one in entry.stages.items() if name in wanted.stages}
    if ids.differences:
        # Of other ids, the hidden states are other ones, and need not even be as many.
        actual = {name: one for name, one in actual.items() if not is_hidden(name)}
    found = judge(actual, wanted.stages, wanted.truth, rule, peers=wanted.peers)
    measured: _Measured = {}
    for judgement, ours, theirs in (
        (ids, entry.encoding, before.encoding),
        (found, actual, wanted.stages),
    ):
        for one in judgement.measurements:
            both = one.name in ours and one.name in theirs
            distance = Difference.between(ours[one.name], theirs[one.name]).largest if both else 0.0
            stage = result.ENCODING if judgement is ids else stage_of(one.name)
            measured.setdefault(stage, []).append((one, distance))
    return measured, found.flips


def _further(move: Move, measured: Sequence[tuple[Measurement, float]]) -> Move:
    """The same with one more input."""
    distances = [distance for _, distance in measured]
    return Move(
        move.stage,
        move.judged + 1,
        move.moved + any(distances),
        move.beyond + any(one.difference is not None for one, _ in measured),
        max(move.largest, *distances),
        max(move.ratio, *(one.ratio for one, _ in measured)),
    )


def _text(case: Case, flip: Flip) -> str:
    return case.texts[flip.row] if case.texts else ""


def changes(old: Origin, new: Origin) -> tuple[Change, ...]:
    """What about the whole is not as it was."""
    was, now = _told(old), _told(new)
    both = ((what, was.get(what, ""), now.get(what, "")) for what in {**was, **now})
    return tuple(Change(*one) for one in both if one[1] != one[2])


def _told(origin: Origin) -> dict[str, str]:
    """The facts about a ledger, in words."""
    return {
        "checkpoint": origin.checkpoint,
        **origin.files,
        "labels": ", ".join(origin.labels),
        "function_to_apply": origin.function_to_apply,
        "backend": origin.backend,
        "tolerance": str(origin.tolerance),
        "seed": str(origin.seed),
        **origin.versions,
    }
