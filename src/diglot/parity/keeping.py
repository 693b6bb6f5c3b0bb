"""Whether both sides keep to the invariants, on some of the inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import isfinite

from diglot.equality.cases import Case
from diglot.equality.compare import Compared
from diglot.equality.judge import Judgement, Rule
from diglot.equality.reference import Live
from diglot.equality.sides import ENCODINGS, Run, Side
from diglot.errors import DiglotError
from diglot.parity.inputs import Inputs
from diglot.parity.invariants import VARIATIONS, judge_move, standard, variations
from diglot.parity.result import Invariant

# On how many inputs, of at most so many tokens, each invariant is tried.
_TRIED, _TOKENS = 8, 64

_NOT_OURS = "the model itself does not keep to it"

Broken = Callable[[Case], str | None]
"""How an invariant is broken on an input: ``""`` where it holds, ``None`` where it says nothing."""


@dataclass
class Kept:
    """One invariant of one side, and the first input on which it does not hold.

    Attributes:
        invariant: how often it was tried, and broken.
        broken: how it is broken on an input.
        case: the first input on which it was; ``None`` where it always held.
        explanation: how.
    """

    invariant: Invariant
    broken: Broken
    case: Case | None = None
    explanation: str = ""

    def attempt(self, case: Case) -> None:
        """Try it on one more input."""
        explanation = self.broken(case)
        if explanation is None:
            return
        was = self.invariant
        self.invariant = replace(
            was, judged=was.judged + 1, broken=was.broken + bool(explanation), absent=""
        )
        if explanation and self.case is None:
            self.case, self.explanation = case, explanation


def keep(
    compared: Sequence[Compared], tested: Side, live: Live, rule: Rule, inputs: Inputs
) -> list[Kept]:
    """Try each invariant on both sides.

    Args:
        compared: the inputs, of which some are taken.
        tested: the one side.
        live: the other.
        rule: how to compare.
        inputs: what the model takes.
    """
    # A side is compared with itself here: what its labels are called does not matter.
    rule = replace(rule, labels=(live.labels, live.labels))
    bases = _bases(compared)
    # A backend that is held against itself need not be tried twice.
    both = (tested, live.side) if tested.name != live.name else (tested,)
    sides = [side for side in both if ENCODINGS in side.forms]
    varied = [
        Kept(
            Invariant(side.name, name, 0, 0, _NOT_OURS),
            partial(_varied, side=side, live=live, rule=rule, inputs=inputs, name=name),
        )
        for side in sides
        for name in VARIATIONS
    ]
    for case in bases:
        for one in varied:
            one.attempt(case)
    otherwise = [
        Kept(
            Invariant(side.name, name, 0, 0, "no input lets it be tried"),
            partial(_otherwise, side=side, run=run, live=live, rule=rule),
        )
        for side in sides
        for name, run in side.ways().items()
    ]
    for one in otherwise:
        # On one input only: a program may have to be compiled for each.
        for case in bases[:1]:
            try:
                one.attempt(case)
            except DiglotError as error:
                one.invariant = replace(one.invariant, absent=str(error))
    return varied + otherwise


def _varied(
    case: Case, *, side: Side, live: Live, rule: Rule, inputs: Inputs, name: str
) -> str | None:
    if case.encoding is None:
        return None
    for variation in variations(case.encoding, pad=inputs.pad, most=inputs.longest):
        if variation.name == name and (wanted := standard(variation, live, rule)) is not None:
            try:
                return _moves(wanted.judge(side, rule))
            except DiglotError as error:
                return f"only so {side.name} refuses the input: {error}"
    return None


def _otherwise(case: Case, *, side: Side, run: Run, live: Live, rule: Rule) -> str | None:
    if case.encoding is None:
        return None
    expected = live.expected(case)
    usual, otherwise = side.run(case.encoding), run(case.encoding)
    return _moves(
        judge_move(usual, otherwise, expected.stages, expected.truth, rule, expected.peers)
    )


def _moves(judgement: Judgement) -> str:
    """How far the answers are apart; empty where rounding explains it."""
    return "; ".join(
        f"{one.name} moves by {one.error:.3g}, and rounding explains {one.limit:.3g}"
        if isfinite(one.error)
        else str(one.difference)
        for one in judgement.measurements
        if one.difference is not None
    )


def _bases(compared: Sequence[Compared]) -> list[Case]:
    """Some of the inputs, as encodings: of several rows of unlike lengths, where there are such."""
    cases = [
        Case(one.case.origin, encoding=one.encoding)
        for one in compared
        if one.answers
        and one.encoding is not None
        and one.encoding["input_ids"].shape[1] <= _TOKENS
    ]
    # Sorting keeps the order of those that are alike, so that the same inputs are taken each time.
    return sorted(cases, key=_variety, reverse=True)[:_TRIED]


def _variety(case: Case) -> tuple[bool, bool]:
    mask = (case.encoding or {})["attention_mask"]
    lengths = mask.sum(-1)
    ragged = case.rows > 1 and lengths.min() < lengths.max()
    return bool(ragged and lengths.min()), case.rows > 1
