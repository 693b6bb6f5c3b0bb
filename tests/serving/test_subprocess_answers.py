"""A version in a process of its own: its answers, and each way in which it can end."""

import os
import runpy
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.serving import probe

from diglot.endpoints import layout
from diglot.errors import ExportError, InputError
from diglot.serving import subprocess_answers, targets
from diglot.serving.subprocess_answers import ABSENT, SubprocessEndpoint


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version whose answers are known."""
    models = tmp_path_factory.mktemp("probe")
    probe.save(models, 1)
    return models / "1"


def test_the_answers_of_a_process(folder: Path) -> None:
    with SubprocessEndpoint("saved_model", folder) as endpoint:
        assert endpoint.signatures()["added"].inputs["x"].shape == (None, 2)
        x = np.array([[np.nan, np.inf], [0.1, 1e-30]], np.float32)
        answer = endpoint.predict("added", {"x": x})["y"]
        assert answer.dtype == np.float32
        np.testing.assert_array_equal(answer, x + np.float32(1))
        texts = ["ab", "", "\0", "ß\U0001f600"]
        answers = endpoint.predict("serving_default", {"text": texts})
        assert answers["length"].tolist() == [2, 0, 1, 6]
        assert answers["label"].tolist() == ["POSITIVE", "POSITIVE", "NEGATIVE", "POSITIVE"]
        raw = [b"\xff", b"a\0"]
        assert endpoint.predict("serving_default", {"text": raw})["length"].tolist() == [1, 2]
        with pytest.raises(InputError, match="has no signature 'nope'"):
            endpoint.predict("nope", {})
        assert endpoint.predict("total", {"x": np.zeros(0, np.float32)})["total"] == 0
        assert endpoint.failure is None
        os.kill(endpoint._process.pid, signal.SIGKILL)
        # A process that is killed, for example for its memory, prints nothing.
        with pytest.raises(ExportError, match="ended by signal 9"):
            endpoint.predict("added", {"x": x})
        assert endpoint.failure is not None
        with pytest.raises(ExportError, match="ended by signal 9"):
            endpoint.replay_warmup()


def test_a_version_that_does_not_load(tmp_path: Path) -> None:
    (tmp_path / layout.PROGRAM).write_bytes(b"\xff")
    with (
        SubprocessEndpoint("saved_model", tmp_path) as endpoint,
        pytest.raises(ExportError, match=r"(?s)in a process of its own.*TensorFlow cannot load"),
    ):
        endpoint.signatures()
    assert len(str(endpoint.failure)) < 3_000


def test_a_process_that_does_not_answer_is_ended(folder: Path) -> None:
    start = time.monotonic()
    with (
        SubprocessEndpoint("saved_model", folder, timeout=0.05) as endpoint,
        pytest.raises(ExportError, match=r"did not answer within 0.05 s, and was ended"),
    ):
        endpoint.signatures()
    assert time.monotonic() - start < 30
    assert endpoint._process.returncode == -signal.SIGKILL


def test_an_answer_has_a_largest_size(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess_answers, "_MOST_BYTES", 100)
    with (
        SubprocessEndpoint("saved_model", folder) as endpoint,
        pytest.raises(ExportError, match="an answer is longer than 100 bytes"),
    ):
        endpoint.signatures()


def test_the_process_cannot_import_the_frameworks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ABSENT == ("torch", "transformers", "keras", "tokenizers")
    seen = []

    def find(name: str) -> None:
        seen.extend(sys.modules.get(module, "may be imported") for module in ABSENT)
        raise LookupError(name)

    monkeypatch.setattr(targets, "find", find)
    monkeypatch.setattr(sys, "argv", ["subprocess_answers", "saved_model", "1"])
    file = subprocess_answers.__file__
    with monkeypatch.context() as patch:
        for name in ABSENT:
            patch.setitem(sys.modules, name, SimpleNamespace())  # put back at the end
        with pytest.raises(LookupError):
            # Not as a module: pytest rewrites the modules of a package that brings a plug-in.
            runpy.run_path(file, run_name="__main__")
    assert seen == [None] * len(ABSENT)
