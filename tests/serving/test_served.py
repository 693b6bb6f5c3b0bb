"""An export as a third way to the same answers."""

from pathlib import Path

import numpy as np
import pytest

from diglot import TextClassifier
from diglot.endpoints import layout
from diglot.errors import BackendError, ExportError, InputError
from diglot.serving.client import ServedClassifier
from diglot.serving.exports import Export

# Rounding is judged by the parity tests; here the question is whose answer it is.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
TEXTS = ["a b c", "", "abc xyz s", "q", "a very long text " * 20]


@pytest.fixture(scope="module")
def served(exported: Export) -> ServedClassifier:
    found = TextClassifier.from_pretrained(exported.path.parent)
    assert isinstance(found, ServedClassifier)
    return found


@pytest.fixture(scope="module")
def torch(lively: Path) -> TextClassifier:
    return TextClassifier.from_pretrained(lively, "torch")


def test_the_answers_are_the_same(served: TextClassifier, torch: TextClassifier) -> None:
    ours, theirs = served(TEXTS, top_k=None), torch(TEXTS, top_k=None)
    for one, other in zip(ours, theirs, strict=True):
        assert [each["label"] for each in one] == [each["label"] for each in other]
        np.testing.assert_allclose(
            [each["score"] for each in one], [each["score"] for each in other], **CLOSE
        )
    assert served(TEXTS[0])[0]["label"] == torch(TEXTS[0])[0]["label"]
    streamed = list(served(iter(TEXTS), batch_size=2))
    assert [one["label"] for one in streamed] == [one[0]["label"] for one in theirs]


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
    ours, theirs = served.explain(TEXTS), torch.explain(TEXTS)
    assert ours.tokens == theirs.tokens
    assert ours.hidden_states == ()
    assert "NEGATIVE" in str(ours)


def test_what_was_fixed_at_export_cannot_be_chosen(
    served: TextClassifier, exported: Export
) -> None:
    with pytest.raises(InputError, match="max_length: the tokenizer is part of the export"):
        served("a", max_length=8)
    with pytest.raises(InputError, match="keeps no hidden states"):
        served.hidden_states("a")
    with pytest.raises(InputError, match="fixed when it was written; leave out backend, labels"):
        TextClassifier.from_pretrained(exported.path, "torch", labels=["a", "b"])


def test_what_does_not_fit_is_refused(served: TextClassifier) -> None:
    with pytest.raises(InputError, match="lone surrogate"):
        served("\ud800")
    with pytest.raises(InputError, match=r"takes text, not text, text_pair"):
        served({"text": "a", "text_pair": "b"})
    with pytest.raises(InputError, match="some have not"):
        served([{"text": "a", "text_pair": "b"}, "c"])
    with pytest.raises(InputError, match="there is no text"):
        served.encode([])
    with pytest.raises(InputError, match="cannot take these inputs"):
        served.logits({"input_ids": np.array([[999]]), "attention_mask": np.array([[1]])})


def test_an_export_that_does_not_load(exported_copy: Path) -> None:
    (exported_copy / layout.PROGRAM).write_bytes(b"\xff")
    with pytest.raises(BackendError, match=r"TensorFlow cannot load .*diglot doctor"):
        TextClassifier.from_pretrained(exported_copy)
    (exported_copy / layout.PROVENANCE).unlink()
    with pytest.raises(ExportError, match="diglot did not write it"):
        TextClassifier.from_pretrained(exported_copy)
