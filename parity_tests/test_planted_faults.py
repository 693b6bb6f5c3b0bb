"""The comparison must find each planted fault, at the stage where it is planted."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch

from diglot import TFAutoModelForSequenceClassification, heads
from diglot.lowering import REGISTRY

from .architectures import Subject, reading, run_tensorflow, torch_model
from .comparison import assert_equal, differences

aten = torch.ops.aten
ENCODING = {
    "input_ids": np.array([[1, 17, 23, 42, 9, 2], [1, 31, 2, 0, 0, 0]]),
    "attention_mask": np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]]),
}


@pytest.fixture
def bert() -> Subject:
    """A model that the test may damage."""
    return reading("bert", torch_model("bert"), TFAutoModelForSequenceClassification)


def variable(subject: Subject, name: str) -> Any:
    (weight,) = [weight for weight in subject.actual.weights if weight.name == name]
    return weight


def test_without_a_fault_nothing_differs(bert: Subject) -> None:
    assert_equal(bert, ENCODING)


def test_a_wrong_gelu(bert: Subject) -> None:
    def wrong(x: Any, **_: Any) -> Any:
        return right(x, approximate="tanh")

    with (
        REGISTRY.replaced(aten.gelu.default, wrong) as right,
        pytest.raises(AssertionError, match="hidden state 1"),
    ):
        assert_equal(bert, ENCODING)


def test_a_layer_norm_with_another_epsilon(bert: Subject) -> None:
    def wrong(x: Any, shape: Any, weight: Any, bias: Any, eps: float, *_: Any) -> Any:
        return right(x, shape, weight, bias, 1e-5)

    with (
        REGISTRY.replaced(aten.layer_norm.default, wrong) as right,
        pytest.raises(AssertionError, match="hidden state 0"),
    ):
        assert_equal(bert, ENCODING)


def test_a_shifted_position(bert: Subject) -> None:
    positions = variable(bert, "bert.embeddings.position_embeddings.weight")
    positions.assign(tf.roll(positions.value, 1, axis=0))
    with pytest.raises(AssertionError, match="hidden state 0"):
        assert_equal(bert, ENCODING)


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("bert.encoder.layer.1.attention.self.value.bias", "hidden state 2"),
        ("bert.encoder.layer.0.output.dense.bias", "hidden state 1"),
        ("classifier.bias", "logits"),
    ],
)
def test_a_dropped_bias(bert: Subject, name: str, stage: str) -> None:
    bias = variable(bert, name)
    bias.assign(tf.zeros_like(bias.value))
    with pytest.raises(AssertionError, match=f"differs:\n{stage}"):
        assert_equal(bert, ENCODING)


def test_a_mask_that_leaks(bert: Subject) -> None:
    def leaking(attention_mask: Any, **encoding: Any) -> Any:
        return bert.actual(attention_mask=np.ones_like(attention_mask), **encoding)

    with pytest.raises(AssertionError, match="hidden state 1"):
        assert_equal(bert, ENCODING, run=leaking)


def test_swapped_labels(bert: Subject) -> None:
    def swapped(**encoding: Any) -> Any:
        outputs = bert.actual(**encoding)
        return {**outputs, "logits": tf.reverse(outputs.logits, [-1])}

    with pytest.raises(AssertionError, match="labels: rows"):
        assert_equal(bert, ENCODING, run=swapped)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_nan_or_an_infinity_on_one_side(bert: Subject, value: float) -> None:
    def broken(**encoding: Any) -> Any:
        outputs = bert.actual(**encoding)
        logits = outputs.logits.numpy()
        logits[1, 2] = value
        return {**outputs, "logits": tf.constant(logits)}

    with pytest.raises(AssertionError, match=r"logits: at \[1, 2\].*on one side only"):
        assert_equal(bert, ENCODING, run=broken)


def test_a_row_that_is_missing(bert: Subject) -> None:
    def short(**encoding: Any) -> Any:
        outputs = bert.actual(**encoding)
        return {**outputs, "logits": outputs.logits[:1]}

    with pytest.raises(AssertionError, match=r"logits: float32 \[1, 3\] for float32 \[2, 3\]"):
        assert_equal(bert, ENCODING, run=short)


def test_a_stage_that_is_missing(bert: Subject) -> None:
    arrays = run_tensorflow(bert.actual, ENCODING)
    fewer = {name: array for name, array in arrays.items() if name != "hidden state 1"}
    (difference,) = differences(fewer, arrays, arrays)
    assert difference.name == "hidden states"


@pytest.mark.parametrize(("apart", "excused"), [(1e-7, True), (1e-3, False)])
def test_a_label_may_flip_only_within_the_tolerance(apart: float, excused: bool) -> None:
    near = with_logits([1.0, 1.0 + apart, -1.0])
    flipped = with_logits([1.0 + apart, 1.0, -1.0])
    exact = {name: array.astype(np.float64) for name, array in near.items()}
    found = differences(flipped, near, exact)
    assert ("labels" not in {difference.name for difference in found}) is excused
    assert bool(found) is not excused


def with_logits(row: list[float]) -> dict[str, np.ndarray]:
    logits = np.array([row] * 2, np.float32)
    return {
        "hidden state 0": np.ones((2, 1, 4), np.float32),
        "logits": logits,
        "probabilities": heads.scores(logits, "softmax"),
    }
