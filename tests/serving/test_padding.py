"""What a server's own padding does to an encoding, and which signatures do not mind."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from diglot import TextClassifier
from diglot.endpoints.saved_model import SavedModel
from diglot.serving.exports import Export

# Rounding is judged by the parity tests; here the question is whose answer it is.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
TEXTS = ["a b c d e f g h", "s"]


def batched(requests: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Several requests as one, by TF Serving's rule for ``pad_variable_length_inputs``.

    Source: ``AddPadding`` in ``tensorflow_serving/batching/batching_util.cc``: each tensor is
    brought to the largest size of each dimension but the first, filled with its own first element.
    """

    def padded(tensor: NDArray[Any], sizes: Sequence[int]) -> NDArray[Any]:
        widths = [
            (0, 0),
            *((0, size - own) for size, own in zip(sizes, tensor.shape[1:], strict=True)),
        ]
        return np.pad(tensor, widths, constant_values=tensor.flat[0])

    found = {}
    for name in requests[0]:
        tensors = [request[name] for request in requests]
        sizes = np.max([tensor.shape[1:] for tensor in tensors], axis=0)
        found[name] = np.concatenate([padded(tensor, sizes) for tensor in tensors])
    return found


@pytest.fixture(scope="module")
def model(exported: Export) -> Iterator[SavedModel]:
    with SavedModel(exported.path) as model:
        yield model


@pytest.fixture(scope="module")
def requests(lively: Path) -> list[dict[str, NDArray[Any]]]:
    """Each text as a request of its own, without padding."""
    classifier = TextClassifier.from_pretrained(lively, "torch")
    return [
        {name: value.astype(np.int32) for name, value in classifier.encode(text).items()}
        for text in TEXTS
    ]


def answers(model: SavedModel, signature: str, requests: Sequence[Any]) -> NDArray[Any]:
    return np.concatenate([model.predict(signature, one)["logits"] for one in requests])


def test_the_mask_is_filled_with_ones(requests: list[dict[str, NDArray[Any]]]) -> None:
    together = batched(requests)
    assert together["attention_mask"].tolist() == [[1] * 10, [1] * 10]
    assert together["input_ids"][1, 3:].tolist() == [requests[1]["input_ids"][0, 0]] * 7


def test_a_batched_mask_gives_a_wrong_answer(
    model: SavedModel, requests: list[dict[str, NDArray[Any]]]
) -> None:
    alone = answers(model, "encoded", requests)
    together = model.predict("encoded", batched(requests))["logits"]
    np.testing.assert_allclose(together[0], alone[0], **CLOSE)
    assert np.abs(together[1] - alone[1]).max() > 1e-3


def test_lengths_are_immune(model: SavedModel, requests: list[dict[str, NDArray[Any]]]) -> None:
    lengths = []
    for request in requests:
        rest = {name: value for name, value in request.items() if name != "attention_mask"}
        lengths.append({**rest, "length": request["attention_mask"].sum(-1).astype(np.int32)})
    alone = answers(model, "encoded", requests)
    together = model.predict("encoded_lengths", batched(lengths))["logits"]
    np.testing.assert_allclose(together, alone, **CLOSE)


def test_text_is_immune(model: SavedModel, requests: list[dict[str, NDArray[Any]]]) -> None:
    texts = [{"text": np.array([text], object)} for text in TEXTS]
    together = model.predict("serving_default", batched(texts))["logits"]
    np.testing.assert_allclose(together, answers(model, "encoded", requests), **CLOSE)
