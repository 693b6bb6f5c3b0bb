"""One input's stages, on numbers small enough to check by hand."""

import numpy as np
import pytest

from diglot.equality.judge import Rule, judge, judge_encoding
from diglot.equality.sides import Stages

RULE = Rule((("bad", "good"), ("bad", "good")), sides=("mine", "yours"))
IDS = {"input_ids": np.array([[1, 2]]), "attention_mask": np.array([[1, 1]])}


def stages(*logits: list[float], hidden: float = 1.0) -> Stages:
    values = np.array(logits, np.float32)
    powers = np.exp(values)
    return {
        "hidden state 0": np.full((len(logits), 2, 3), hidden, np.float32),
        "hidden state 1": np.full((len(logits), 2, 3), -1.0, np.float32),
        "logits": values,
        "probabilities": powers / powers.sum(-1, keepdims=True),
    }


def exact(given: Stages) -> Stages:
    return {name: value.astype(np.float64) for name, value in given.items()}


def found(actual: Stages, expected: Stages, rule: Rule = RULE) -> list[str]:
    return [one.name for one in judge(actual, expected, exact(expected), rule).differences]


def test_what_is_identical_is_equal() -> None:
    given = stages([1.0, 2.0])
    judged = judge(given, given, exact(given), RULE)
    assert not judged.differences
    assert not judged.flips
    assert [one.name for one in judged.measurements] == list(given)
    assert {one.ratio for one in judged.measurements} == {0.0}


def test_each_stage_is_judged() -> None:
    given = stages([1.0, 2.0])
    assert found(stages([1.0, 2.0], hidden=1.001), given) == ["hidden state 0"]
    assert found({**given, "logits": given["logits"] + 0.01}, given) == ["logits"]
    assert found({**given, "probabilities": given["probabilities"] - 0.01}, given) == [
        "probabilities"
    ]


def test_a_side_may_show_no_hidden_states_but_not_some_of_them() -> None:
    given = stages([1.0, 2.0])
    ends = {name: given[name] for name in ("logits", "probabilities")}
    judged = judge(ends, given, exact(given), RULE)
    assert not judged.differences
    assert [one.name for one in judged.measurements] == ["logits", "probabilities"]
    some = {name: value for name, value in given.items() if name != "hidden state 1"}
    assert found(some, given) == ["hidden states"]
    without = {name: value for name, value in given.items() if name != "probabilities"}
    assert found(without, given) == ["stages"]


def test_a_logit_is_off_by_the_roundings_of_what_it_sums() -> None:
    given = stages([1e-4, -1e-4])
    moved = {**given, "logits": given["logits"] + np.float32(5e-7)}
    assert not found(moved, given)
    # So it is where the tested side is one of many that show no hidden states.
    ends = {name: given[name] for name in ("logits", "probabilities")}
    assert not judge({**ends, "logits": moved["logits"]}, ends, exact(given), RULE).differences
    larger = {**given, "logits": given["logits"] + np.float32(5e-6)}
    assert found(larger, given) == ["logits"]


def test_a_flip_within_the_tolerance_is_excused_and_shown() -> None:
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
    assert [one.name for one in judged.differences][-1] == "labels"
    (flip,) = judged.flips
    assert not flip.excused
    # The probabilities of two logits that are 1 apart.
    assert flip.margin == pytest.approx((np.e - 1) / (np.e + 1))
    assert "'bad' for 'good'" in str(judged.differences[-1])


def test_labels_are_compared_by_name() -> None:
    given = stages([0.0, 1.0])
    other = Rule((("good", "bad"), ("bad", "good")))
    assert found(given, given, other) == ["labels"]
    said = {**given, "labels": np.array(["bad"], object)}
    assert found(said, given) == ["labels"]
    strange = {**given, "labels": np.array(["unheard of"], object)}
    assert judge(strange, given, exact(given), RULE).flips[0].margin == np.inf


def test_peers_are_asked_for_only_where_they_can_help() -> None:
    given, moved = stages([1.0, 2.0]), stages([1.0, 2.0], hidden=1.001)
    asked = []

    def peers() -> list[Stages]:
        asked.append(True)
        return [stages([1.0, 2.0], hidden=1.0005)]

    assert not judge(given, given, exact(given), RULE, peers=peers).differences
    assert not asked
    assert not judge(moved, given, exact(given), RULE, peers=peers).differences
    assert asked
    assert judge(moved, given, exact(given), RULE).differences


def test_half_precision_has_larger_roundings() -> None:
    given, moved = stages([1.0, 2.0]), stages([1.0, 2.0], hidden=1.004)
    assert found(moved, given)
    assert not found(moved, given, Rule(RULE.labels, rounding=2.0**-10))


def test_encodings_are_identical_or_not_equal() -> None:
    assert not judge_encoding(IDS, IDS, RULE).differences
    narrow = {name: value.astype(np.int32) for name, value in IDS.items()}
    assert not judge_encoding(narrow, IDS, RULE).differences
    (one,) = judge_encoding({**IDS, "input_ids": np.array([[1, 3]])}, IDS, RULE).differences
    assert "at [0, 1] mine has 3 and yours 2" in str(one)
    (other,) = judge_encoding({"input_ids": IDS["input_ids"]}, IDS, RULE).differences
    assert str(other) == "encoding: input_ids for input_ids, attention_mask"
