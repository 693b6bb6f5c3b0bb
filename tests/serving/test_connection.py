"""Both connections, against a server that speaks TF Serving's two APIs."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.serving import probe
from tests.serving.models import Models
from tests.serving.server import Server

from diglot.endpoints import batches, connection, provenance
from diglot.endpoints.address import connect
from diglot.endpoints.connection import Connection
from diglot.endpoints.endpoint import Signature, Tensor
from diglot.errors import InputError, ServingError


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Versions 1 and 2, and a third that cannot be loaded."""
    found = tmp_path_factory.mktemp("probe")
    probe.save(found, 1)
    probe.save(found, 2)
    provenance.write(found / "3", {"tokenizer": None})
    return found


@pytest.fixture(scope="session")
def running(folder: Path) -> Iterator[Server]:
    models = Models({"probe": folder, "a b": folder}, {"probe": {"stable": 1}})
    with Server(models) as server:
        yield server


@pytest.fixture
def server(running: Server) -> Iterator[Server]:
    """The server, with nothing seen and no faults to come."""
    running.seen.clear()
    yield running
    running.faults.clear()
    running.models.max_batch = None


@pytest.fixture(params=["rest", "grpc"])
def api(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def open_(api: str, server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A function that connects to the probe by either API, and waits for little."""
    monkeypatch.setattr(connection, "FIRST_PAUSE", 0.01)
    opened: list[Connection] = []

    def open_(model: str = "probe", version: int | str | None = None, **options: Any) -> Connection:
        address = server.rest if api == "rest" else server.grpc
        opened.append(connect(address, model, version, **options))
        return opened[-1]

    yield open_
    for one in opened:
        one.close()


Open = Callable[..., Connection]


def test_the_signatures_are_the_models(open_: Open) -> None:
    found = open_().signatures()
    assert set(found) == {
        "added", "classify", "rows", "serving_default", "tokenize", "total", "two",
    }  # fmt: skip
    assert found["two"] == Signature(
        {"a": Tensor("int32", (None,)), "b": Tensor("int64", (None,))},
        {"sum": Tensor("int64", (None,)), "a_bytes": Tensor("string", (None,))},
    )
    assert found["added"].inputs == {"x": Tensor("float32", (None, 2))}
    assert found["total"].outputs == {"total": Tensor("float32", ())}


def test_texts_come_back_as_texts(open_: Open) -> None:
    texts = ["ab", "", "\0", "ß\U0001f600", '"\\\n']
    found = open_().predict("serving_default", {"text": texts})
    lengths = [len(one.encode()) for one in texts]
    assert found["length"].tolist() == lengths
    assert found["length"].dtype == np.int32
    assert found["label"].tolist() == [probe.LABELS[one % 2 == 0] for one in lengths]
    assert found["label"].dtype == object


def test_bytes_are_sent_as_they_are(open_: Open) -> None:
    given = np.array([b"\xff\xfe\xfd", b"a\0\0"], object)
    assert open_().predict("serving_default", {"text": given})["length"].tolist() == [3, 3]


def test_floats_come_back_to_the_last_bit(open_: Open) -> None:
    given = np.array([[np.nan, np.inf], [-np.inf, 1e-30], [0.1, 123456.789]], np.float32)
    found = open_(version=1).predict("added", {"x": given})
    assert list(found) == ["y"]
    assert found["y"].dtype == np.float32
    np.testing.assert_array_equal(found["y"], given + np.float32(1))


def test_integers_keep_all_their_digits(open_: Open) -> None:
    found = open_().predict("two", {"a": [1, -2], "b": [2**62, 2]})
    assert found["sum"].tolist() == [2**62 + 1, 0]
    assert found["sum"].dtype == np.int64
    assert found["a_bytes"].tolist() == ["1", "-2"]


def test_the_newest_version_is_the_default(open_: Open) -> None:
    def answer(**options: Any) -> float:
        return float(open_(**options).predict("added", {"x": [[0, 0]]})["y"][0, 0])

    assert answer() == 2
    assert answer(version=1) == 1
    assert answer(version="stable") == 1


def test_a_name_may_need_quotation(open_: Open) -> None:
    assert open_("a b").predict("added", {"x": [[0, 0]]})["y"].tolist() == [[2, 2]]


def test_a_long_batch_is_sent_in_parts(open_: Open, server: Server) -> None:
    server.models.max_batch = 4
    one = open_(max_batch=4)
    given = np.arange(22, dtype=np.float32).reshape(11, 2)
    np.testing.assert_array_equal(one.predict("added", {"x": given})["y"], given + 2)
    assert sum("redict" in seen for seen in server.seen) == 3
    server.seen.clear()
    answer = one.classify([{"text": "x" * size} for size in range(9)])
    assert [row[1] for row in answer] == [("POSITIVE", float(size)) for size in range(9)]
    assert sum("lassify" in seen for seen in server.seen) == 3


@pytest.mark.parametrize(
    "lengths", [[1, 1, 5, 5], [1, 1, 2, 5], [1, 1, 5, 2], [3, 1, 4, 1, 5], [2, 2, 2, 3, 9, 1, 1]]
)
def test_parts_of_different_widths_become_one(open_: Open, lengths: list[int]) -> None:
    texts = ["abcdefghi"[:size] for size in lengths]
    whole = open_().predict("tokenize", {"text": texts})
    parts = open_(max_batch=2).predict("tokenize", {"text": texts})
    assert (whole["input_ids"] == probe.FILLING).sum() == max(lengths) * len(texts) - sum(lengths)
    for name, value in whole.items():
        np.testing.assert_array_equal(parts[name], value)
        assert parts[name].dtype == value.dtype


def test_what_is_not_by_rows_is_not_joined(open_: Open) -> None:
    assert open_().predict("total", {"x": [1, 2, 3]})["total"] == 6
    with pytest.raises(ServingError, match="does not answer row by row"):
        open_(max_batch=2).predict("total", {"x": [1, 2, 3]})


def test_classify_has_its_own_api(open_: Open) -> None:
    found = open_().classify([{"text": "abc"}, {"text": "ß"}])
    assert found == [
        [("NEGATIVE", -3.0), ("POSITIVE", 3.0)],
        [("NEGATIVE", -2.0), ("POSITIVE", 2.0)],
    ]


def test_classify_is_refused_where_it_is_not(open_: Open) -> None:
    with pytest.raises(InputError, match="method_name to be tensorflow/serving/classify"):
        open_().classify([{"text": "abc"}], signature="serving_default")
    with pytest.raises(InputError, match=r"refuses the request.*Feature: text"):
        open_().classify([{"other": "abc"}])


def test_the_status_tells_of_every_version(open_: Open) -> None:
    third, second, first = open_().status()
    assert (first, second) == ((1, "AVAILABLE", ""), (2, "AVAILABLE", ""))
    assert third[:2] == (3, "END")
    assert "SavedModel" in third[2]
    assert open_(version=1).status() == [first]


@pytest.mark.parametrize(
    ("signature", "inputs", "message"),
    [
        ("nope", {"x": [1]}, "no signature 'nope'; it has added, classify"),
        ("two", {"a": [1]}, "'two' takes 'a', 'b', not 'a'"),
        ("two", {"a": [1], "b": [1], "c": [1]}, "takes 'a', 'b', not 'a', 'b', 'c'"),
        ("two", {"a": [1.5], "b": [1]}, "'a' of the signature 'two' takes int32, not float64"),
        ("two", {"a": [True], "b": [1]}, "takes int32, not bool"),
        ("two", {"a": [2**31], "b": [1]}, "takes int32, and 2147483648 to 2147483648 is outside"),
        ("two", {"a": [1, 2], "b": [1]}, "same number of rows, not {'a': 2, 'b': 1}"),
        ("two", {"a": [], "b": []}, "no row"),
        ("rows", {"input_ids": [[1, 2], [1]]}, "rows as long as each other"),
        ("rows", {"input_ids": [1, 2]}, "has the shape [any, any], not [2]"),
        ("added", {"x": [[1, 2, 3]]}, "has the shape [any, 2], not [1, 3]"),
        ("serving_default", {"text": "abc"}, "has the shape [any], not []"),
        ("serving_default", {"text": [1]}, "takes texts, not int 1"),
        ("serving_default", {"text": ["a", None]}, "takes texts, not NoneType None"),
        ("serving_default", {"text": ["\ud800"]}, "not UTF-8"),
        ("serving_default", {"text": []}, "no row"),
    ],
)
def test_inputs_that_do_not_fit_are_not_sent(
    open_: Open, server: Server, signature: str, inputs: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        open_().predict(signature, inputs)
    assert message in str(caught.value)
    assert not [seen for seen in server.seen if "redict:" in seen or seen == "Predict"]


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        ([], "no example"),
        ([{"text": "a"}, {"text": 1}], "'text' takes a text, not int 1"),
        ([{"text": "\ud800"}], "not UTF-8"),
    ],
)
def test_examples_that_cannot_be_sent(open_: Open, examples: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_().classify(examples)


def test_what_the_server_refuses_is_told_and_not_repeated(open_: Open, server: Server) -> None:
    one = open_()
    one.signatures()
    server.seen.clear()
    with pytest.raises(InputError, match=r"refuses the request: .*= 99 is not in \[0, 3\)"):
        one.predict("rows", {"input_ids": [[0, 99]]})
    assert len(server.seen) == 1
    server.models.max_batch = 1
    with pytest.raises(InputError, match="Task size 2 is larger than maximum input batch size 1"):
        one.predict("rows", {"input_ids": [[0], [1]]})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "nope"}, r"Latest\(nope\)"),
        ({"version": 9}, r"Specific\(probe, 9\)"),
        ({"version": 3}, r"Specific\(probe, 3\)"),
        ({"version": "nope"}, "version label: nope"),
    ],
)
def test_no_such_model(open_: Open, server: Server, options: dict[str, Any], message: str) -> None:
    one = open_(**options)
    for ask in (one.signatures, lambda: one.classify([{"text": "a"}])):
        server.seen.clear()
        with pytest.raises(ServingError, match=rf"v1/models/.* does not exist: .*{message}"):
            ask()
        assert len(server.seen) == 1
    if options.get("version") == 3:
        assert one.status()[0][1] == "END"
    else:
        with pytest.raises(ServingError, match="does not exist"):
            one.status()


@pytest.mark.parametrize("fault", ["UNAVAILABLE", "RESOURCE_EXHAUSTED"])
def test_a_server_that_is_not_ready_is_asked_again(open_: Open, server: Server, fault: str) -> None:
    server.faults += [fault] * 3
    assert open_(retries=3).status()[-1] == (1, "AVAILABLE", "")
    assert len(server.seen) == 4
    server.faults += [fault] * 3
    with pytest.raises(ServingError, match=f"at any of 3 attempts: .*made to fail: {fault}"):
        open_(retries=2).status()
    server.faults += [fault]
    with pytest.raises(ServingError, match="at the only attempt"):
        open_(retries=0).status()


@pytest.mark.parametrize("fault", ["INTERNAL", "UNKNOWN", "DATA_LOSS"])
def test_a_server_that_fails_is_not_asked_again(open_: Open, server: Server, fault: str) -> None:
    server.faults += [fault]
    with pytest.raises(ServingError, match=f"failed: .*made to fail: {fault}"):
        open_().status()
    assert len(server.seen) == 1


def test_a_pause_comes_before_each_attempt_but_the_second(
    open_: Open, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "FIRST_PAUSE", 0.1)
    server.faults += ["UNAVAILABLE"] * 3
    start = time.monotonic()
    open_(retries=3).status()
    # REST waits for 0, 0.2 and 0.4 s, gRPC for 0.1, 0.2 and 0.4 s.
    assert 0.6 <= time.monotonic() - start < 3


def test_a_server_that_hangs_is_given_up(open_: Open, server: Server) -> None:
    server.faults += ["hang"] * 2
    start = time.monotonic()
    with pytest.raises(ServingError, match=r"not answer within 0.2 s, at any of 2 attempts"):
        open_(timeout=0.2, retries=1).status()
    assert time.monotonic() - start < 1.5
    assert len(server.seen) == 2


def test_one_answer_out_of_two_attempts_is_enough(open_: Open, server: Server) -> None:
    server.faults += ["hang"]
    assert len(open_(timeout=0.3, retries=1).status()) == 3


def test_nobody_is_there(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "FIRST_PAUSE", 0.01)
    # Port 9 is for what discards everything, which hardly anybody runs.
    one = connect(f"{'http' if api == 'rest' else 'grpc'}://127.0.0.1:9", "m", retries=1)
    with pytest.raises(ServingError, match=r"cannot be reached, at any of 2 attempts: .*refused"):
        one.signatures()
    one.close()


def test_each_api_tells_the_other(server: Server) -> None:
    for address in (
        server.rest.replace("http://", "grpc://"),
        f"http://{server.grpc}",
    ):
        one = connect(address, "probe", retries=0, timeout=5)
        with pytest.raises(ServingError, match=r"8501 for REST .* and 8500"):
            one.status()
        one.close()


@pytest.mark.parametrize("fault", ["html", "list"])
def test_not_an_answer_of_tf_serving(server: Server, fault: str) -> None:
    one = connect(server.rest, "probe")
    server.faults += [fault]
    with pytest.raises(ServingError, match="not answered by TF Serving's REST API: 200"):
        one.signatures()
    other = connect(f"{server.rest}/proxy", "probe")
    with pytest.raises(ServingError, match="not answered by TF Serving's REST API: 404"):
        other.signatures()
    one.close()
    other.close()


def test_a_connection_that_breaks_is_made_again(server: Server) -> None:
    one = connect(server.rest, "probe", retries=2)
    server.faults += ["close"] * 2
    assert len(one.status()) == 3
    server.faults += ["close"] * 3
    with pytest.raises(ServingError, match="cannot be reached, at any of 3 attempts"):
        one.status()
    one.close()


def test_signatures_are_asked_anew_when_a_request_does_not_fit(open_: Open, server: Server) -> None:
    one = open_()
    known = dict(one.signatures())
    one._known = {"added": Signature({"other": Tensor("float32", (None,))}, {})}
    assert one.predict("added", {"x": [[0, 0]]})["y"].shape == (1, 2)
    one._known = known | {"added": Signature(known["added"].inputs, known["two"].outputs)}
    with pytest.raises(ServingError):
        one.predict("added", {"x": [[0, 0]]})
    assert one.signatures() == known


@pytest.mark.parametrize(
    ("address", "model", "version", "name"),
    [
        ("http://h:1", "m", None, "http://h:1/v1/models/m"),
        ("http://h:1/", "m", 2, "http://h:1/v1/models/m/versions/2"),
        ("https://h/v1/models/a%20b", None, None, "https://h/v1/models/a%20b"),
        ("http://h/p/q/v1/models/m/versions/3/", None, 3, "http://h/p/q/v1/models/m/versions/3"),
        ("http://h/p", "m", "x/y", "http://h/p/v1/models/m/labels/x%2Fy"),
        ("h:1", "m", None, "grpc://h:1/v1/models/m"),
        ("grpc://[::1]:1/v1/models/m", "m", None, "grpc://[::1]:1/v1/models/m"),
    ],
)
def test_addresses(address: str, model: str | None, version: Any, name: str) -> None:
    one = connect(address, model, version)
    assert one.name == name
    one.close()


@pytest.mark.parametrize(
    ("address", "options", "message"),
    [
        ("ftp://h", {"model": "m"}, "no address of a server"),
        ("", {"model": "m"}, "no address of a server"),
        ("http://u:p@h", {"model": "m"}, "no address of a server"),
        ("http://h", {}, "names no model"),
        ("http://h/v1/models/m", {"model": "n"}, "the model 'm', not 'n'"),
        ("http://h/v1/models/m/versions/1", {"version": 2}, "the version 1, not 2"),
        ("grpc://h/p", {"model": "m"}, "the path /p, and gRPC addresses have none; use http://"),
        ("http://h", {"model": "m", "timeout": 0}, "timeout must be more than 0"),
        ("http://h", {"model": "m", "max_batch": 0}, "max_batch 1 or more"),
    ],
)
def test_addresses_that_are_none(address: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ServingError, match=message):
        connect(address, **options)


def test_rest_needs_no_tensorflow(server: Server) -> None:
    program = f"""
import sys
for name in ("tensorflow", "torch", "transformers", "grpc", "tensorflow_serving"):
    sys.modules[name] = None
from diglot.endpoints.address import connect
print(connect({server.rest!r}, "probe").predict("added", {{"x": [[0, 0]]}})["y"].tolist())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout == "[[2.0, 2.0]]\n", done.stderr


def test_parts_that_have_other_rows_are_not_joined() -> None:
    signature = Signature({"x": Tensor("int32", (None,))}, {"y": Tensor("int32", (None,))})
    with pytest.raises(ServingError, match="3 rows were sent in 2 requests"):
        batches.asked(
            {"x": np.arange(3)}, 2, lambda given: {"y": given["x"].sum(keepdims=True)}, signature
        )
