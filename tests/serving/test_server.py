"""The test server is as strict as TF Serving; the same table can be held against a real one.

A real server is asked where ``tensorflow_model_server`` is on the PATH, or Docker may be used
(``DIGLOT_TEST_DOCKER=1``).
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import tensorflow as tf
import urllib3
from tensorflow_serving.apis import (
    classification_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)
from tests.serving import probe
from tests.serving.models import Models
from tests.serving.server import Server

from diglot.endpoints.address import connect
from diglot.errors import ServingError

IMAGE = "tensorflow/serving:2.20.0"
# Read at import, before the settings of whoever runs the tests are hidden from them.
DOCKER = shutil.which("docker") if os.environ.get("DIGLOT_TEST_DOCKER") == "1" else None
BINARY = shutil.which("tensorflow_model_server")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("models") / "probe"
    probe.save(found, 1)
    return found


@pytest.fixture(scope="module", params=["test", "real"])
def server(request: pytest.FixtureRequest, folder: Path) -> Iterator[tuple[str, str]]:
    """The URL of REST and the address of gRPC."""
    if request.param == "test":
        with Server(Models({"probe": folder})) as found:
            yield found.rest, found.grpc
        return
    if not (BINARY or DOCKER):
        pytest.skip("no tensorflow_model_server on the PATH, and DIGLOT_TEST_DOCKER is not 1")
    with _real(folder) as found:
        yield found


@contextlib.contextmanager
def _real(folder: Path) -> Iterator[tuple[str, str]]:
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    rest, rpc = ports
    if BINARY:
        command = [
            BINARY, f"--port={rpc}", f"--rest_api_port={rest}", "--model_name=probe",
            f"--model_base_path={folder}",
        ]  # fmt: skip
    else:
        command = [
            str(DOCKER), "run", "--rm", "--init", "-e", "MODEL_NAME=probe",
            "-p", f"127.0.0.1:{rest}:8501", "-p", f"127.0.0.1:{rpc}:8500",
            "-v", f"{folder}:/models/probe:ro", IMAGE,
        ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        one = connect(f"http://127.0.0.1:{rest}", "probe", retries=0)
        for _ in range(240):
            with contextlib.suppress(ServingError):
                if one.status()[0][1] == "AVAILABLE":
                    break
            if process.poll() is not None:
                pytest.fail(f"{command} ended with {process.returncode}")
            time.sleep(0.5)
        one.close()
        yield f"http://127.0.0.1:{rest}", f"127.0.0.1:{rpc}"
    finally:
        process.terminate()
        process.wait(30)


def _rest(server: tuple[str, str], method: str, path: str, body: Any) -> tuple[int, Any]:
    data = body if body is None or isinstance(body, str) else json.dumps(body)
    with urllib3.PoolManager(timeout=10) as pool:
        answer = pool.request(method, f"{server[0]}/v1/models{path}", body=data)
        return answer.status, json.loads(answer.data)


TEXT = {"instances": ["ab", "abc"]}


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("", TEXT, {"predictions": [{"label": "POSITIVE", "length": 2},
                                    {"label": "NEGATIVE", "length": 3}]}),
        ("/versions/1", {"instances": [{"text": "ab"}]},
         {"predictions": [{"label": "POSITIVE", "length": 2}]}),
        ("", {"inputs": ["ab"]}, {"outputs": {"label": ["POSITIVE"], "length": [2]}}),
        ("", {"inputs": {"text": [{"b64": "/w=="}], "more": 1}},
         {"outputs": {"label": ["NEGATIVE"], "length": [1]}}),
        ("", {"signature_name": "added", "instances": [[1, 2.5]]}, {"predictions": [[2.0, 3.5]]}),
        ("", {"signature_name": "added", "inputs": [[1, 2.5]]}, {"outputs": [[2.0, 3.5]]}),
        ("", {"signature_name": "total", "inputs": [1, 2]}, {"outputs": 3.0}),
        ("", {"signature_name": "two", "inputs": {"a": [1], "b": [2]}},
         {"outputs": {"sum": [3], "a_bytes": [{"b64": "MQ=="}]}}),
    ],
)  # fmt: skip
def test_rest_answers(
    server: tuple[str, str], path: str, body: Any, expected: dict[str, Any]
) -> None:
    assert _rest(server, "POST", f"/probe{path}:predict", body) == (200, expected)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("POST", "/nope:predict", TEXT, 404, "Servable not found for request: Latest(nope)"),
        ("POST", "/probe/versions/9:predict", TEXT, 404, "Specific(probe, 9)"),
        ("POST", "/probe/labels/x:predict", TEXT, 400, "Unrecognized servable version label: x"),
        ("GET", "/nope", None, 404, "Could not find any versions of model nope"),
        ("GET", "/probe/versions/9", None, 404, "Could not find version 9 of model probe"),
        ("GET", "/nope/metadata", None, 404, "Servable not found for request: Latest(nope)"),
        ("GET", "", None, 400, "Missing model name in request."),
        ("GET", "/probe:predict", None, 400, "Malformed request: GET /v1/models/probe:predict"),
        ("POST", "/probe", TEXT, 400, "Malformed request: POST /v1/models/probe"),
        ("POST", "/probe:predict", "", 400, "JSON Parse error: The document is empty"),
        ("POST", "/probe:predict", "{", 400, "JSON Parse error: "),
        ("POST", "/probe:predict", "[]", 400, "Is not object"),
        ("POST", "/probe:predict", {}, 400, "Missing 'inputs' or 'instances' key"),
        ("POST", "/probe:predict", {"instances": []}, 400, "No values in 'instances' array"),
        ("POST", "/probe:predict", {"instances": "a"}, 400, "to be an list/array"),
        ("POST", "/probe:predict", TEXT | {"inputs": []}, 400, "expecting only one of 'inputs' or"),
        ("POST", "/probe:predict", TEXT | {"signature_name": 1}, 400, "must be a string value"),
        ("POST", "/probe:predict", TEXT | {"signature_name": "x"}, 400,
         'Serving signature name: "x" not found in signature def'),
        ("POST", "/probe:predict", {"instances": [1]}, 400, "is not of expected type: string"),
        ("POST", "/probe:predict", {"instances": ["a", ["b"]]}, 400, "to process element: 1"),
        ("POST", "/probe:predict", {"instances": [{"x": "a"}]}, 400,
         "JSON object: does not have named input: x"),
        ("POST", "/probe:predict", {"inputs": {"x": ["a"]}}, 400,
         "Missing named input: text in 'inputs' object."),
        ("POST", "/probe:predict", {"signature_name": "two", "instances": [1]}, 400,
         "instances is a plain list, but expecting list of objects"),
        ("POST", "/probe:predict", {"signature_name": "two", "instances": [{"a": 1}]}, 400,
         "keys must be equal to: a,b"),
        ("POST", "/probe:predict", {"signature_name": "two", "inputs": {"a": [1.0], "b": [1]}}, 400,
         "JSON Value: 1.0 Type: Number is not of expected type: int32"),
        ("POST", "/probe:predict", {"signature_name": "rows", "inputs": [[1, 2], [1]]}, 400,
         "Encountered list at unexpected size: 1 at level: 1 expected size: 2"),
        ("POST", "/probe:predict", {"signature_name": "rows", "inputs": [[1], 1]}, 400,
         "found at incorrect level: 2 in the JSON DOM. Expected at level: 2"),
        ("POST", "/probe:predict", {"signature_name": "rows", "instances": [[1], [1, 2]]}, 400,
         "Expecting tensor size: 1 but got: 2"),
        ("POST", "/probe:classify", {"examples": [{"text": "a"}]}, 400,
         "Expected classification signature method_name to be tensorflow/serving/classify. Was:"),
        ("POST", "/probe:classify", {"signature_name": "x", "examples": [{}]}, 400,
         "No signature was found with the name: x"),
        ("POST", "/probe:classify", {}, 400, "key 'examples' is expected and was not found"),
        ("POST", "/probe:classify", {"examples": []}, 400, "'examples' value is an empty array"),
        ("POST", "/probe:classify", {"examples": ["a"]}, 400, "Example must be JSON object"),
        ("POST", "/probe:classify", {"examples": [{"text": None}]}, 400,
         "has element with unexpected JSON type: Null"),
        ("POST", "/probe:regress", {"examples": [{"text": "a"}]}, 400,
         "Expected regression signature method_name to be tensorflow/serving/regress. Was:"),
    ],
)  # fmt: skip
def test_rest_refuses(
    server: tuple[str, str], method: str, path: str, body: Any, status: int, message: str
) -> None:
    found, answer = _rest(server, method, path, body)
    assert (found, list(answer)) == (status, ["error"]), answer
    assert message in answer["error"]


def _predict(name: str = "two", version: int = 0, **inputs: Any) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "probe", name
    if version:
        request.model_spec.version.value = version
    for key, value in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return request


def test_grpc_filters_outputs_and_tells_the_version(server: tuple[str, str]) -> None:
    request = _predict(a=tf.constant([1]), b=tf.constant([2], tf.int64))
    request.output_filter.append("sum")
    with grpc.insecure_channel(server[1]) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        answer = stub.Predict(request, timeout=10)
    assert {name: tf.make_ndarray(one).tolist() for name, one in answer.outputs.items()} == {
        "sum": [3]
    }
    spec = answer.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("probe", 1, "two")


INT = tf.constant([1])
LONG = tf.constant([1], tf.int64)


@pytest.mark.parametrize(
    ("request_", "filter_", "code", "message"),
    [
        (_predict("x"), [], "FAILED_PRECONDITION", 'Serving signature key "x" not found.'),
        (_predict(version=9), [], "NOT_FOUND", "not found for request: Specific(probe, 9)"),
        (_predict(a=INT), [], "INVALID_ARGUMENT", "Missing but required: {b}."),
        (_predict(a=INT, b=LONG, c=INT), [], "INVALID_ARGUMENT", "Sent extra: {c}."),
        (_predict(a=INT, c=INT), [], "INVALID_ARGUMENT", "Signature input alias: b(feed name: "),
        (_predict(a=LONG, b=LONG), [], "INVALID_ARGUMENT", "to be int32 but int64 is provided"),
        (_predict(a=INT, b=LONG), ["x"], "INVALID_ARGUMENT", "alias not found in signature: x"),
        (_predict(a=INT, b=LONG), ["sum"] * 2, "INVALID_ARGUMENT", "duplicate output tensor alias"),
        (classification_pb2.ClassificationRequest(), [], "INVALID_ARGUMENT", "Missing ModelSpec"),
        (regression_pb2.RegressionRequest(), [], "INVALID_ARGUMENT", "Missing ModelSpec"),
    ],
)  # fmt: skip
def test_grpc_refuses(
    server: tuple[str, str], request_: Any, filter_: list[str], code: str, message: str
) -> None:
    if filter_:
        (request_ := _predict(a=INT, b=LONG)).output_filter.extend(filter_)
    with grpc.insecure_channel(server[1]) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        name = type(request_).__name__
        call = {"ClassificationRequest": stub.Classify, "RegressionRequest": stub.Regress}.get(
            name, stub.Predict
        )
        with pytest.raises(grpc.RpcError) as caught:
            call(request_, timeout=10)
    assert caught.value.code().name == code
    assert message in caught.value.details()


@pytest.mark.parametrize("api", [0, 1])
def test_a_connection_works(server: tuple[str, str], api: int) -> None:
    one = connect(server[api], "probe")
    assert one.status() == [(1, "AVAILABLE", "")]
    assert one.predict("serving_default", {"text": ["ab"]})["label"].tolist() == ["POSITIVE"]
    assert one.predict("added", {"x": [[float("nan"), 1]]})["y"][0, 1] == 2
    assert one.classify([{"text": "a"}]) == [[("NEGATIVE", -1.0), ("POSITIVE", 1.0)]]
    one.close()
