"""What is published, what is refused, and that nothing half-written ever shows."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from diglot.endpoints import layout, provenance
from diglot.errors import ExportError, ExportRefusedError, TokenizerNotSupportedError
from diglot.parity import Difference
from diglot.serving import exports, proof
from diglot.serving.exports import Export, export

SIGNATURES = ("classify", "encoded", "encoded_lengths", "serving_default", "tokenize")


def test_what_is_published(exported: Export) -> None:
    assert exported.path.parts[-2:] == ("tiny", "1")
    assert exported.signatures == SIGNATURES
    assert exported.text is None
    names = {one.relative_to(exported.path).as_posix() for one in exported.path.rglob("*")}
    assert {
        "saved_model.pb",
        "batching_params.pbtxt",
        "assets.extra/tf_serving_warmup_requests",
        "assets.extra/labels.txt",
        "assets.extra/diglot.json",
    } <= names
    assert (exported.path / layout.LABELS).read_text() == "NEGATIVE\nPOSITIVE\n"
    beside = sorted(one.name for one in exported.path.parent.parent.iterdir())
    assert beside == ["models.config", "tiny"]
    assert [one.name for one in exported.path.parent.iterdir()] == ["1"]


def test_the_models_are_listed(exported: Export) -> None:
    text = (exported.path.parent.parent / layout.MODELS).read_text()
    assert 'name: "tiny"' in text
    assert 'base_path: "/models/tiny"' in text


def test_what_was_listed_by_hand_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("new", "old"):
        (tmp_path / name / "1").mkdir(parents=True)
        (tmp_path / name / "1" / layout.PROGRAM).touch()
    (tmp_path / "empty").mkdir()
    path = tmp_path / layout.MODELS
    path.write_text(
        'model_config_list { config { name: "old" base_path: "/elsewhere"'
        " model_version_policy { all {} } } config { name: 'gone' base_path: '/models/gone' } }"
    )
    exports._list_model(tmp_path)
    found = text_format.Parse(path.read_text(), model_server_config_pb2.ModelServerConfig())
    new, old = found.model_config_list.config
    assert (new.name, new.base_path, new.model_platform) == ("new", "/models/new", "tensorflow")
    assert (old.name, old.base_path) == ("old", "/elsewhere")
    assert old.model_version_policy.HasField("all")
    path.write_text("model_config_list {")
    exports._list_model(tmp_path)
    assert path.read_text() == "model_config_list {"
    assert "left as it is" in caplog.text


def test_a_version_that_cannot_be_renamed(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(folder: Path, *_: Any, **__: Any) -> dict[str, Any]:
        folder.mkdir()
        return {"signatures": []}

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    report = proof.Report(0, 0, (0.0, 0.0), proof.BUDGET, ())
    monkeypatch.setattr(exports, "_tokenizer", lambda *_, **__: (None, None))
    monkeypatch.setattr(exports, "_write", write)
    monkeypatch.setattr(proof, "prove", lambda *_, **__: report)
    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OSError, match="No space left"):
        export(tiny, tmp_path, name="tiny")


def test_the_provenance(exported: Export, lively: Path) -> None:
    facts = provenance.read(exported.path)
    assert facts["checkpoint"]["name"] == str(lively)
    assert set(facts["checkpoint"]["files"]) == {one.name for one in lively.iterdir()}
    assert facts["parity"]["differences"] == []
    assert facts["parity"]["warmups"] > 0
    assert facts["tokenizer"]["strings_compared"] == 256
    assert {"diglot", "torch", "transformers", "tokenizers"} <= set(facts["versions"])
    assert facts["labels"] == ["NEGATIVE", "POSITIVE"]
    assert facts["seed"] == 0
    assert facts["files"] == provenance.hashes(exported.path)


def test_a_version_that_is_taken_is_not_replaced(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny" / "3").mkdir(parents=True)
    with pytest.raises(ExportError, match="is taken; the next free one is 4"):
        export(tiny, tmp_path, name="tiny", version=3)
    with pytest.raises(ExportError, match="must be 1 or more"):
        export(tiny, tmp_path, name="tiny", version=0)


def test_what_answers_otherwise_is_refused_and_leaves_nothing(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_strings: Callable[[int], None]
) -> None:
    few_strings(16)
    # The signatures give the probabilities of the other label.
    from diglot.serving.signatures import Servable

    right = Servable.encoded

    def swapped(self: Any, **encoding: Any) -> Any:
        answer = right(self, **encoding)
        return answer | {"probabilities": answer["probabilities"][:, ::-1]}

    monkeypatch.setattr(Servable, "encoded", swapped)
    with pytest.raises(ExportRefusedError, match=r"does not answer like .*\n.*probabilities"):
        export(tiny, tmp_path / "models", name="tiny")
    assert not (tmp_path / "models" / "tiny").exists()


def test_a_tokenizer_that_differs_takes_no_text(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_strings: Callable[[int], None]
) -> None:
    few_strings(128)
    right = proof._library

    def other(found: Any, texts: Any, seconds: Any, **options: Any) -> Any:
        encoding = right(found, texts, seconds, **options)
        if not options:
            encoding["input_ids"] = [[7] if "q" in text else ids for text, ids in
                                     zip(texts, encoding["input_ids"], strict=True)]  # fmt: skip
        return encoding

    monkeypatch.setattr(proof, "_library", other)
    with pytest.raises(TokenizerNotSupportedError, match=r"'q' becomes \[.*library has \[7\]"):
        export(tiny, tmp_path, name="tiny", require_text=True)
    done = export(tiny, tmp_path, name="tiny")
    assert done.signatures == ("encoded", "encoded_lengths")
    assert done.text is not None
    assert "'q' becomes" in provenance.read(done.path)["no_text_because"]


def test_a_saved_model_that_does_not_load_is_refused(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(folder: Path, *_: Any, **__: Any) -> dict[str, Any]:
        folder.mkdir()
        (folder / layout.PROGRAM).write_bytes(b"")
        return {
            "signatures": [],
            "tokenizer": None,
            "function_to_apply": "softmax",
            "seed": 0,
            "pairs": False,
            "precision": "float32",
        }

    monkeypatch.setattr(exports, "_write", nothing)
    monkeypatch.setattr(exports, "_tokenizer", lambda *_, **__: (None, None))
    with pytest.raises(ExportError, match="could not be loaded and run in a process of its own"):
        export(tiny, tmp_path, name="tiny")
    assert layout.versions(tmp_path / "tiny") == []


def test_what_cannot_be_chosen(
    tiny: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(ExportError, match="freezes cannot be chosen; these can: precision, pairs"):
        export(tiny, tmp_path, freezes=True)
    with pytest.raises(ExportError, match="precision must be one of float32, bfloat16, not 'half'"):
        export(tiny, tmp_path, precision="half")
    with pytest.raises(ExportError, match="ids must be one of int32, int64, not 'string'"):
        export(tiny, tmp_path, ids="string")
    with pytest.raises(ExportError, match="seed must be 0 or more, not -1"):
        export(tiny, tmp_path, seed=-1)
    monkeypatch.setattr(exports, "_tokenizer", lambda *_, **__: (None, None))
    monkeypatch.setattr(exports, "_MOST_CONSTANTS", 10_000)
    with pytest.raises(ExportError, match=r"take [\d,]+ bytes, and a graph can hold 10,000"):
        export(tiny, tmp_path, name="tiny", freeze=True, xla=True)
    assert "--xla_cpu_compilation_enabled" in caplog.text
    assert not (tmp_path / "tiny").exists()


STEPS = ("writing", "proving", "recording", "before the renaming", "after the renaming")
# An export whose heavy parts are left out, and which is killed at one of its steps.
KILLED = """
import os, signal, sys
from pathlib import Path
from diglot.parity import BUDGET
from diglot.serving import layout, proof, provenance, publishing

step, checkpoint, to = sys.argv[1:]

def die(at):
    if at == step:
        os.kill(os.getpid(), signal.SIGKILL)

def write(folder, *_, **__):
    folder.mkdir()
    (folder / layout.PROGRAM).write_text("half of it")
    die("writing")
    (folder / layout.PROGRAM).write_text("all of it")
    return {"signatures": []}

def prove(*_, **__):
    die("proving")
    return proof.Report(0, 0, (0.0, 0.0), BUDGET, ())

def record(folder, facts, right=provenance.write):
    right(folder, facts)
    die("recording")

def rename(self, target, right=Path.rename):
    die("before the renaming")
    right(self, target)
    die("after the renaming")

exports._tokenizer = lambda *_, **__: (None, None)
exports._write, proof.prove, provenance.write, Path.rename = write, prove, record, rename
exports.export(checkpoint, to, name="tiny")
"""


@pytest.mark.parametrize("step", [*STEPS, "none"])
def test_killed_at_any_step_the_versions_are_whole(step: str, tiny: Path, tmp_path: Path) -> None:
    old = tmp_path / "tiny" / "1"
    old.mkdir(parents=True)
    (old / layout.PROGRAM).write_text("the old one")

    def run(step: str) -> int:
        command = [sys.executable, "-c", KILLED, step, str(tiny), str(tmp_path)]
        return subprocess.run(
            command, check=False, env=os.environ | {"HF_HUB_OFFLINE": "1"}
        ).returncode

    assert run(step) == (0 if step == "none" else -signal.SIGKILL)
    complete = step in ("after the renaming", "none")
    assert layout.versions(tmp_path / "tiny") == ([1, 2] if complete else [1])
    assert (old / layout.PROGRAM).read_text() == "the old one"
    if complete:
        new = tmp_path / "tiny" / "2"
        assert (new / layout.PROGRAM).read_text() == "all of it"
        assert json.loads((new / layout.PROVENANCE).read_text())["parity"]["differences"] == []
    # Whatever the killed one has left behind, the next one goes its way.
    assert run("none") == 0
    assert layout.versions(tmp_path / "tiny") == ([1, 2, 3] if complete else [1, 2])


def test_two_exports_at_once_do_not_mix(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(folder: Path, *_: Any, **__: Any) -> dict[str, Any]:
        folder.mkdir()
        # Another export is faster.
        (folder.parent.parent / "1").mkdir()
        (folder.parent.parent / "1" / layout.PROGRAM).write_text("the other's")
        return {"signatures": []}

    report = proof.Report(0, 0, (0.0, 0.0), proof.BUDGET, ())
    monkeypatch.setattr(exports, "_tokenizer", lambda *_, **__: (None, None))
    monkeypatch.setattr(exports, "_write", write)
    monkeypatch.setattr(proof, "prove", lambda *_, **__: report)
    with pytest.raises(ExportError, match="appeared while it was being written"):
        export(tiny, tmp_path, name="tiny")
    assert (tmp_path / "tiny" / "1" / layout.PROGRAM).read_text() == "the other's"
    assert [one.name for one in (tmp_path / "tiny").iterdir()] == ["1"]


def test_the_report_tells_what_differs() -> None:
    differences = (Difference("encoded/logits", "at [0, 1] …"),)
    report = proof.Report(4, 2, (0.5, 1e-7), proof.BUDGET, differences)
    assert "encoded/logits: at [0, 1]" in str(report)
    assert "largest error of a logit 0.5, PyTorch's own 1e-07" in str(report)
    assert report.facts()["differences"] == ["encoded/logits: at [0, 1] …"]
