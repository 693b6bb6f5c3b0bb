"""Every architecture: the TensorFlow model gives the same answers as the PyTorch model.

The properties of the program as a whole are tested on all architectures. Other ways to run it
(eagerly, under XLA, with int32) are tested on architectures that together have all operators:
``test_operators.py`` compares each operator in these ways.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diglot import TFAutoModelForSequenceClassification
from diglot.equality.sides import Stages

from .architectures import (
    ARCHITECTURES,
    DECODERS,
    MAX_TOKENS,
    PAD,
    UNLIKE,
    Subject,
    reading,
    run_tensorflow,
    run_torch,
    subject,
    torch_model,
)
from .comparison import assert_equal, differences
from .strategies import encodings

# XLA compiles for each shape, which takes seconds: one shape with any content.
XLA_SHAPE = {"rows": 3, "tokens": 9}

every = pytest.mark.parametrize("architecture", ARCHITECTURES)
unlike = pytest.mark.parametrize("architecture", UNLIKE)


@every
@given(data=st.data())
def test_the_stages_agree(architecture: str, data: st.DataObject) -> None:
    assert_equal(subject(architecture), data.draw(encodings()))


@every
@given(data=st.data())
def test_the_stages_agree_on_pairs(architecture: str, data: st.DataObject) -> None:
    models = subject(architecture)
    if not models.takes_types:
        pytest.skip(f"{architecture} has one token type or none")
    assert_equal(models, data.draw(encodings(types=True)))


@unlike
@given(data=st.data())
def test_eager_agrees(architecture: str, data: st.DataObject) -> None:
    models = subject(architecture)
    encoding = data.draw(encodings())
    tf.config.run_functions_eagerly(True)
    try:
        assert_equal(models, encoding)
    finally:
        tf.config.run_functions_eagerly(False)


@unlike
@given(data=st.data())
def test_xla_agrees(architecture: str, data: st.DataObject) -> None:
    models = subject(architecture)
    assert_equal(models, data.draw(encodings(**XLA_SHAPE)), run=_compiled(architecture))


@every
@given(data=st.data())
def test_alone_as_in_a_batch(architecture: str, data: st.DataObject) -> None:
    models = subject(architecture)
    encoding = data.draw(encodings(rows=3))

    def in_a_batch(output_hidden_states: bool, **alone: Any) -> dict[str, Any]:
        outputs = models.actual(**encoding, output_hidden_states=output_hidden_states)
        return _rows(outputs, slice(1, 2))

    alone = {name: value[1:2] for name, value in encoding.items()}
    assert_equal(models, alone, run=in_a_batch)


@every
@given(data=st.data(), more=st.integers(1, 6))
def test_more_padding_changes_nothing(architecture: str, data: st.DataObject, more: int) -> None:
    models = subject(architecture)
    tokens = data.draw(st.integers(1, MAX_TOKENS - more))
    # Most heads read the first token, which must be a real one.
    encoding = data.draw(encodings(tokens=tokens, kinds=("full", "right", "one")))
    padded = {
        name: np.pad(value, ((0, 0), (0, more)), constant_values=PAD)
        for name, value in encoding.items()
    }
    # The hidden states of masked positions have no meaning; padding changes them in PyTorch too.
    real = encoding["attention_mask"] == 1

    def at_tokens(stages: Stages) -> Stages:
        return {
            name: stage[:, :tokens][real] if stage.ndim == 3 else stage
            for name, stage in stages.items()
        }

    unequal = differences(
        at_tokens(run_tensorflow(models.actual, padded)),
        at_tokens(run_torch(models.expected, encoding)),
        at_tokens(run_torch(models.reference, encoding)),
    )
    assert not unequal, "\n".join(map(str, unequal))


@unlike
@given(data=st.data())
def test_int32_is_int64(architecture: str, data: st.DataObject) -> None:
    models = subject(architecture)
    encoding = data.draw(encodings())
    narrow = {name: value.astype(np.int32) for name, value in encoding.items()}
    expected, actual = models.actual(**encoding), models.actual(**narrow)
    np.testing.assert_array_equal(expected.logits, actual.logits)


# Absolute positions with GELU, rotary positions with RMS norm and SiLU, and a sliding window with
# GeGLU. test_operators.py draws bfloat16 for each operator.
@pytest.mark.parametrize("architecture", ["bert", "llama", "modernbert"])
def test_half_precision_stays_near(architecture: str) -> None:
    """bfloat16 has 8 bits, and the frameworks round at different places: only nearness is asked."""
    expected = torch_model(architecture).to(torch.bfloat16)
    actual = TFAutoModelForSequenceClassification(torch_model(architecture).to(torch.bfloat16))
    ids = np.random.default_rng(0).integers(3, 60, (4, 9))
    with torch.inference_mode():
        in_torch = expected(torch.from_numpy(ids)).logits.float().numpy()
        reference = torch_model(architecture).double()(torch.from_numpy(ids)).logits.numpy()
    logits = actual(ids).logits
    assert logits.dtype == tf.bfloat16
    own_error = np.abs(in_torch - reference).max()
    error = np.abs(tf.cast(logits, tf.float32).numpy() - reference).max()
    assert error <= 4 * own_error + 8 * 2.0**-8 * np.abs(reference).max()


@pytest.mark.parametrize("architecture", DECODERS)
@settings(max_examples=10)
@given(seed=st.integers(1, 10_000))
def test_a_decoder_without_a_pad_token_takes_one_row(architecture: str, seed: int) -> None:
    models = _without_pad_token(architecture)
    generator = np.random.default_rng(seed)
    ids = generator.integers(0, 60, (1, int(generator.integers(1, MAX_TOKENS + 1))))
    assert_equal(models, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
    two_rows = np.concatenate([ids, ids])
    message = "Cannot handle batch sizes > 1 if no padding token is defined."
    with pytest.raises(ValueError, match=message):
        models.expected(torch.from_numpy(two_rows))
    with pytest.raises(ValueError, match=message):
        models.actual(two_rows)


@cache
def _without_pad_token(architecture: str) -> Subject:
    model = torch_model(architecture, pad_token_id=None)
    return reading(architecture, model, TFAutoModelForSequenceClassification)


@cache
def _compiled(architecture: str) -> Callable[..., Any]:
    """The TensorFlow model under XLA."""
    model = subject(architecture).actual

    def run(**encoding: Any) -> dict[str, Any]:
        return dict(model(**encoding, output_hidden_states=True))

    compiled = tf.function(run, jit_compile=True)
    return lambda output_hidden_states, **encoding: compiled(
        **{name: tf.constant(value) for name, value in encoding.items()}
    )


def _rows(outputs: Any, rows: slice) -> dict[str, Any]:
    return {
        "logits": outputs.logits[rows],
        "hidden_states": tuple(state[rows] for state in outputs.hidden_states),
    }
