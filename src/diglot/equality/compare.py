"""One input through all stages of both sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from diglot.equality.cases import PAIRS, TEXTS, Case
from diglot.equality.judge import Flip, Judgement, Rule, judge, judge_encoding
from diglot.equality.stages import ENCODING, Stages, stage_name
from diglot.equality.tolerance import Difference, Measurement, unmeasured
from diglot.errors import DiglotError

if TYPE_CHECKING:
    from diglot.equality.reference import Expected, Reference
    from diglot.equality.sides import Steps
    from diglot.heads import Head
    from diglot.types import Array, Encoding


@dataclass(frozen=True)
class Answer:
    """The scores of one row on both sides, in the order of the labels."""

    expected: tuple[float, ...]
    actual: tuple[float, ...]
    flipped: bool = False


@dataclass(frozen=True)
class Compared:
    """The comparison of one input.

    Attributes:
        case: the input.
        stages: the measurements by the stage's name; a stage that was not compared is missing.
        layers: one measurement per hidden state, the embeddings first; see
            :class:`~diglot.equality.judge.Judgement`.
        flips: the rows that the two sides label differently.
        answers: the scores of each row on both sides.
        refused: the reason why neither side takes the input; empty if one of them does.
        encoding: the encoded input; ``None`` if the reference refused it.
        token_errors: the largest error of each token in the last hidden state, ``[batch, tokens]``;
            ``None`` if the tested side shows none.
    """

    case: Case
    stages: Mapping[str, tuple[Measurement, ...]]
    layers: tuple[Measurement, ...] = ()
    flips: tuple[Flip, ...] = ()
    answers: tuple[Answer, ...] = ()
    refused: str = ""
    encoding: Encoding | None = None
    token_errors: Array | None = None

    def differences(self, stage: str) -> list[Difference]:
        """The differences in one stage."""
        differences = [measurement.difference for measurement in self.stages.get(stage, ())]
        return [difference for difference in differences if difference is not None]

    def ratio(self, stage: str) -> float:
        """The largest error of a stage, as a share of the limit."""
        return max((measurement.ratio for measurement in self.stages[stage]), default=0.0)


def compare(case: Case, tested: Steps, reference: Reference, rule: Rule) -> Compared:
    """Compare one side with the reference on one input, stage by stage.

    An input that only one of the two refuses is a difference.

    Args:
        case: the input.
        tested: the tested side.
        reference: the reference, with its float64 results.
        rule: the rule of the comparison.
    """
    try:
        expected = reference.expected(case)
    except DiglotError as error:
        return _refused(case, tested, str(error), rule)
    stages: dict[str, tuple[Measurement, ...]] = {}
    try:
        if case.encoding is None and {TEXTS, PAIRS} & tested.forms:
            encoding = tested.encode(case.read())
            stages.update(judge_encoding(encoding, expected.encoding, rule).stages)
    except DiglotError as error:
        stages[ENCODING] = (_one_sided(ENCODING, rule.sides[0], error),)
    first = stage_name(rule.head.stages[0])
    try:
        actual = expected.comparable(tested.run(expected.encoding))
    except DiglotError as error:
        stages[first] = (_one_sided(first, rule.sides[0], error),)
        return Compared(case, stages, encoding=expected.encoding)
    judged = judge(actual, expected.stages, expected.truth, rule, peers=expected.peers)
    answered = _judge_answer(case, tested, expected, rule)
    for judgement in (judged, answered):
        for name, measurements in judgement.stages.items():
            stages[name] = (*stages.get(name, ()), *measurements)
    return Compared(
        case,
        stages,
        judged.layers,
        judged.flips or answered.flips,
        _answers(actual, expected.stages, rule.head, {flip.row for flip in judged.flips}),
        encoding=expected.encoding,
        token_errors=_token_errors(actual, expected),
    )


def _refused(case: Case, tested: Steps, why: str, rule: Rule) -> Compared:
    """The comparison of an input that the reference refuses."""
    try:
        encoding = case.encoding if case.encoding is not None else tested.encode(case.read())
        tested.run(encoding)
    except DiglotError:
        return Compared(case, {}, refused=why)
    stage = ENCODING if case.encoding is None else stage_name(rule.head.stages[0])
    return Compared(case, {stage: (_one_sided(stage, rule.sides[1], why),)})


def _one_sided(name: str, side: str, why: object) -> Measurement:
    return unmeasured(name, f"only {side} refuses the input: {why}")


def _judge_answer(case: Case, tested: Steps, expected: Expected, rule: Rule) -> Judgement:
    """The judgement of the tested side's direct answer to texts; empty without one."""
    try:
        answer = None if case.encoding is not None else tested.answer(case.read())
    except DiglotError as error:
        refusal = _one_sided("the answer to text", rule.sides[0], error)
        return Judgement({stage_name(rule.head.stages[0]): (refusal,)})
    if answer is None:
        return Judgement({})
    return judge(answer, expected.stages, expected.truth, rule, peers=expected.peers)


def _answers(actual: Stages, expected: Stages, head: Head, flipped: set[int]) -> tuple[Answer, ...]:
    """The scores from which the labels are chosen, row by row."""
    for stage in head.stages:
        if not stage.chooses:
            continue
        scores, reference = actual.outputs.get(stage.name), expected.outputs.get(stage.name)
        if scores is None or reference is None or scores.shape != reference.shape:
            continue
        return tuple(
            Answer(tuple(map(float, wanted)), tuple(map(float, given)), row in flipped)
            for row, (wanted, given) in enumerate(zip(reference, scores, strict=True))
        )
    return ()


def _token_errors(actual: Stages, expected: Expected) -> Array | None:
    layers = expected.truth.hidden_states
    if not layers or len(actual.hidden_states) != len(layers):
        return None
    values, truth = actual.hidden_states[-1], layers[-1]
    # A ledger holds one number per group of tokens for a long text.
    tokens = expected.encoding["input_ids"].shape
    if values.shape != truth.shape or truth.shape[:2] != tokens:
        return None
    errors: Array = np.abs(np.asarray(values, np.float64) - truth).max(-1)
    return errors
