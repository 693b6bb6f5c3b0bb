"""One input through all stages of both sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from diglot.equality.cases import Case
from diglot.equality.judge import Judgement, Rule, judge, judge_encoding
from diglot.equality.reference import Expected, Reference
from diglot.equality.sides import PAIRS, PROBABILITIES, TEXTS, Side, Stages
from diglot.equality.tolerance import Difference, Measurement
from diglot.errors import DiglotError
from diglot.parity import result
from diglot.parity.result import Answer, Flip
from diglot.types import Array, Encoding


@dataclass(frozen=True)
class Compared:
    """What came of one input.

    Attributes:
        case: the input.
        stages: what was measured, by stage; a stage that could not be compared is missing.
        flips: the rows that the two sides label differently.
        answers: the probabilities on both sides.
        refused: why neither side takes the input; empty where they do.
        encoding: the input, encoded; ``None`` where it was refused.
        token_errors: of the last hidden state, the largest error of each token, ``[batch,
            tokens]``; ``None`` where there is none.
    """

    case: Case
    stages: Mapping[str, tuple[Measurement, ...]]
    flips: tuple[Flip, ...] = ()
    answers: tuple[Answer, ...] = ()
    refused: str = ""
    encoding: Encoding | None = None
    token_errors: Array | None = None

    def differences(self, stage: str) -> list[Difference]:
        """What is wrong in one stage."""
        measured = self.stages.get(stage, ())
        return [one.difference for one in measured if one.difference is not None]

    def ratio(self, stage: str) -> float:
        """The largest error of a stage, as a share of what was allowed."""
        return max((one.ratio for one in self.stages[stage]), default=0.0)


def compare(case: Case, tested: Side, reference: Reference, rule: Rule) -> Compared:
    """Hold one side's stages against the reference's.

    What one side refuses and the other does not is a difference.

    Args:
        case: the input.
        tested: the one side.
        reference: the other, with its float64.
        rule: how to compare.
    """
    try:
        expected = reference.expected(case)
    except DiglotError as error:
        return _refused(case, tested, str(error), rule)
    stages: dict[str, tuple[Measurement, ...]] = {}
    try:
        if case.encoding is None and {TEXTS, PAIRS} & tested.forms:
            encoding = tested.encode(case.read())
            found = judge_encoding(encoding, expected.encoding, rule)
            stages[result.ENCODING] = found.measurements
    except DiglotError as error:
        stages[result.ENCODING] = (_one_sided(result.ENCODING, rule.sides[0], error),)
    try:
        actual = expected.comparable(tested.run(expected.encoding))
    except DiglotError as error:
        return Compared(
            case,
            {**stages, result.LOGITS: (_one_sided(result.LOGITS, rule.sides[0], error),)},
            encoding=expected.encoding,
        )
    found = judge(actual, expected.stages, expected.truth, rule, peers=expected.peers)
    answered = _answered(case, tested, expected, rule)
    for stage, measured in _by_stage(found, answered).items():
        stages[stage] = measured
    return Compared(
        case,
        stages,
        found.flips or answered.flips,
        _answers(actual, expected.stages, found.flips),
        encoding=expected.encoding,
        token_errors=_token_errors(actual, expected),
    )


def _refused(case: Case, tested: Side, why: str, rule: Rule) -> Compared:
    """What the tested side makes of an input that the reference refuses."""
    try:
        encoding = case.encoding if case.encoding is not None else tested.encode(case.read())
        tested.run(encoding)
    except DiglotError:
        return Compared(case, {}, refused=why)
    stage = result.LOGITS if case.encoding is not None else result.ENCODING
    return Compared(case, {stage: (_one_sided(stage, rule.sides[1], why),)})


def _one_sided(stage: str, side: str, why: object) -> Measurement:
    infinite = float("inf")
    reason = f"only {side} refuses the input: {why}"
    return Measurement(stage, infinite, 0.0, infinite, Difference(stage, reason))


def _answered(case: Case, tested: Side, expected: Expected, rule: Rule) -> Judgement:
    """What a side that answers to text says in one go; nothing for one that does not."""
    try:
        answer = None if case.encoding is not None else tested.answer(case.read())
    except DiglotError as error:
        return Judgement((_one_sided("the answer to text", rule.sides[0], error),))
    if answer is None:
        return Judgement(())
    return judge(answer, expected.stages, expected.truth, rule, peers=expected.peers)


def _by_stage(*judgements: Judgement) -> dict[str, tuple[Measurement, ...]]:
    stages: dict[str, tuple[Measurement, ...]] = {}
    for judgement in judgements:
        for one in judgement.measurements:
            stage = stage_of(one.name)
            stages[stage] = (*stages.get(stage, ()), one)
    return stages


_STAGES = {
    "hidden": result.HIDDEN_STATES,
    "logits": result.LOGITS,
    "probabilities": result.PROBABILITIES,
    "labels": result.PROBABILITIES,
}


def _answers(actual: Stages, expected: Stages, flips: tuple[Flip, ...]) -> tuple[Answer, ...]:
    ours, theirs = actual.get(PROBABILITIES), expected.get(PROBABILITIES)
    if ours is None or theirs is None or ours.shape != theirs.shape:
        return ()
    flipped = {flip.row for flip in flips}
    return tuple(
        Answer(tuple(map(float, wanted)), tuple(map(float, said)), row in flipped)
        for row, (wanted, said) in enumerate(zip(theirs, ours, strict=True))
    )


def _token_errors(actual: Stages, expected: Expected) -> Array | None:
    last = [name for name in expected.truth if stage_of(name) == result.HIDDEN_STATES][-1:]
    for name in last:
        values, truth = actual.get(name), expected.truth[name]
        # A ledger keeps less of a long text than each token.
        tokens = expected.encoding["input_ids"].shape
        if values is not None and values.shape == truth.shape and truth.shape[:2] == tokens:
            errors: Array = np.abs(np.asarray(values, np.float64) - truth).max(-1)
            return errors
    return None


def stage_of(name: str) -> str:
    """The stage that an array belongs to."""
    return _STAGES.get(name.partition(" ")[0], result.LOGITS)
