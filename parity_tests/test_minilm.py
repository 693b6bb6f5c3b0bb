"""Real weights: the six layers of MiniLM, on drawn texts, from the text to the hidden states."""

from copy import deepcopy
from functools import cache
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from numpy.typing import NDArray

import diglot
from diglot import checkpoints
from diglot.checkpoints import torch_model
from diglot.parity import strategies

from .architectures import Subject
from .comparison import SENTENCES, assert_equal
from .test_worked_example import minilm


@cache
def subject() -> Subject:
    checkpoint = checkpoints.find(minilm())
    model = torch_model.load(checkpoint, head=False)
    actual = diglot.TFAutoModel.from_pretrained(checkpoint)
    return Subject("MiniLM", model, deepcopy(model).double(), actual)


def encode(*texts: Any) -> dict[str, NDArray[Any]]:
    tokenizer = diglot.AutoTokenizer.from_pretrained(minilm())
    return dict(tokenizer(*texts, padding=True, truncation=True, return_tensors="np"))


@given(batch=strategies.batches)
@example(batch=["the", "the the the the the the the"])  # see diglot.equality.judge.PEERS
def test_batches(batch: list[str]) -> None:
    assert_equal(subject(), encode(batch))


@given(pairs=strategies.pairs)
def test_pairs(pairs: list[tuple[str, str]]) -> None:
    first, second = map(list, zip(*pairs, strict=True))
    assert_equal(subject(), encode(first, second))


@settings(max_examples=5)
@given(batch=strategies.batches)
def test_xla(batch: list[str]) -> None:
    import tensorflow as tf

    # XLA compiles for each shape: one shape for all texts.
    tokenizer = diglot.AutoTokenizer.from_pretrained(minilm())
    rows = (batch * 3)[:3]
    encoding = tokenizer(
        rows, padding="max_length", truncation=True, max_length=24, return_tensors="np"
    )
    assert_equal(subject(), dict(encoding), run=_compiled(tf))


@cache
def _compiled(tf: Any) -> Any:
    def run(output_hidden_states: bool, **encoding: Any) -> dict[str, Any]:
        return dict(subject().actual(**encoding, output_hidden_states=output_hidden_states))

    compiled = tf.function(run, jit_compile=True)
    return lambda output_hidden_states, **encoding: compiled(
        output_hidden_states, **{name: tf.constant(value) for name, value in encoding.items()}
    )


def test_the_worked_example() -> None:
    encoding = encode(list(SENTENCES))
    assert_equal(subject(), encoding)
    hidden = subject().actual(**encoding).last_hidden_state
    assert hidden.shape == (2, 16, 384)
    assert np.isfinite(hidden).all()
