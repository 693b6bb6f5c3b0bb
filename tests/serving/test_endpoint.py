"""The requests that a classifier sends to an endpoint, and its use of the answers."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from diglot import TextClassifier
from diglot.endpoints import connection
from diglot.endpoints.endpoint import Signature, Tensor
from diglot.endpoints.model import (
    METADATA,
    Description,
    EndpointEncoder,
    EndpointModel,
    description,
    parts,
)
from diglot.endpoints.saved_model import SavedModel
from diglot.errors import BackendError, InputError
from diglot.heads import SEQUENCE_CLASSIFICATION, Task
from diglot.inputs import Text
from diglot.serving.targets import warmup

IDS = Tensor("int32", (None, None))
TEXTS = Tensor("string", (None,))
NUMBERS = {"logits": Tensor("float32", (None, 2)), "probabilities": Tensor("float32", (None, 2))}
ENCODED = {
    "encoded": Signature({"input_ids": IDS, "attention_mask": IDS}, NUMBERS),
    "encoded_lengths": Signature({"input_ids": IDS, "length": Tensor("int32", (None,))}, NUMBERS),
    METADATA: Signature({"row": Tensor("int32", (None,))}, {METADATA: TEXTS}),
}
ENCODING = {"input_ids": IDS, "attention_mask": IDS}
FACTS = {
    "task": "text-classification",
    "labels": ["NEGATIVE", "POSITIVE"],
    "function_to_apply": "softmax",
    "max_tokens": 8,
}
# Padding of an export: no id of a text.
PAD = 99


class Stub:
    """An export that notes its requests.

    A text has one token per character, and the ids are code points minus 96. A row's first logit is
    the sum of its ids, the second one is zero.
    """

    name = "stub"

    def __init__(
        self, facts: Mapping[str, Any] = FACTS, *, texts: bool = False, pairs: bool = False
    ) -> None:
        self.facts = facts
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.closed = False
        self._signatures = dict(ENCODED)
        if texts or pairs:
            names = ["text", "text_pair"] if pairs else ["text"]
            self._signatures["tokenize"] = Signature(dict.fromkeys(names, TEXTS), ENCODING)

    def signatures(self) -> Mapping[str, Signature]:
        """Those for encodings, and for texts where there is a tokenizer."""
        return self._signatures

    def predict(self, signature: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The description, an encoding, or numbers."""
        self.asked.append((signature, dict(inputs)))
        if signature == METADATA:
            return {METADATA: np.array([json.dumps(self.facts)] * len(inputs["row"]), object)}
        if signature == "tokenize":
            columns = [inputs[name] for name in self._signatures["tokenize"].inputs]
            rows = [
                [ord(letter) - 96 for letter in "".join(row)] for row in zip(*columns, strict=True)
            ]
            width = max(map(len, rows))
            return {
                "input_ids": np.array([row + [PAD] * (width - len(row)) for row in rows]),
                "attention_mask": np.array(
                    [[1] * len(row) + [0] * (width - len(row)) for row in rows]
                ),
            }
        ids = np.asarray(inputs["input_ids"])
        columns = np.arange(ids.shape[1])
        mask = inputs.get("attention_mask", columns < np.reshape(inputs.get("length", 0), (-1, 1)))
        sums = (ids * mask).sum(-1)
        logits = np.stack([sums, np.zeros_like(sums)], -1).astype(np.float32)
        return {"logits": logits, "probabilities": logits}

    def close(self) -> None:
        """Note it."""
        self.closed = True


def classifier(endpoint: Any, **options: Any) -> TextClassifier:
    return TextClassifier(*parts(endpoint, "serving"), **options)


def batches(stub: Stub) -> list[list[list[int]]]:
    """The ids of each batch that was asked for."""
    return [inputs["input_ids"].tolist() for name, inputs in stub.asked if "encoded" in name]


@pytest.mark.parametrize(
    ("function", "scores"),
    # By hand for the logits 3 and 0: e³ = 20.0855, and 1 / (1 + e⁻³).
    [("softmax", [0.9525741, 0.0474259]), ("sigmoid", [0.9525741, 0.5]), ("none", [3.0, 0.0])],
)
def test_the_export_tells_its_score_function(function: str, scores: list[float]) -> None:
    stub = Stub({**FACTS, "function_to_apply": function})
    actual = classifier(stub).probabilities({"input_ids": np.array([[1, 2]])})
    np.testing.assert_allclose(actual, [scores], rtol=1e-6)


def test_a_description_survives_its_text() -> None:
    for most in (None, 512):
        told = Description(Task(SEQUENCE_CLASSIFICATION, ("a", 'b"'), "sigmoid"), most)
        assert Description.from_json(told.to_json()) == told


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({**FACTS, "labels": "ab"}, "labels must be a list of texts"),
        ({**FACTS, "labels": [1, 2]}, "labels must be a list of texts"),
        ({**FACTS, "function_to_apply": "relu"}, "must be one of 'softmax'"),
        ({**FACTS, "task": "translation"}, "is not one of diglot's"),
        ({**FACTS, "max_tokens": "8"}, "max_tokens must be a whole number"),
        ({"task": "text-classification"}, "labels"),
        (["a"], "list indices"),
    ],
)
def test_a_description_of_another_program_is_refused(facts: Any, message: str) -> None:
    with pytest.raises(BackendError, match=rf"this diglot cannot read.*{message}"):
        description(Stub(facts))


def test_an_export_without_a_description_is_refused() -> None:
    stub = Stub()
    del stub._signatures[METADATA]
    with pytest.raises(BackendError, match=r"has the signatures encoded, encoded_lengths, and no"):
        description(stub)


@pytest.mark.parametrize(
    ("mask", "signature"),
    [
        ([[1, 1, 1], [1, 0, 0]], "encoded_lengths"),
        ([[1, 1, 1], [0, 1, 1]], "encoded"),
        ([[1, 1, 1], [0, 0, 0]], "encoded"),
        ([[1, 0, 1], [1, 1, 1]], "encoded"),
    ],
)
def test_a_mask_is_sent_only_if_lengths_do_not_say_the_same(mask: Any, signature: str) -> None:
    """Servers that gather requests pad masks with ones; see the guide to serving."""
    stub = Stub()
    ids = np.array([[5, 6, 7], [8, 9, 3]])
    EndpointModel("stub", stub, SEQUENCE_CLASSIFICATION).run(
        {"input_ids": ids, "attention_mask": np.array(mask)}
    )
    ((asked, inputs),) = stub.asked
    assert asked == signature
    np.testing.assert_array_equal(inputs["input_ids"], ids)
    if signature == "encoded":
        np.testing.assert_array_equal(inputs["attention_mask"], mask)
    else:
        assert inputs["length"].tolist() == [3, 1]
    assert {value.dtype for value in inputs.values()} == {np.dtype("int32")}


def test_without_a_mask_every_token_counts() -> None:
    stub = Stub()
    EndpointModel("stub", stub, SEQUENCE_CLASSIFICATION).run({"input_ids": np.array([[5, 6, 7]])})
    assert stub.asked[0][1]["length"].tolist() == [3]


@pytest.mark.parametrize("wide", [2**31, -(2**31) - 1])
def test_an_id_is_not_cut_to_the_dtype_of_the_export(wide: int) -> None:
    with pytest.raises(InputError, match=r"input_ids ranges from .*and the export takes int32"):
        EndpointModel("stub", Stub(), SEQUENCE_CLASSIFICATION).run(
            {"input_ids": np.array([[5, wide]])}
        )


def test_texts_are_batched_by_length_and_answered_in_order() -> None:
    stub = Stub(texts=True)
    texts = ["aaaa", "b", "ccc", "d", "ee"]
    outputs = classifier(stub, batch_size=2).logits(texts)
    assert [name for name, _ in stub.asked[1:2]] == ["tokenize"]
    # Short texts first, padded with zeros to the longest of their batch.
    assert batches(stub) == [[[2], [4]], [[5, 5, 0], [3, 3, 3]], [[1, 1, 1, 1]]]
    # One for each a, two for each b, and so on.
    assert outputs[:, 0].tolist() == [4, 2, 9, 4, 10]


def test_a_batch_has_a_budget_of_tokens() -> None:
    stub = Stub({**FACTS, "max_tokens": None}, texts=True)
    texts = ["a" * 8_000] * 3
    outputs = classifier(stub).logits(texts)
    # 16,384 tokens hold two of them.
    assert [np.shape(batch) for batch in batches(stub)] == [(2, 8_000), (1, 8_000)]
    assert outputs[:, 0].tolist() == [8_000] * 3


@pytest.mark.parametrize("pairs", [False, True])
def test_pairs_do_not_mix_with_single_texts(pairs: bool) -> None:
    asking = classifier(Stub(texts=not pairs, pairs=pairs), batch_size=1)
    fits, other = {"text": "a", "text_pair": "b"}, "a"
    if not pairs:
        fits, other = other, fits  # type: ignore[assignment]
    assert asking.encoder.forms == {"pairs" if pairs else "texts"}
    message = r"stub (needs a|takes no) second text, and the text at index 2 (has none|has one)"
    with pytest.raises(InputError, match=message) as caught:
        asking([fits, fits, other])
    assert caught.value.index == 2
    with pytest.raises(InputError, match="and the text has"):
        asking(other)


@pytest.mark.parametrize("size", [1, 32])
def test_a_text_without_tokens_is_named_by_its_index(size: int) -> None:
    asking = classifier(Stub(texts=True), batch_size=size)
    with pytest.raises(InputError, match="the text at index 1 has no tokens") as caught:
        asking(["a", "", "b"])
    assert caught.value.index == 1
    with pytest.raises(InputError, match="the text at index 1 has no tokens"):
        asking.encode(["a", ""])
    with pytest.raises(InputError, match="the text has no tokens"):
        asking("")


def test_the_row_that_an_endpoint_refuses_is_named_by_its_index() -> None:
    class Refusing(Stub):
        def predict(self, signature: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
            if "bad" in inputs.get("text", ()):
                raise InputError("not this", index=list(inputs["text"]).index("bad"))
            return super().predict(signature, inputs)

    with pytest.raises(InputError, match="not this") as caught:
        classifier(Refusing(texts=True), batch_size=1)(["a", "b", "bad"])
    assert caught.value.index == 2


def test_an_export_without_a_tokenizer_takes_encodings() -> None:
    asking = classifier(Stub())
    assert asking.encoder.forms == frozenset()
    with pytest.raises(BackendError, match=r"no signature for text.*pass the encoding to logits"):
        asking("a")
    assert asking.logits({"input_ids": [[1, 2]]}).tolist() == [[3, 0]]
    with pytest.raises(InputError, match="is 9 tokens long, and stub takes 8"):
        asking.logits({"input_ids": [[1] * 9]})


def test_a_token_without_a_name_is_shown_by_its_id() -> None:
    encoder = EndpointEncoder(Stub(), max_tokens=None, vocabulary=("x", "y"))
    assert encoder.tokens(np.array([[1, 0, 2, -1]])) == (("y", "x", "2", "-1"),)


def test_a_classifier_closes_its_endpoint() -> None:
    stub = Stub(texts=True)
    with classifier(stub) as asking:
        asking("a")
        assert not stub.closed
    assert stub.closed


def test_client_and_export_agree_on_the_largest_batch() -> None:
    assert warmup.BATCH_SIZES[-1] == connection.MAX_BATCH


def test_an_encoder_takes_no_options() -> None:
    encoder = EndpointEncoder(Stub(texts=True), max_tokens=8)
    assert encoder.options({"max_length": None}) == {}
    with pytest.raises(InputError, match="max_length: the tokenizer is part of the export"):
        encoder.options({"max_length": 8})
    with pytest.raises(InputError, match="there is no text"):
        encoder.encode([], {})
    (row,) = encoder.tokenize([Text("ab")], {})
    assert row.inputs == {"input_ids": [1, 2], "attention_mask": [1, 1]}


class Big(tf.Module):
    """A model that allocates as much memory as a request asks for."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, "size")])
    def fill(self, size: tf.Tensor) -> dict[str, tf.Tensor]:
        """As many numbers as the request asks for."""
        return {"y": tf.fill(size, 1.0)}


def test_a_request_that_needs_too_much_memory(tmp_path: Path) -> None:
    module = Big()
    tf.saved_model.save(module, str(tmp_path), signatures={"fill": module.fill})
    with SavedModel(tmp_path) as model:
        assert model.predict("fill", {"size": [3]})["y"].tolist() == [1.0] * 3
        with pytest.raises(BackendError, match="cannot be run here"):
            model.predict("fill", {"size": [1 << 50]})
        with pytest.raises(InputError, match="has no signature 'x'; it has fill"):
            model.predict("x", {})
        with pytest.raises(InputError, match="takes size, not nothing"):
            model.predict("fill", {})
    with pytest.raises(BackendError, match="may be closed; open it again"):
        model.predict("fill", {"size": [3]})
