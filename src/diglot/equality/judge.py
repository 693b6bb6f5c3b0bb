"""One input, two sides: every stage under the design's rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from diglot.equality.sides import LABELS, LOGITS, PROBABILITIES, Stages
from diglot.equality.tolerance import BUDGET, Difference, Measurement, Tolerance, measure
from diglot.parity.result import HIDDEN_STATES, Flip
from diglot.types import Array, Encoding

PEERS = 2
"""How often a model's rounding is drawn anew before a difference is believed.

PyTorch alone is no measure of its own error: of "the the the the the the the" in MiniLM, one
element happened to be within 2.4e-6 of float64, where the same model without oneDNN was 1.3e-5 off,
and TensorFlow 2.9e-5.
"""


@dataclass(frozen=True)
class Rule:
    """How two sides are compared.

    Attributes:
        labels: of the tested side, then of the reference, each in the order of its logits.
        tolerance: how large an error may be.
        rounding: the relative size of one rounding, where arrays are wider than the precision that
            is tested; ``None`` where they are not.
        sides: the names of the two.
    """

    labels: tuple[Sequence[str], Sequence[str]]
    tolerance: Tolerance = BUDGET
    rounding: float | None = None
    sides: tuple[str, str] = ("TensorFlow", "PyTorch")


@dataclass(frozen=True)
class Judgement:
    """What was measured of one input.

    Attributes:
        measurements: one for each array that was compared.
        flips: the rows that the two sides label differently.
    """

    measurements: tuple[Measurement, ...]
    flips: tuple[Flip, ...] = ()

    @property
    def differences(self) -> list[Difference]:
        """Whatever is more than rounding."""
        return [one.difference for one in self.measurements if one.difference is not None]


def judge_encoding(actual: Encoding, expected: Encoding, rule: Rule) -> Judgement:
    """Hold ids and masks against the reference's; they must be identical."""
    if set(actual) != set(expected):
        return Judgement((_missing("encoding", actual, expected),))
    return Judgement(
        tuple(
            measure(
                name,
                np.asarray(actual[name], np.int64),
                np.asarray(expected[name], np.int64),
                sides=rule.sides,
            )
            for name in expected
        )
    )


def judge(
    actual: Stages,
    expected: Stages,
    truth: Stages,
    rule: Rule,
    *,
    peers: Callable[[], Sequence[Stages]] = list,
) -> Judgement:
    """Hold hidden states, logits, probabilities and labels against the reference's.

    A logit is a sum over the last hidden state, and may be near zero though what it sums is not:
    its rounding is relative to what is summed. A probability moves by no more than its logits.

    Args:
        actual: the tested side's stages; those that it does not show at all are not judged, but of
            the hidden states it must show all or none.
        expected: the reference's.
        truth: the reference's in float64.
        rule: how to compare.
        peers: the reference's with its rounding drawn anew; asked for only where there would be a
            difference without them.
    """
    hidden = [name for name in expected if name not in (LOGITS, PROBABILITIES)]
    shown = [name for name in actual if name not in (LOGITS, PROBABILITIES, LABELS)]
    if shown and shown != hidden:
        return Judgement((_missing(HIDDEN_STATES, shown, hidden),))
    if not set(expected) - set(hidden) <= set(actual):
        return Judgement((_missing("stages", actual, expected),))
    last = [name for name in truth if name not in (LOGITS, PROBABILITIES)][-1:]
    summed = max((float(np.abs(truth[name]).max(initial=0.0)) for name in last), default=None)

    def with_peers(others: Sequence[Stages]) -> Judgement:
        measurements = [
            measure(
                name,
                actual[name],
                expected[name],
                truth[name],
                peers=[other[name] for other in others],
                tolerance=rule.tolerance,
                scale=None if name in hidden else summed,
                rounding=rule.rounding,
                sides=rule.sides,
            )
            for name in expected
            if name in actual
        ]
        if PROBABILITIES not in expected:
            return Judgement(tuple(measurements))
        flips = _flips(actual, expected, truth, measurements[-1].limit, rule)
        if bad := [flip for flip in flips if not flip.excused]:
            measurements.append(_flipped(bad))
        return Judgement(tuple(measurements), flips)

    alone = with_peers(())
    return with_peers(peers()) if alone.differences else alone


def _flips(
    actual: Stages, expected: Stages, truth: Stages, limit: float, rule: Rule
) -> tuple[Flip, ...]:
    """The rows with another label: rounding may decide between labels closer than both errors."""
    scores, wanted, true = actual[PROBABILITIES], expected[PROBABILITIES], truth[PROBABILITIES]
    if scores.shape != wanted.shape:
        return ()
    ours, theirs = (np.array(labels, object) for labels in rule.labels)
    said: Array = actual[LABELS] if LABELS in actual else ours[scores.argmax(-1)]
    right: Array = theirs[wanted.argmax(-1)]
    return tuple(
        Flip(
            case=0,
            row=int(row),
            expected=str(right[row]),
            actual=str(said[row]),
            margin=_margin(true[row], wanted[row].argmax(), said[row], theirs),
            limit=2 * limit if np.isfinite(limit) else 0.0,
        )
        for row in np.flatnonzero(said != right)
    )


def _margin(true: Array, best: np.intp, said: str, labels: Array) -> float:
    """How much better the reference's label is than the other one, in float64."""
    known = np.flatnonzero(labels == said)
    return float(true[best] - true[known].max()) if known.size else float("inf")


def _flipped(flips: Sequence[Flip]) -> Measurement:
    first = flips[0]
    reason = (
        f"rows {[flip.row for flip in flips]} have another label, with a clear margin: row"
        f" {first.row} is {first.actual!r} for {first.expected!r}, {first.margin:.3g} apart where"
        f" rounding explains {first.limit:.3g}"
    )
    return Measurement(LABELS, float("inf"), 0.0, first.limit, Difference(LABELS, reason))


def _missing(what: str, actual: Iterable[str], expected: Iterable[str]) -> Measurement:
    reason = f"{', '.join(actual) or 'nothing'} for {', '.join(expected)}"
    infinite = float("inf")
    return Measurement(what, infinite, 0.0, infinite, Difference(what, reason))
