"""The judgement of one input: the arrays of two sides under one rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diglot.equality.stages import ENCODING, HIDDEN_STATES, Stages, stage_name
from diglot.equality.tolerance import (
    BUDGET,
    Difference,
    Measurement,
    Tolerance,
    measure,
    unmeasured,
)
from diglot.heads import SEQUENCE_CLASSIFICATION

if TYPE_CHECKING:
    from diglot.heads import Head
    from diglot.heads.head import Stage
    from diglot.types import Array, Encoding

PEERS = 2
"""The number of further PyTorch results, each with other roundings, behind a difference.

One result is not enough to know PyTorch's own error. Example: for "the the the the the the the" in
MiniLM, PyTorch was within 2.4e-6 of float64 in one element by chance; without oneDNN it was 1.3e-5
off, and TensorFlow 2.9e-5.
"""


@dataclass(frozen=True)
class Rule:
    """The rule of a comparison.

    Attributes:
        labels: the labels of the tested side, then of the reference, each in the order of the
            head's outputs.
        tolerance: the largest allowed error.
        rounding: the relative size of one rounding, if the arrays are wider than the tested
            precision; ``None`` otherwise.
        sides: the names of the two sides.
        head: the head, with the stages to compare.
    """

    labels: tuple[Sequence[str], Sequence[str]]
    tolerance: Tolerance = BUDGET
    rounding: float | None = None
    sides: tuple[str, str] = ("TensorFlow", "PyTorch")
    head: Head = SEQUENCE_CLASSIFICATION


@dataclass(frozen=True)
class Flip:
    """A row that the two sides label differently.

    Attributes:
        case: the index of the input.
        row: the row in the input's batch.
        expected: the reference's label.
        actual: the tested side's label.
        margin: the reference's score of its own label minus that of the other label, in float64;
            infinite if the reference has no such label.
        limit: the largest margin at which rounding may decide.
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
        """Whether rounding explains the flip."""
        return self.margin <= self.limit


@dataclass(frozen=True)
class Judgement:
    """The measurements of one input.

    Attributes:
        stages: the measurements by the stage's name; a stage that was not compared is missing.
        layers: one measurement per hidden state, the embeddings first; empty unless both sides
            show the same number.
        flips: the rows that the two sides label differently.
    """

    stages: Mapping[str, tuple[Measurement, ...]]
    layers: tuple[Measurement, ...] = ()
    flips: tuple[Flip, ...] = ()

    @property
    def measurements(self) -> list[Measurement]:
        """The measurements of all stages."""
        return [measurement for stage in self.stages.values() for measurement in stage]

    @property
    def differences(self) -> list[Difference]:
        """The differences that rounding does not explain."""
        differences = [measurement.difference for measurement in self.measurements]
        return [difference for difference in differences if difference is not None]


def judge_encoding(actual: Encoding, expected: Encoding, rule: Rule) -> Judgement:
    """Compare ids and masks, which must be identical."""
    if set(actual) != set(expected):
        return Judgement({ENCODING: (_missing("encoding", actual, expected),)})
    measurements = tuple(
        measure(
            name,
            np.asarray(actual[name], np.int64),
            np.asarray(expected[name], np.int64),
            sides=rule.sides,
        )
        for name in expected
    )
    return Judgement({ENCODING: measurements})


def judge(
    actual: Stages,
    expected: Stages,
    truth: Stages,
    rule: Rule,
    *,
    peers: Callable[[], Sequence[Stages]] = list,
) -> Judgement:
    """Compare hidden states, the head's outputs, and labels.

    An output of the head is a sum over the last hidden state, and may be near zero although its
    terms are not. So its rounding is relative to the last hidden state. A score moves by no more
    than the output that it is computed from.

    Args:
        actual: the tested side's arrays. Hidden states must be either all present or all absent.
        expected: the reference's arrays; the head's stages that it lacks are not compared.
        truth: the reference's arrays in float64.
        rule: the rule of the comparison.
        peers: gives the reference's arrays with other roundings; called only if there is a
            difference without them.
    """
    given, needed = len(actual.hidden_states), len(expected.hidden_states)
    if given and given != needed:
        reason = f"{given} hidden states for {needed}"
        return Judgement({HIDDEN_STATES: (unmeasured(HIDDEN_STATES, reason),)})
    stages = [stage for stage in rule.head.stages if stage.name in expected.outputs]
    if absent := [stage for stage in stages if stage.name not in actual.outputs]:
        missing = _missing("stages", actual.outputs, expected.outputs)
        return Judgement({stage_name(absent[0]): (missing,)})
    alone = _judge(actual, expected, truth, rule, stages, ())
    return _judge(actual, expected, truth, rule, stages, peers()) if alone.differences else alone


def _judge(
    actual: Stages,
    expected: Stages,
    truth: Stages,
    rule: Rule,
    stages: Sequence[Stage],
    peers: Sequence[Stages],
) -> Judgement:
    options: dict[str, Any] = {
        "tolerance": rule.tolerance,
        "rounding": rule.rounding,
        "sides": rule.sides,
    }
    layers = tuple(
        measure(
            f"hidden state {index}",
            values,
            expected.hidden_states[index],
            truth.hidden_states[index],
            peers=[peer.hidden_states[index] for peer in peers],
            **options,
        )
        for index, values in enumerate(actual.hidden_states)
    )
    last = truth.hidden_states[-1:]
    scale = max((float(np.abs(state).max(initial=0.0)) for state in last), default=None)
    measured = {HIDDEN_STATES: layers} if layers else {}
    flips: tuple[Flip, ...] = ()
    for stage in stages:
        measurement = measure(
            stage.name,
            actual.outputs[stage.name],
            expected.outputs[stage.name],
            truth.outputs[stage.name],
            peers=[peer.outputs[stage.name] for peer in peers],
            scale=scale,
            **options,
        )
        measured[stage_name(stage)] = (measurement,)
        if stage.chooses:
            stage_flips = _flips(stage.name, actual, expected, truth, measurement.limit, rule)
            flips += stage_flips
            if beyond := [flip for flip in stage_flips if not flip.excused]:
                measured[stage_name(stage)] += (_flipped(beyond),)
    return Judgement(measured, layers, flips)


def _flips(
    name: str, actual: Stages, expected: Stages, truth: Stages, limit: float, rule: Rule
) -> tuple[Flip, ...]:
    """The rows with different labels; rounding may decide between labels within both errors."""
    scores, reference = actual.outputs[name], expected.outputs[name]
    if scores.shape != reference.shape:
        return ()
    tested_names, names = (np.array(labels, object) for labels in rule.labels)
    chosen: Array = tested_names[scores.argmax(-1)] if actual.labels is None else actual.labels
    best = reference.argmax(-1)
    flips = []
    for place in map(tuple, np.argwhere(chosen != names[best])):
        known = np.flatnonzero(names == chosen[place])
        true = truth.outputs[name][place]
        margin = true[best[place]] - true[known].max() if known.size else np.inf
        flips.append(
            Flip(
                case=0,
                row=int(place[0]),
                expected=str(names[best[place]]),
                actual=str(chosen[place]),
                margin=float(margin),
                limit=2 * limit if np.isfinite(limit) else 0.0,
            )
        )
    return tuple(flips)


def _flipped(flips: Sequence[Flip]) -> Measurement:
    first = flips[0]
    reason = (
        f"rows {[flip.row for flip in flips]} have another label, with a clear margin: row"
        f" {first.row} is {first.actual!r} for {first.expected!r}, {first.margin:.3g} apart where"
        f" rounding explains {first.limit:.3g}"
    )
    return unmeasured("labels", reason, first.limit)


def _missing(name: str, actual: Iterable[str], expected: Iterable[str]) -> Measurement:
    return unmeasured(name, f"{', '.join(actual) or 'nothing'} for {', '.join(expected)}")
