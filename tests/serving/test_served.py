"""An export as a third way to the same answers."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from diglot import TextClassifier
from diglot.endpoints import layout, provenance
from diglot.errors import BackendError, ExportError, InputError
from diglot.serving.exports import Export

# Rounding is judged by the parity tests; here the question is whose answer it is.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
TEXTS = ["a b c", "", "abc xyz s", "q", "a very long text " * 20]


@pytest.fixture(scope="module")
def served(exported: Export) -> TextClassifier:
    return TextClassifier.from_pretrained(exported.path.parent)


@pytest.fixture(scope="module")
def torch(lively: Path) -> TextClassifier:
    return TextClassifier.from_pretrained(lively, "torch")


def test_the_answers_are_the_same(served: TextClassifier, torch: TextClassifier) -> None:
    actual, expected = served(TEXTS, top_k=None), torch(TEXTS, top_k=None)
    for row, other in zip(actual, expected, strict=True):
        assert [answer["label"] for answer in row] == [answer["label"] for answer in other]
        np.testing.assert_allclose(
            [answer["score"] for answer in row], [answer["score"] for answer in other], **CLOSE
        )
    assert served(TEXTS[0])[0]["label"] == torch(TEXTS[0])[0]["label"]
    streamed = list(served(iter(TEXTS), batch_size=2))
    assert [answer["label"] for answer in streamed] == [row[0]["label"] for row in expected]


def test_the_steps_are_the_same(served: TextClassifier, torch: TextClassifier) -> None:
    encoding, expected = served.encode(TEXTS), torch.encode(TEXTS)
    for name in encoding:
        np.testing.assert_array_equal(encoding[name], expected[name])
    np.testing.assert_allclose(served.logits(encoding), torch.logits(expected), **CLOSE)
    np.testing.assert_allclose(
        served.probabilities(TEXTS, function_to_apply="sigmoid"),
        torch.probabilities(TEXTS, function_to_apply="sigmoid"),
        **CLOSE,
    )
    assert served.labels == torch.labels
    assert served.backend == "saved_model"
    assert served.logits([]).shape == (0, 2)


def test_the_explanation(served: TextClassifier, torch: TextClassifier) -> None:
    actual, expected = served.explain(TEXTS), torch.explain(TEXTS)
    assert actual.tokens == expected.tokens
    assert actual.hidden_states == ()
    assert "NEGATIVE" in str(actual)


def test_options_that_the_export_fixed_are_refused(
    served: TextClassifier, exported: Export
) -> None:
    with pytest.raises(InputError, match="max_length: the tokenizer is part of the export"):
        served("a", max_length=8)
    with pytest.raises(InputError, match="keeps no hidden states"):
        served.hidden_states("a")
    with pytest.raises(InputError, match="fixed when it was written; leave out backend, labels"):
        TextClassifier.from_pretrained(exported.path, "torch", labels=["a", "b"])


def test_inputs_that_do_not_fit_are_refused(served: TextClassifier) -> None:
    with pytest.raises(InputError, match="lone surrogate"):
        served("\ud800")
    with pytest.raises(InputError, match="takes no second text, and the text has one"):
        served({"text": "a", "text_pair": "b"})
    with pytest.raises(InputError, match="the text at index 1 has one") as caught:
        served(["c", {"text": "a", "text_pair": "b"}])
    assert caught.value.index == 1
    with pytest.raises(InputError, match="there is no text"):
        served.encode([])
    with pytest.raises(InputError, match="cannot take these inputs"):
        served.logits({"input_ids": np.array([[999]]), "attention_mask": np.array([[1]])})


def test_an_export_that_does_not_load(exported_copy: Path) -> None:
    (exported_copy / layout.PROGRAM).write_bytes(b"\xff")
    with pytest.raises(BackendError, match=r"TensorFlow cannot load .*diglot doctor"):
        TextClassifier.from_pretrained(exported_copy)


def test_an_export_of_another_program(exported_copy: Path, tmp_path: Path) -> None:
    from tests.serving import probe

    probe.save(tmp_path / "probe", 1)
    with pytest.raises(BackendError, match=r"and no 'metadata': another program or an older"):
        TextClassifier.from_pretrained(tmp_path / "probe")
    (exported_copy / layout.TOKENS).write_text('{"a": 1}')
    with pytest.raises(ExportError, match="it is not a list of texts; export the checkpoint again"):
        TextClassifier.from_pretrained(exported_copy)


def test_a_closed_export_says_so(exported: Export) -> None:
    with TextClassifier.from_pretrained(exported.path) as classifier:
        classifier("a")
    with pytest.raises(BackendError, match="may be closed; open it again"):
        classifier("a")


class Hostile(tf.Module):
    """A model that writes a file when it answers."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = str(file)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, "row")])
    def metadata(self, row: tf.Tensor) -> dict[str, tf.Tensor]:
        """A description like diglot's, and a file."""
        facts = {
            "task": "text-classification",
            "labels": ["a", "b"],
            "function_to_apply": "softmax",
            "max_tokens": 8,
        }
        with tf.control_dependencies([tf.io.write_file(self._file, "was here")]):
            return {"metadata": tf.fill(tf.shape(row), tf.constant(json.dumps(facts)))}


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder that looks like a cloned checkpoint, with a SavedModel and a forged record."""
    folder = tmp_path / "cloned"
    module = Hostile(tmp_path / "written")
    tf.saved_model.save(module, str(folder), signatures={"metadata": module.metadata})
    (folder / "config.json").write_text('{"model_type": "bert"}')
    provenance.write(folder, {"labels": ["a", "b"], "parity": None})
    return folder


@pytest.mark.parametrize("backend", [None, "torch", "tensorflow"])
def test_a_checkpoints_folder_runs_no_saved_model(
    backend: str | None, hostile: Path, tmp_path: Path
) -> None:
    with pytest.raises(Exception, match=r"tokenizer|labels|weights|safetensors"):
        TextClassifier.from_pretrained(hostile, backend)
    assert not (tmp_path / "written").exists()


def test_a_configured_backend_is_no_request_to_run_an_export(
    hostile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGLOT_CHECKPOINT", str(hostile))
    with pytest.raises(Exception, match=r"tokenizer|labels|weights|safetensors"):
        TextClassifier.from_pretrained()
    assert not (tmp_path / "written").exists()


def test_the_backend_saved_model_runs_an_export_beside_a_checkpoint(
    hostile: Path, exported_copy: Path, tmp_path: Path, torch: TextClassifier
) -> None:
    """This shows that the other tests of the hostile folder can fail."""
    TextClassifier.from_pretrained(hostile, "saved_model")
    assert (tmp_path / "written").read_text() == "was here"
    (exported_copy / "config.json").write_text('{"model_type": "bert"}')
    served = TextClassifier.from_pretrained(exported_copy, "saved_model")
    np.testing.assert_allclose(served.logits("a b"), torch.logits("a b"), **CLOSE)


def test_the_backend_saved_model_needs_an_export(lively: Path) -> None:
    with pytest.raises(ExportError, match=r"holds no SavedModel.*diglot export"):
        TextClassifier.from_pretrained(lively, "saved_model")
    with pytest.raises(InputError, match="give the folder that diglot export wrote"):
        TextClassifier.from_pretrained(backend="saved_model")
