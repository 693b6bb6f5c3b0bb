"""What is published, what is refused, and that no half-written version appears."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.serving.conftest import PROVEN, FakeTarget

from diglot.endpoints import layout, provenance
from diglot.equality.tolerance import BUDGET, Difference
from diglot.errors import ExportError, ExportRefusedError, TokenizerNotSupportedError
from diglot.serving import compiled_tokenizer
from diglot.serving.exports import Export, export
from diglot.serving.proof import Report
from diglot.serving.targets.saved_model import SavedModelTarget

SIGNATURES = ("classify", "encoded", "encoded_lengths", "metadata", "serving_default", "tokenize")


def proven(*_: Any) -> Report:
    """A proof that finds no difference, without looking."""
    return PROVEN


def test_a_published_version(exported: Export) -> None:
    assert exported.path.parts[-2:] == ("tiny", "1")
    assert exported.signatures == SIGNATURES
    assert exported.text is None
    names = {path.relative_to(exported.path).as_posix() for path in exported.path.rglob("*")}
    assert {
        "saved_model.pb",
        "batching_params.pbtxt",
        "assets.extra/tf_serving_warmup_requests",
        "assets.extra/labels.txt",
        "assets.extra/tokens.json",
        "assets.extra/diglot.json",
    } <= names
    assert (exported.path / layout.LABELS).read_text() == "NEGATIVE\nPOSITIVE\n"
    siblings = sorted(path.name for path in exported.path.parent.parent.iterdir())
    assert siblings == ["models.config", "tiny"]
    assert [path.name for path in exported.path.parent.iterdir()] == ["1"]


def test_the_proof_of_a_published_version(exported: Export) -> None:
    report = exported.report
    assert report.texts >= 40
    # Each of the six signatures is warmed up at six batch sizes and the length 24.
    assert report.warmups == 42
    # A sanity check of the reported number (3e-5 was measured); the proof judges by the one rule.
    assert 0 < report.worst[0] < 1e-3
    assert report.differences == ()
    assert "no difference" in str(report)


def test_the_model_is_listed(exported: Export) -> None:
    text = (exported.path.parent.parent / layout.MODELS).read_text()
    assert 'name: "tiny"' in text
    assert 'base_path: "/models/tiny"' in text


def test_the_provenance(exported: Export, lively: Path) -> None:
    record = provenance.read(exported.path)
    assert record["target"] == "saved_model"
    assert record["checkpoint"]["name"] == str(lively)
    assert set(record["checkpoint"]["files"]) == {path.name for path in lively.iterdir()}
    assert record["parity"] == exported.report.facts()
    assert record["tokenizer"] == {"strings_compared": 256}
    assert {"diglot", "torch", "transformers", "tokenizers"} <= set(record["versions"])
    assert record["labels"] == ["NEGATIVE", "POSITIVE"]
    assert record["seed"] == 0
    assert record["files"] == provenance.hashes(exported.path)


def test_files_of_others_in_the_checkpoints_folder_are_not_recorded(
    tiny_copy: Path, tmp_path: Path
) -> None:
    (tiny_copy / ".git").mkdir()
    (tiny_copy / ".git" / "config.json").write_text("{}")
    (tiny_copy / "optimizer.pt").touch()
    done = export(tiny_copy, tmp_path / "models", target=FakeTarget(), prove=proven)
    files = provenance.read(done.path)["checkpoint"]["files"]
    assert "model.safetensors" in files
    assert not {".git/config.json", "optimizer.pt"} & set(files)


def test_a_version_that_cannot_be_renamed(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OSError, match="No space left"):
        export(tiny, tmp_path, name="tiny", target=FakeTarget(), prove=proven)
    assert not (tmp_path / "tiny").exists()


def test_a_version_in_use_is_not_replaced(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny" / "3").mkdir(parents=True)
    with pytest.raises(ExportError, match="is taken; the next free one is 4"):
        export(tiny, tmp_path, name="tiny", version=3)
    with pytest.raises(ExportError, match="must be 1 or more"):
        export(tiny, tmp_path, name="tiny", version=0)


def test_a_version_that_differs_is_refused_and_leaves_nothing(tiny: Path, tmp_path: Path) -> None:
    seen: list[Path] = []

    def differs(folder: Path, *_: Any) -> Report:
        seen.append(folder)
        assert (folder / layout.LABELS).is_file()
        return Report(4, 2, (0.5, 1e-7), BUDGET, (Difference("encoded/logits", "far off"),))

    with pytest.raises(ExportRefusedError, match=r"does not answer like .*\n.*logits: far off"):
        export(tiny, tmp_path / "models", name="tiny", target=FakeTarget(), prove=differs)
    assert not seen[0].exists()
    assert not (tmp_path / "models").exists()


def test_a_tokenizer_that_differs_takes_no_text(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = compiled_tokenizer.library_ids

    def other(checkpoint: Any, texts: Any, seconds: Any) -> list[list[int]]:
        ids = right(checkpoint, texts, seconds)
        return [[7] if "q" in text else row for text, row in zip(texts, ids, strict=True)]

    monkeypatch.setattr(compiled_tokenizer, "library_ids", other)
    with pytest.raises(
        TokenizerNotSupportedError, match=r"'q' becomes \[.*but \[7\] in the library"
    ):
        export(tiny, tmp_path, name="tiny", require_text=True, strings=128)
    done = export(tiny, tmp_path, name="tiny", strings=128)
    assert done.signatures == ("encoded", "encoded_lengths", "metadata")
    assert done.text is not None
    assert done.report.differences == ()
    assert "'q' becomes" in provenance.read(done.path)["no_text_because"]


def test_a_target_without_strings_takes_no_text(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(TokenizerNotSupportedError, match="the target fake takes no strings"):
        export(tiny, tmp_path, target=FakeTarget(), prove=proven, require_text=True)
    done = export(tiny, tmp_path, target=FakeTarget(), prove=proven)
    assert done.text is not None
    assert "takes no strings" in done.text
    assert not (done.path / layout.TOKENS).exists()


def test_options_that_do_not_exist(
    tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ExportError, match="freezes: there is no such option; the options are prec"):
        export(tiny, tmp_path, freezes=True)
    with pytest.raises(ExportError, match="precision must be one of float32, bfloat16, not 'half'"):
        export(tiny, tmp_path, precision="half")
    with pytest.raises(ExportError, match="ids must be one of int32, int64, not 'string'"):
        export(tiny, tmp_path, ids="string")
    with pytest.raises(ExportError, match="seed must be 0 or more, not -1"):
        export(tiny, tmp_path, seed=-1)
    with pytest.raises(ExportError, match="no export target 'tflite'; the targets are saved_model"):
        export(tiny, tmp_path, target="tflite")
    assert "XLA" not in caplog.text
    export(tiny, tmp_path, xla=True, target=FakeTarget(), prove=proven)
    assert "--xla_cpu_compilation_enabled" in caplog.text


def test_weights_that_are_too_large_to_freeze(tiny: Path, tmp_path: Path) -> None:
    small = SavedModelTarget(most_constants=10_000)
    with pytest.raises(ExportError, match=r"take [\d,]+ bytes, and a frozen graph holds at most 1"):
        export(tiny, tmp_path, name="tiny", freeze=True, target=small, strings=1)
    assert not (tmp_path / "tiny").exists()


STEPS = ("writing", "proving", "recording", "before the renaming", "after the renaming")
# An export without its heavy parts, which is killed at one of its steps.
KILLED = """
import os, signal, sys
from pathlib import Path
from tests.serving.conftest import PROVEN, FakeTarget
from diglot.endpoints import layout, provenance
from diglot.serving.exports import export

step, checkpoint, to = sys.argv[1:]

def die(at):
    if at == step:
        os.kill(os.getpid(), signal.SIGKILL)

def wrote(folder):
    if step == "writing":
        (folder / layout.PROGRAM).write_text("half of it")
    die("writing")

def prove(*_):
    die("proving")
    return PROVEN

def record(folder, facts, right=provenance.write):
    right(folder, facts)
    die("recording")

def rename(self, target, right=Path.rename):
    die("before the renaming")
    right(self, target)
    die("after the renaming")

provenance.write, Path.rename = record, rename
export(checkpoint, to, name="tiny", target=FakeTarget(wrote), prove=prove)
"""


@pytest.mark.parametrize("step", [*STEPS, "none"])
def test_killed_at_any_step_the_versions_are_whole(step: str, tiny: Path, tmp_path: Path) -> None:
    old = tmp_path / "tiny" / "1"
    old.mkdir(parents=True)
    (old / layout.PROGRAM).write_text("the old one")

    def run(step: str) -> int:
        command = [sys.executable, "-c", KILLED, step, str(tiny), str(tmp_path)]
        path = os.pathsep.join(sys.path)
        environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": path}
        return subprocess.run(command, check=False, env=environment).returncode

    assert run(step) == (0 if step == "none" else -signal.SIGKILL)
    complete = step in ("after the renaming", "none")
    assert layout.versions(tmp_path / "tiny") == ([1, 2] if complete else [1])
    assert (old / layout.PROGRAM).read_text() == "the old one"
    if complete:
        new = tmp_path / "tiny" / "2"
        assert (new / layout.PROGRAM).read_text() == "all of it"
        assert json.loads((new / layout.PROVENANCE).read_text())["parity"]["differences"] == []
    # The files that the killed export left do not disturb the next one.
    assert run("none") == 0
    assert layout.versions(tmp_path / "tiny") == ([1, 2, 3] if complete else [1, 2])


def test_two_exports_at_once_do_not_mix(tiny: Path, tmp_path: Path) -> None:
    def faster(folder: Path) -> None:
        """Another export publishes the same version."""
        (folder.parent.parent / "1").mkdir()
        (folder.parent.parent / "1" / layout.PROGRAM).write_text("the other's")

    with pytest.raises(ExportError, match="appeared while it was being written"):
        export(tiny, tmp_path, name="tiny", target=FakeTarget(faster), prove=proven)
    assert (tmp_path / "tiny" / "1" / layout.PROGRAM).read_text() == "the other's"
    assert [path.name for path in (tmp_path / "tiny").iterdir()] == ["1"]


def test_the_report_names_the_differences() -> None:
    differences = (Difference("encoded/logits", "at [0, 1] …"),)
    report = Report(4, 2, (0.5, 1e-7), BUDGET, differences, flips=3)
    assert "encoded/logits: at [0, 1]" in str(report)
    assert "the largest error of a logit is 0.5, PyTorch's own 1e-07, 3 labels differ" in str(
        report
    )
    assert report.facts()["differences"] == ["encoded/logits: at [0, 1] …"]
    assert report.facts()["flips"] == 3
