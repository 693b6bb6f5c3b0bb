"""The TensorFlow models: ways to call them, outputs, errors, and files."""

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import diglot
from diglot.errors import CaptureError, InputError, UntrainedHeadError

IDS = np.array([[2, 5, 6, 3], [2, 9, 3, 0]])
MASK = np.array([[1, 1, 1, 1], [1, 1, 1, 0]])


@pytest.fixture(scope="module")
def model(tiny: Path) -> Any:
    return diglot.TFAutoModelForSequenceClassification.from_pretrained(tiny)


def test_it_is_a_keras_model(model: Any) -> None:
    assert isinstance(model, keras.Model)
    assert model.config.id2label == {0: "NEGATIVE", 1: "POSITIVE"}
    names = [weight.name for weight in model.trainable_variables]
    assert "bert.encoder.layer.0.attention.self.query.weight" in names
    assert "classifier.bias" in names


def test_every_way_to_call_it_gives_the_same(model: Any, tiny: Path) -> None:
    expected = model(input_ids=IDS, attention_mask=MASK).logits.numpy()
    assert expected.shape == (2, 2)
    encoding = {"input_ids": IDS, "attention_mask": MASK}
    ways = [
        model(encoding),
        model(IDS, attention_mask=MASK),
        model(IDS, MASK),
        model(IDS.tolist(), MASK.tolist()),
        model(tf.constant(IDS, tf.int32), tf.constant(MASK, tf.int32)),
        model(input_ids=IDS, attention_mask=MASK.astype(bool)),
        model(**encoding, training=False, output_hidden_states=True),
        tf.function(model)(**{name: tf.constant(value) for name, value in encoding.items()}),
    ]
    for outputs in ways:
        np.testing.assert_array_equal(outputs["logits"], expected)


def test_the_encoding_of_a_tokenizer_can_be_passed(model: Any, tiny: Path) -> None:
    tokenizer = diglot.AutoTokenizer.from_pretrained(tiny)
    encoding = tokenizer(["a b", "c"], padding=True, return_tensors="tf")
    np.testing.assert_array_equal(model(**encoding).logits, model(encoding).logits)


def test_the_mask_is_all_ones_by_default(model: Any) -> None:
    ones = np.ones_like(IDS)
    np.testing.assert_array_equal(model(IDS).logits, model(IDS, ones).logits)


def test_outputs_by_attribute_by_key_and_by_index(model: Any) -> None:
    outputs = model(IDS, output_hidden_states=True)
    assert outputs.logits is outputs["logits"] is outputs[0]
    assert outputs.hidden_states is outputs[1]
    assert outputs[:1] == (outputs.logits,)
    assert outputs.to_tuple() == (outputs.logits, outputs.hidden_states)
    assert [state.shape.as_list() for state in outputs.hidden_states] == [[2, 4, 16]] * 3
    assert outputs.attentions is None
    with pytest.raises(AttributeError, match="logits, hidden_states, but no 'logit'"):
        _ = outputs.logit
    with pytest.raises(KeyError):
        _ = outputs["logit"]
    with pytest.raises(IndexError):
        _ = outputs[2]


def test_hidden_states_are_returned_on_request(model: Any) -> None:
    assert list(model(IDS)) == ["logits"]
    assert model(IDS).hidden_states is None
    model.config.output_hidden_states = True
    try:
        assert list(model(IDS)) == ["logits", "hidden_states"]
        assert list(model(IDS, output_hidden_states=False)) == ["logits"]
    finally:
        model.config.output_hidden_states = False


def test_the_base_model_has_no_head(tiny: Path) -> None:
    base = diglot.TFAutoModel.from_pretrained(tiny)
    outputs = base(IDS)
    assert outputs[0] is outputs.last_hidden_state
    assert outputs.pooler_output.shape == (2, 16)
    assert not any("classifier" in weight.name for weight in base.weights)


def test_a_model_of_random_weights() -> None:
    import transformers

    config = transformers.DistilBertConfig(
        vocab_size=20, dim=8, n_layers=1, n_heads=2, hidden_dim=8, num_labels=5
    )
    model = diglot.TFAutoModelForSequenceClassification.from_config(config)
    assert model(IDS).logits.shape == (2, 5)


def test_a_base_checkpoint_has_no_trained_head(save_tiny: Callable[..., Path]) -> None:
    base = save_tiny("BertModel")
    with pytest.raises(UntrainedHeadError, match="fresh_head=True"):
        diglot.TFAutoModelForSequenceClassification.from_pretrained(base)
    fresh = diglot.TFAutoModelForSequenceClassification.from_pretrained(base, fresh_head=True)
    assert fresh(IDS).logits.shape == (2, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "input_ids are missing"),
        ({"input_ids": IDS, "head_mask": IDS}, "not head_mask"),
        ({"input_ids": IDS[0]}, r"input_ids has the shape \(4,\)"),
        ({"input_ids": IDS, "attention_mask": MASK[:, :3]}, r"attention_mask has the shape \(2, 3"),
        ({"input_ids": [[1, 2], [3]]}, "input_ids cannot be made a tensor"),
        ({"input_ids": IDS.astype(float)}, "input_ids must be integers, not float64"),
    ],
)
def test_bad_input(model: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        model(**arguments)


def test_an_encoding_longer_than_the_positions(model: Any) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError):
        model(np.ones((1, 25), int))


def test_a_model_that_branches_on_its_data_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import transformers
    from transformers.models.bert.modeling_bert import BertForSequenceClassification

    original = BertForSequenceClassification.forward

    def branching(self: Any, input_ids: Any, **others: Any) -> Any:
        if input_ids.sum() > 3:
            input_ids = input_ids + 1
        return original(self, input_ids, **others)

    config = transformers.BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=1
    )
    model = diglot.TFAutoModelForSequenceClassification.from_config(config)
    monkeypatch.setattr(BertForSequenceClassification, "forward", branching)
    with pytest.raises(CaptureError, match="must not branch"):
        model(input_ids=IDS)


def test_the_summary_names_modules_and_counts_parameters(model: Any) -> None:
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    assert lines[0] == "TFAutoModelForSequenceClassification (bert)"
    (classifier,) = [line for line in lines if line.split()[0] == "classifier"]
    assert classifier.split(maxsplit=2)[1:] == ["34", "weight (2, 16), bias (2,)"]
    total = sum(int(np.prod(weight.shape)) for weight in model.weights)
    assert lines[-1] == f"parameters: {total:,}"


def test_saving_leaves_other_files_alone(model: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    model.save_pretrained(tmp_path)
    model.save_pretrained(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "config.json",
        "model.safetensors",
        "notes.txt",
    ]


def test_saving_that_fails_changes_nothing(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    target = tmp_path / "saved"
    model.save_pretrained(target)
    before = {file.name: file.read_bytes() for file in target.iterdir()}

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(transformers.PreTrainedModel, "save_pretrained", fail)
    with pytest.raises(OSError, match="no space"):
        model.save_pretrained(target)
    assert {file.name: file.read_bytes() for file in target.iterdir()} == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["saved"]


@pytest.mark.usefixtures("no_recordings")
def test_threads_make_the_first_calls(tiny: Path) -> None:
    cold = diglot.TFAutoModelForSequenceClassification.from_pretrained(tiny)
    barrier = threading.Barrier(8)

    def call(_: int) -> Any:
        barrier.wait()
        return cold(IDS, MASK).logits.numpy()

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(call, range(8)))
    assert len(results) == 8
    for logits in results:
        np.testing.assert_allclose(logits, results[0], atol=1e-6)


def test_another_keras_backend_is_refused() -> None:
    code = (
        "import os; os.environ['KERAS_BACKEND'] = 'torch'\n"
        "import diglot\n"
        "try:\n    diglot.TFAutoModel\n"
        "except diglot.DiglotError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "KERAS_BACKEND is 'torch'; unset it" in done.stdout
