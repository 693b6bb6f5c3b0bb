"""The judgement of one input, on numbers that can be checked by hand."""

from dataclasses import replace

import numpy as np
import pytest

from diglot.equality.judge import Rule, judge, judge_encoding
from diglot.equality.stages import Stages
from diglot.heads import Stage

RULE = Rule((("bad", "good"), ("bad", "good")), sides=("mine", "yours"))
IDS = {"input_ids": np.array([[1, 2]]), "attention_mask": np.array([[1, 1]])}


def stages(*logits: list[float], hidden: float = 1.0) -> Stages:
    values = np.array(logits, np.float32)
    powers = np.exp(values)
    layers = (
        np.full((len(logits), 2, 3), hidden, np.float32),
        np.full((len(logits), 2, 3), -1.0, np.float32),
    )
    return Stages(
        layers, {"logits": values, "probabilities": powers / powers.sum(-1, keepdims=True)}
    )


def moved(stages: Stages, name: str, by: float) -> Stages:
    """The stages with one output moved by the same number everywhere."""
    values = stages.outputs[name] + np.float32(by)
    return stages._replace(outputs={**stages.outputs, name: values})


def exact(stages: Stages) -> Stages:
    """The stages in float64."""
    return Stages(
        tuple(state.astype(np.float64) for state in stages.hidden_states),
        {name: values.astype(np.float64) for name, values in stages.outputs.items()},
    )


def differing(actual: Stages, expected: Stages, rule: Rule = RULE) -> list[str]:
    differences = judge(actual, expected, exact(expected), rule).differences
    return [difference.name for difference in differences]


def test_identical_stages_are_equal() -> None:
    given = stages([1.0, 2.0])
    judged = judge(given, given, exact(given), RULE)
    assert not judged.differences
    assert not judged.flips
    assert [measurement.name for measurement in judged.measurements] == [
        "hidden state 0",
        "hidden state 1",
        "logits",
        "probabilities",
    ]
    assert {measurement.ratio for measurement in judged.measurements} == {0.0}


def test_each_stage_is_judged() -> None:
    given = stages([1.0, 2.0])
    assert differing(stages([1.0, 2.0], hidden=1.001), given) == ["hidden state 0"]
    assert differing(moved(given, "logits", 0.01), given) == ["logits"]
    assert differing(moved(given, "probabilities", -0.01), given) == ["probabilities"]


def test_hidden_states_are_all_present_or_all_absent() -> None:
    given = stages([1.0, 2.0])
    ends = given._replace(hidden_states=())
    judged = judge(ends, given, exact(given), RULE)
    assert not judged.differences
    assert [measurement.name for measurement in judged.measurements] == ["logits", "probabilities"]
    first = given._replace(hidden_states=given.hidden_states[:1])
    assert differing(first, given) == ["hidden states"]
    logits = given._replace(outputs={"logits": given.outputs["logits"]})
    assert differing(logits, given) == ["stages"]


def test_the_rounding_of_a_logit_is_relative_to_the_last_hidden_state() -> None:
    given = stages([1e-4, -1e-4])
    near = moved(given, "logits", 5e-7)
    assert not differing(near, given)
    # The same holds for a side that shows no hidden states.
    ends = given._replace(hidden_states=())
    no_layers = near._replace(hidden_states=())
    assert not judge(no_layers, ends, exact(given), RULE).differences
    assert differing(moved(given, "logits", 5e-6), given) == ["logits"]


def test_a_flip_within_the_tolerance_is_excused() -> None:
    near, flipped = stages([1.0, 1.0 + 5e-7]), stages([1.0 + 5e-7, 1.0])
    judged = judge(flipped, near, exact(near), RULE)
    assert not judged.differences
    (flip,) = judged.flips
    assert flip.excused
    assert (flip.row, flip.expected, flip.actual) == (0, "good", "bad")


def test_a_flip_with_a_clear_margin_is_a_difference() -> None:
    right = stages([0.0, 1.0], [1.0, 0.0])
    swapped = stages([1.0, 0.0], [1.0, 0.0])
    judged = judge(swapped, right, exact(right), RULE)
    assert [difference.name for difference in judged.differences][-1] == "labels"
    (flip,) = judged.flips
    assert not flip.excused
    # The probabilities of two logits that are 1 apart.
    assert flip.margin == pytest.approx((np.e - 1) / (np.e + 1))
    assert "'bad' for 'good'" in str(judged.differences[-1])


def test_labels_are_compared_by_name() -> None:
    given = stages([0.0, 1.0])
    other = Rule((("good", "bad"), ("bad", "good")))
    assert differing(given, given, other) == ["labels"]
    chosen = given._replace(labels=np.array(["bad"], object))
    assert differing(chosen, given) == ["labels"]
    unknown = given._replace(labels=np.array(["unknown"], object))
    assert judge(unknown, given, exact(given), RULE).flips[0].margin == np.inf


def test_peers_are_used_only_after_a_difference() -> None:
    given, other = stages([1.0, 2.0]), stages([1.0, 2.0], hidden=1.001)
    asked = []

    def peers() -> list[Stages]:
        asked.append(True)
        return [stages([1.0, 2.0], hidden=1.0005)]

    assert not judge(given, given, exact(given), RULE, peers=peers).differences
    assert not asked
    assert not judge(other, given, exact(given), RULE, peers=peers).differences
    assert asked
    assert judge(other, given, exact(given), RULE).differences


def test_half_precision_has_larger_roundings() -> None:
    given, other = stages([1.0, 2.0]), stages([1.0, 2.0], hidden=1.004)
    assert differing(other, given)
    assert not differing(other, given, Rule(RULE.labels, rounding=2.0**-10))


def test_encodings_are_identical_or_not_equal() -> None:
    assert not judge_encoding(IDS, IDS, RULE).differences
    narrow = {name: value.astype(np.int32) for name, value in IDS.items()}
    assert not judge_encoding(narrow, IDS, RULE).differences
    (ids,) = judge_encoding({**IDS, "input_ids": np.array([[1, 3]])}, IDS, RULE).differences
    assert "at [0, 1] mine has 3 and yours 2" in str(ids)
    (names,) = judge_encoding({"input_ids": IDS["input_ids"]}, IDS, RULE).differences
    assert str(names) == "encoding: input_ids for input_ids, attention_mask"


class TokenLabels:
    """A head that chooses one label for each token, from raw outputs."""

    stages = (Stage("logits", "raw", "logits", chooses=True),)


def test_the_head_names_the_stages_and_the_choice() -> None:
    logits = np.array([[[0.0, 1.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]], np.float32)
    right = Stages((), {"logits": logits})
    swapped = Stages((), {"logits": np.array([logits[0], logits[1, :, ::-1]])})
    rule = replace(RULE, head=TokenLabels())  # type: ignore[arg-type] # the judge reads the stages
    judged = judge(swapped, right, exact(right), rule)
    assert list(judged.stages) == ["logits and labels"]
    assert [difference.name for difference in judged.differences] == ["logits", "labels"]
    assert [(flip.row, flip.expected, flip.actual) for flip in judged.flips] == [
        (1, "good", "bad")
    ] * 2
    assert not judge(right, right, exact(right), rule).flips
