"""Every architecture: the TensorFlow model says what the PyTorch model says."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from diglot.equality.sides import Stages

from .architectures import (
    ARCHITECTURES,
    DECODERS,
    MAX_TOKENS,
    PAD,
    Subject,
    run_tensorflow,
    run_torch,
    subject,
    torch_model,
)
from .comparison import assert_equal, differences
from .strategies import encodings

pytestmark = pytest.mark.parametrize("architecture", ARCHITECTURES)

# XLA compiles anew for each shape, which takes seconds: one shape, any content.
XLA_SHAPE = {"rows": 3, "tokens": 9}


@given(data=st.data())
def test_the_stages_agree(architecture: str, data: st.DataObject) -> None:
    one = subject(architecture)
    assert_equal(one, data.draw(encodings()))


@given(data=st.data())
def test_the_stages_agree_on_pairs(architecture: str, data: st.DataObject) -> None:
    one = subject(architecture)
    if not one.takes_types:
        pytest.skip(f"{architecture} knows one token type or none")
    assert_equal(one, data.draw(encodings(types=True)))


@given(data=st.data())
def test_eager_agrees(architecture: str, data: st.DataObject) -> None:
    one = subject(architecture)
    encoding = data.draw(encodings())
    tf.config.run_functions_eagerly(True)
    try:
        assert_equal(one, encoding)
    finally:
        tf.config.run_functions_eagerly(False)


@given(data=st.data())
def test_xla_agrees(architecture: str, data: st.DataObject) -> None:
    one = subject(architecture)
    assert_equal(one, data.draw(encodings(**XLA_SHAPE)), run=_compiled(one))


@given(data=st.data())
def test_alone_as_in_a_batch(architecture: str, data: st.DataObject) -> None:
    one = subject(architecture)
    encoding = data.draw(encodings(rows=3))

    def in_a_batch(output_hidden_states: bool, **alone: Any) -> dict[str, Any]:
        outputs = one.actual(**encoding, output_hidden_states=output_hidden_states)
        return _rows(outputs, slice(1, 2))

    alone = {name: value[1:2] for name, value in encoding.items()}
    assert_equal(one, alone, run=in_a_batch)


@given(data=st.data(), more=st.integers(1, 6))
def test_more_padding_changes_nothing(architecture: str, data: st.DataObject, more: int) -> None:
    one = subject(architecture)
    tokens = data.draw(st.integers(1, MAX_TOKENS - more))
    # Most heads read the first token, which must be a real one.
    encoding = data.draw(encodings(tokens=tokens, kinds=("full", "right", "one")))
    grown = {
        name: np.pad(value, ((0, 0), (0, more)), constant_values=PAD)
        for name, value in encoding.items()
    }
    # What stands at a masked position is nobody's business, and PyTorch changes it too.
    real = encoding["attention_mask"] == 1

    def at_tokens(stages: Stages) -> Stages:
        return {
            name: stage[:, :tokens][real] if stage.ndim == 3 else stage
            for name, stage in stages.items()
        }

    found = differences(
        at_tokens(run_tensorflow(one.actual, grown)),
        at_tokens(run_torch(one.expected, encoding)),
        at_tokens(run_torch(one.reference, encoding)),
    )
    assert not found, "\n".join(map(str, found))


@given(data=st.data())
def test_int32_is_int64(architecture: str, data: st.DataObject) -> None:
    one = subject(architecture)
    encoding = data.draw(encodings())
    narrow = {name: value.astype(np.int32) for name, value in encoding.items()}
    wide, same = one.actual(**encoding), one.actual(**narrow)
    np.testing.assert_array_equal(wide.logits, same.logits)


def test_half_precision_stays_near(architecture: str) -> None:
    """bfloat16 has 8 bits: the frameworks round at different places, so only nearness is asked."""
    import torch

    from diglot import TFAutoModelForSequenceClassification

    expected = torch_model(architecture).to(torch.bfloat16)
    actual = TFAutoModelForSequenceClassification(torch_model(architecture).to(torch.bfloat16))
    ids = np.random.default_rng(0).integers(3, 60, (4, 9))
    with torch.inference_mode():
        wanted = expected(torch.from_numpy(ids)).logits.float().numpy()
        reference = torch_model(architecture).double()(torch.from_numpy(ids)).logits.numpy()
    logits = actual(ids).logits
    assert logits.dtype == tf.bfloat16
    own_error = np.abs(wanted - reference).max()
    error = np.abs(tf.cast(logits, tf.float32).numpy() - reference).max()
    assert error <= 4 * own_error + 8 * 2.0**-8 * np.abs(reference).max()


@settings(max_examples=10)
@given(seed=st.integers(1, 10_000))
def test_a_decoder_without_a_pad_token_takes_one_row(architecture: str, seed: int) -> None:
    if architecture not in DECODERS:
        pytest.skip("only decoders look for the last token")
    one = _without_pad(architecture)
    generator = np.random.default_rng(seed)
    ids = generator.integers(0, 60, (1, int(generator.integers(1, MAX_TOKENS + 1))))
    assert_equal(one, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
    two = np.concatenate([ids, ids])
    message = "Cannot handle batch sizes > 1 if no padding token is defined."
    with pytest.raises(ValueError, match=message):
        one.expected(**_tensors(two))
    with pytest.raises(ValueError, match=message):
        one.actual(two)


def _without_pad(architecture: str, known: dict[str, Subject] = {}) -> Subject:  # noqa: B006
    from diglot import TFAutoModelForSequenceClassification

    from .architectures import reading

    if architecture not in known:
        model = torch_model(architecture, pad_token_id=None)
        known[architecture] = reading(architecture, model, TFAutoModelForSequenceClassification)
    return known[architecture]


def _compiled(
    one: Subject,
    known: dict[str, Callable[..., Any]] = {},  # noqa: B006
) -> Callable[..., Any]:
    if one.architecture not in known:

        def run(**encoding: Any) -> dict[str, Any]:
            return dict(one.actual(**encoding, output_hidden_states=True))

        known[one.architecture] = tf.function(run, jit_compile=True)
    return lambda output_hidden_states, **encoding: known[one.architecture](
        **{name: tf.constant(value) for name, value in encoding.items()}
    )


def _rows(outputs: Any, rows: slice) -> dict[str, Any]:
    return {
        "logits": outputs.logits[rows],
        "hidden_states": tuple(state[rows] for state in outputs.hidden_states),
    }


def _tensors(ids: Any) -> dict[str, Any]:
    import torch

    return {"input_ids": torch.from_numpy(ids)}
