"""A server's answers through the interface of a classifier."""

from pathlib import Path

import numpy as np
import pytest
from tests.serving.models import Models
from tests.serving.server import Server

from diglot import TextClassifier
from diglot.endpoints.rest import RestConnection
from diglot.errors import BackendError, InputError, ServingError
from diglot.serving import Client

# Rounding is judged by the parity tests; here the question is whose answer it is.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
TEXTS = ["a b c", "", "abc xyz s", "q", "a long text " * 9] * 8


@pytest.fixture(scope="module")
def torch(lively: Path) -> TextClassifier:
    return TextClassifier.from_pretrained(lively, "torch")


@pytest.fixture(params=["rest", "grpc"])
def client(request: pytest.FixtureRequest, server: Server) -> Client:
    return Client(getattr(server, request.param), "tiny")


def test_the_answers_are_the_same(client: Client, torch: TextClassifier) -> None:
    actual, expected = client(TEXTS, top_k=None), torch(TEXTS, top_k=None)
    for row, other in zip(actual, expected, strict=True):
        assert [answer["label"] for answer in row] == [answer["label"] for answer in other]
        np.testing.assert_allclose(
            [answer["score"] for answer in row], [answer["score"] for answer in other], **CLOSE
        )
    np.testing.assert_allclose(client.logits(TEXTS), torch.logits(TEXTS), **CLOSE)
    assert list(client(iter(TEXTS[:3]))) == client(TEXTS[:3])


def test_the_steps_are_the_same(client: Client, torch: TextClassifier) -> None:
    encoding = client.encode(TEXTS[:5])
    np.testing.assert_array_equal(encoding["input_ids"], torch.encode(TEXTS[:5])["input_ids"])
    np.testing.assert_allclose(client.logits(encoding), torch.logits(TEXTS[:5]), **CLOSE)
    assert client.labels == torch.labels
    assert client.backend == "serving"
    with pytest.raises(InputError, match="keeps no hidden states"):
        client.hidden_states("a")


def test_the_methods_of_the_server(client: Client, torch: TextClassifier) -> None:
    assert [(version, state) for version, state, _ in client.status()] == [(1, "AVAILABLE")]
    assert set(client.metadata()["serving_default"].inputs) == {"text"}
    answer = client.predict({"text": ["a b c"]})
    assert answer["label"].tolist() == [torch("a b c")[0]["label"]]
    (ranked,) = client.classify([{"text": "a b c"}])
    assert dict(ranked) == pytest.approx(
        {answer["label"]: answer["score"] for answer in torch("a b c", top_k=None)}, abs=1e-5
    )


def test_the_model_tells_its_score_function(client: Client, torch: TextClassifier) -> None:
    actual = client("a b c", function_to_apply="none")[0]["score"]
    assert actual == pytest.approx(torch("a b c", function_to_apply="none")[0]["score"], abs=1e-5)
    assert client.task.function == "softmax"


def test_a_model_that_does_not_exist(server: Server) -> None:
    for address in (server.rest, server.grpc):
        with pytest.raises(ServingError, match="other"):
            Client(address, "other")


def test_a_model_that_diglot_did_not_export(tmp_path: Path) -> None:
    from tests.serving import probe

    probe.save(tmp_path, 1)
    with (
        Server(Models({"probe": tmp_path})) as running,
        pytest.raises(BackendError, match=r"and no .metadata.: another program or an older diglot"),
    ):
        Client(running.rest, "probe")


def test_labels_cannot_be_given_because_the_model_tells_them(server: Server) -> None:
    with pytest.raises(InputError, match="labels: the tokenizer is part of the export"):
        Client(server.rest, "tiny", labels=["NEGATIVE", "POSITIVE"])


def test_a_client_closes_its_connections(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[RestConnection] = []
    monkeypatch.setattr(RestConnection, "close", lambda self: closed.append(self))
    with Client(server.rest, "tiny", max_batch=2) as client:
        before = len(server.seen)
        client.predict({"text": ["a", "b", "s"]})
        assert len(server.seen) == before + 2
        assert closed == []
    assert closed == [client._connection]
    with pytest.raises(ServingError):
        Client(server.rest, "other")
    assert len(closed) == 2
