"""What a classifier asks of an endpoint, and what it makes of the answers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from diglot.endpoints import connection, layout, provenance
from diglot.endpoints.endpoint import Signature, Tensor
from diglot.endpoints.saved_model import SavedModel
from diglot.errors import BackendError, ExportError, InputError
from diglot.serving import client
from diglot.serving.targets import warmup

IDS = Tensor("int32", (None, None))
NUMBERS = {"logits": Tensor("float32", (None, 2)), "probabilities": Tensor("float32", (None, 2))}
ENCODED = {
    "encoded": Signature({"input_ids": IDS, "attention_mask": IDS}, NUMBERS),
    "encoded_lengths": Signature({"input_ids": IDS, "length": Tensor("int32", (None,))}, NUMBERS),
}
# ln 3 apart: odds of 3 to 1 by softmax. Of 0 and ln 3, the sigmoids are 1/2 and 3/4.
LOGITS = [0.0, float(np.log(3.0))]
PROBABILITIES = {"softmax": [0.25, 0.75], "sigmoid": [0.5, 0.75], "none": LOGITS}


class Stub:
    """An export without signatures for text, which notes what it is asked."""

    name = "stub"

    def __init__(self, function: str = "softmax") -> None:
        self.function = function
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def signatures(self) -> Mapping[str, Signature]:
        """Those for encodings."""
        return ENCODED

    def predict(self, signature: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The same for every row."""
        self.asked.append((signature, dict(inputs)))
        rows = len(inputs["input_ids"])
        answer = {"logits": LOGITS, "probabilities": PROBABILITIES[self.function]}
        return {name: np.array([row] * rows, np.float32) for name, row in answer.items()}


@pytest.mark.parametrize("function", PROBABILITIES)
def test_the_score_function_is_read_off_without_text(function: str) -> None:
    stub = Stub(function)
    known = client._asked(stub, ["a", "b"])
    assert known.function == function
    classifier = client.ServedClassifier(stub, known, backend="serving")
    found = classifier.probabilities({"input_ids": np.array([[1, 2]])})
    np.testing.assert_allclose(found, [PROBABILITIES[function]], rtol=1e-6)


@pytest.mark.parametrize("labels", [["a"], ["a", "b", "c"], "ab"])
def test_labels_must_be_as_many_as_the_logits(labels: Any) -> None:
    with pytest.raises(InputError, match="has 2 labels, and"):
        client._asked(Stub(), labels)


def test_labels_are_needed_where_the_endpoint_tells_none() -> None:
    with pytest.raises(BackendError, match="does not tell its labels; pass them"):
        client._asked(Stub(), None)


@pytest.mark.parametrize(
    ("mask", "signature"),
    [
        ([[1, 1, 1], [1, 0, 0]], "encoded_lengths"),
        ([[1, 1, 1], [0, 1, 1]], "encoded"),
        ([[1, 1, 1], [0, 0, 0]], "encoded"),
        ([[1, 0, 1], [1, 1, 1]], "encoded"),
    ],
)
def test_a_mask_is_sent_only_where_lengths_do_not_say_it(mask: Any, signature: str) -> None:
    """Servers that gather requests fill masks with ones; see the guide to serving."""
    stub = Stub()
    ids = np.array([[5, 6, 7], [8, 9, 3]])
    backend = client.EndpointBackend("stub", stub)
    backend.forward({"input_ids": ids, "attention_mask": np.array(mask)})
    ((asked, inputs),) = stub.asked
    assert asked == signature
    np.testing.assert_array_equal(inputs["input_ids"], ids)
    if signature == "encoded":
        np.testing.assert_array_equal(inputs["attention_mask"], mask)
    else:
        assert inputs["length"].tolist() == [3, 1]
    assert {one.dtype for one in inputs.values()} == {np.dtype("int32")}


def test_without_a_mask_every_token_counts() -> None:
    stub = Stub()
    client.EndpointBackend("stub", stub).forward({"input_ids": np.array([[5, 6, 7]])})
    assert stub.asked[0][1]["length"].tolist() == [3]


def test_tokens_without_a_name_are_told_by_their_ids() -> None:
    known = client.ServedCheckpoint("stub", ("a", "b"), "none", ("input_ids",), None, ("x", "y"))
    encoder = client.EndpointEncoder(known, Stub())  # type: ignore[arg-type]
    assert encoder.tokens(np.array([[1, 0, 2, -1]])) == (("y", "x", "2", "-1"),)


def test_client_and_export_agree_on_the_largest_batch() -> None:
    assert warmup.BATCH_SIZES[-1] == connection.MAX_BATCH


def test_a_record_that_lacks_something(tmp_path: Path) -> None:
    (tmp_path / layout.PROGRAM).touch()
    provenance.write(tmp_path, {"labels": ["a"], "max_tokens": None})
    with pytest.raises(ExportError, match="lacks function_to_apply"):
        client.ServedClassifier.open(tmp_path)
    (tmp_path / layout.PROVENANCE).write_text('{"schema": 1}')
    with pytest.raises(ExportError, match="lists no files"):
        client.ServedClassifier.open(tmp_path)
    (tmp_path / layout.PROVENANCE).write_text('{"schema": 2, "files": {}}')
    with pytest.raises(ExportError, match="has the schema 2, and this diglot reads 1"):
        provenance.read(tmp_path)


class Big(tf.Module):
    """Asks for more memory than there is."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, "size")])
    def fill(self, size: tf.Tensor) -> dict[str, tf.Tensor]:
        """As many numbers as are asked for."""
        return {"y": tf.fill(size, 1.0)}


def test_what_cannot_be_run_here(tmp_path: Path) -> None:
    module = Big()
    tf.saved_model.save(module, str(tmp_path), signatures={"fill": module.fill})
    model = SavedModel(tmp_path)
    assert model.predict("fill", {"size": [3]})["y"].tolist() == [1.0] * 3
    with pytest.raises(BackendError, match="cannot be run here"):
        model.predict("fill", {"size": [1 << 50]})
