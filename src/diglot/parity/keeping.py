"""Whether both sides keep to the invariants, on some of the inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from diglot.errors import DiglotError
from diglot.parity.cases import Case
from diglot.parity.comparison import Compared
from diglot.parity.drawing import Inputs
from diglot.parity.invariants import VARIATIONS, standard, variations
from diglot.parity.judging import Rule, judge
from diglot.parity.reference import Live
from diglot.parity.result import Invariant
from diglot.parity.sides import ENCODINGS, Run, Side

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
    found: list[Kept] = []
    bases = _bases(compared)
    own = replace(rule, labels=(live.labels, live.labels), sides=(live.name, live.name))
    for side, named in ((tested, rule), (live.side, own)):
        if ENCODINGS not in side.forms:
            continue
        for name in VARIATIONS:
            broken = partial(_varied, side=side, live=live, rule=named, inputs=inputs, name=name)
            found.append(Kept(Invariant(side.name, name, 0, 0, _NOT_OURS), broken))
    for case in bases:
        for one in found:
            one.attempt(case)
    for side, named in ((tested, rule), (live.side, own)):
        for name, run in side.ways().items():
            broken = partial(_otherwise, run=run, live=live, rule=named)
            found.append(_once(Kept(Invariant(side.name, name, 0, 0), broken), bases))
    return found


def _once(kept: Kept, bases: Sequence[Case]) -> Kept:
    """Another way to run is tried on one input only: it may have to be compiled for each."""
    try:
        for case in bases[:1]:
            kept.attempt(case)
    except DiglotError as error:
        kept.invariant = replace(kept.invariant, absent=str(error))
    return kept


def _varied(
    case: Case, *, side: Side, live: Live, rule: Rule, inputs: Inputs, name: str
) -> str | None:
    if case.encoding is None:
        return None
    for variation in variations(case.encoding, pad=inputs.pad, most=inputs.longest):
        if variation.name == name and (wanted := standard(variation, live, rule)) is not None:
            try:
                return "; ".join(map(str, wanted.judge(side, rule).differences))
            except DiglotError as error:
                return f"only so {side.name} refuses the input: {error}"
    return None


def _otherwise(case: Case, *, run: Run, live: Live, rule: Rule) -> str | None:
    if case.encoding is None:
        return None
    expected = live.expected(case)
    found = judge(run(case.encoding), expected.stages, expected.truth, rule, peers=expected.peers)
    return "; ".join(map(str, found.differences))


def _bases(compared: Sequence[Compared]) -> list[Case]:
    """Some of the inputs, as encodings: of several rows of unlike lengths, where there are such."""
    cases = [
        Case(one.case.origin, encoding=one.encoding)
        for one in compared
        if one.encoding is not None and one.encoding["input_ids"].shape[1] <= _TOKENS
    ]
    # Sorting keeps the order of those that are alike, so that the same inputs are taken each time.
    return sorted(cases, key=_variety, reverse=True)[:_TRIED]


def _variety(case: Case) -> tuple[bool, bool]:
    mask = (case.encoding or {})["attention_mask"]
    lengths = mask.sum(-1)
    ragged = case.rows > 1 and lengths.min() < lengths.max()
    return bool(ragged and lengths.min()), case.rows > 1
