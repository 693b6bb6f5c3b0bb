"""Heads: the rule from logits to labels against transformers' own code, and a head of a test."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from transformers import BertConfig
from transformers.pipelines.text_classification import TextClassificationPipeline

from diglot import TextClassifier, checkpoints, heads
from diglot.backends import Model
from diglot.equality.judge import Rule, judge
from diglot.equality.stages import Stages
from diglot.errors import InputError
from diglot.heads import SEQUENCE_CLASSIFICATION, Stage, Task
from diglot.heads.sequence_classification import SequenceClassification
from diglot.heads.top_k import UNSET, checked_top_k
from diglot.preprocessing import CheckpointEncoder
from diglot.types import Outputs

PROBLEMS = [None, "regression", "single_label_classification", "multi_label_classification"]


def config(labels: int, problem_type: str | None = None) -> BertConfig:
    return BertConfig(
        num_labels=labels,
        id2label={index: f"label {index}" for index in range(labels)},
        problem_type=problem_type,
    )


def by_transformers(logits: list[float], config: BertConfig, **options: Any) -> Any:
    """The result of transformers for the logits of one text."""
    pipeline = SimpleNamespace(model=SimpleNamespace(config=config))
    with np.errstate(over="ignore", invalid="ignore"):
        return TextClassificationPipeline.postprocess(
            pipeline, {"logits": torch.tensor([logits])}, **options
        )


def by_the_head(logits: list[float], config: BertConfig, requested: str | None, top_k: Any) -> Any:
    function = SEQUENCE_CLASSIFICATION.score_function(config, requested)
    scores = heads.scores(np.array([logits], np.float32), function)
    return SEQUENCE_CLASSIFICATION.select(
        {"logits": scores[0]}, list(config.id2label.values()), top_k
    )


any_logits = st.lists(st.floats(width=32), min_size=1, max_size=5)


@settings(deadline=None, max_examples=300)
@given(
    logits=any_logits | st.lists(st.sampled_from([0.0, 1.0, math.nan, math.inf]), min_size=1),
    problem_type=st.sampled_from(PROBLEMS),
    requested=st.sampled_from([None, "softmax", "sigmoid", "none", "SoftMax", "NONE"]),
    top_k=st.just(UNSET) | st.none() | st.integers(-6, 6) | st.booleans(),
)
def test_it_is_transformers_postprocess_bit_for_bit(
    logits: list[float], problem_type: str | None, requested: str | None, top_k: Any
) -> None:
    # transformers refuses to make such a configuration.
    assume(not (len(logits) == 1 and problem_type == "single_label_classification"))
    kind = config(len(logits), problem_type)
    # The pipeline hands its enumeration to postprocess; a member of it equals its value.
    options: dict[str, Any] = {"function_to_apply": requested.lower()} if requested else {}
    if top_k is not UNSET:
        options |= {"top_k": top_k, "_legacy": False}
    # Compared as text, in which NaN equals NaN and every digit counts.
    assert repr(by_the_head(logits, kind, requested, top_k)) == repr(
        by_transformers(logits, kind, **options)
    )


@pytest.mark.parametrize(
    ("labels", "problem_type", "function"),
    [
        (1, "regression", "none"),
        (3, "regression", "none"),
        (1, None, "sigmoid"),
        (3, "multi_label_classification", "sigmoid"),
        (2, None, "softmax"),
        (3, "single_label_classification", "softmax"),
    ],
)
def test_the_head_decides_the_function(
    labels: int, problem_type: str | None, function: str
) -> None:
    assert SEQUENCE_CLASSIFICATION.score_function(config(labels, problem_type)) == function


def test_the_configuration_decides_where_the_head_does_not() -> None:
    unusual = SimpleNamespace(problem_type=None, num_labels=0, function_to_apply="sigmoid")
    assert SEQUENCE_CLASSIFICATION.score_function(unusual) == "sigmoid"  # type: ignore[arg-type]
    del unusual.function_to_apply
    assert SEQUENCE_CLASSIFICATION.score_function(unusual) == "none"  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["default", "tanh", "", 3])
def test_an_unknown_function_is_refused(name: Any) -> None:
    with pytest.raises(InputError, match="must be one of 'softmax', 'sigmoid', 'none', not"):
        SEQUENCE_CLASSIFICATION.score_function(config(2), name)


@pytest.mark.parametrize("top_k", ["2", "", 2.0, [1]])
def test_top_k_must_be_a_whole_number(top_k: Any) -> None:
    with pytest.raises(InputError, match="top_k must be a whole number, or None"):
        checked_top_k(top_k)


def test_numbers_of_numpy_are_whole_numbers() -> None:
    assert checked_top_k(np.int64(2)) == 2
    assert checked_top_k(None) is None
    assert checked_top_k(UNSET) is UNSET
    assert repr(UNSET) == "<unset>"


def test_ties_go_to_the_first_label_and_a_nan_counts_as_the_best() -> None:
    labels = ["a", "b", "c"]
    tied = np.array([0.25, 0.5, 0.5], np.float32)
    assert SEQUENCE_CLASSIFICATION.select({"logits": tied}, labels) == {"label": "b", "score": 0.5}
    assert [p["label"] for p in SEQUENCE_CLASSIFICATION.select({"logits": tied}, labels, None)] == [
        "b",
        "c",
        "a",
    ]
    best = SEQUENCE_CLASSIFICATION.select({"logits": np.array([0.5, math.nan, 1.0])}, labels)
    assert best["label"] == "b"
    assert math.isnan(best["score"])


def test_scores_must_be_as_many_as_labels() -> None:
    with pytest.raises(ValueError, match="zip"):
        SEQUENCE_CLASSIFICATION.select({"logits": np.zeros(3)}, ["a", "b"], None)


class Lengths(SequenceClassification):
    """A made-up head: its one output is a length, and a result is that length as a number."""

    task = "length"
    outputs = ("length",)
    stages = (Stage("length", "raw", "length"),)
    columns = ("tokens",)

    def select(self, scores: Any, labels: Any, top_k: Any = UNSET) -> Any:
        """The length."""
        return {"tokens": int(scores["length"][0])}


class Counter(Model):
    """Counts the tokens."""

    name = "counter"

    def run(self, encoding: Any, *, function: Any = None, hidden_states: bool = False) -> Outputs:
        """The number of tokens of each row, ``[batch, 1]``."""
        length = {"length": encoding["attention_mask"].sum(1, keepdims=True).astype(np.float32)}
        return Outputs(length, {} if function is None else length)


def test_a_classifier_takes_outputs_and_results_from_its_head(tiny: Path) -> None:
    task = Task(Lengths(), (), "none")
    encoder = CheckpointEncoder(checkpoints.find(tiny))
    classifier = TextClassifier(task, encoder, Counter())
    assert classifier(["a", "a b c d"]) == [{"tokens": 3}, {"tokens": 6}]
    assert classifier.outputs(["a", "a b"]).raw["length"].tolist() == [[3.0], [4.0]]


@pytest.mark.parametrize("off", [0.0, 0.5])
def test_the_judge_compares_the_stages_of_the_head(off: float) -> None:
    expected = Stages((), {"length": np.full((2, 1), 3.0, np.float32)})
    actual = Stages((), {"length": expected.outputs["length"] + np.float32(off)})
    truth = Stages((), {"length": expected.outputs["length"].astype(np.float64)})
    judgement = judge(actual, expected, truth, Rule(((), ()), head=Lengths()))
    assert list(judgement.stages) == ["length"]
    assert bool(judgement.differences) == bool(off)
