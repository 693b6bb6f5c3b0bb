"""``diglot export``, ``diglot doctor``, and ``diglot classify`` with the exported model."""

import json
from functools import partial
from pathlib import Path

import pytest
from tests.serving.models import Models
from tests.serving.server import Server

from diglot.endpoints import layout
from diglot.serving import exports


@pytest.fixture
def version(run, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(exports, "export", partial(exports.export, strings=64))
    done = run("export", tiny, "--to", tmp_path / "models", "--name", "tiny")
    assert done.code == 0, done.err
    assert "answers like its checkpoint" in done.out
    assert (
        "signatures: classify, encoded, encoded_lengths, metadata, serving_default, tokenize"
        in done.out
    )
    return tmp_path / "models" / "tiny" / "1"


def test_from_the_checkpoint_to_the_answer(run, version: Path, tiny: Path) -> None:
    from_export = run("classify", "a b", "-m", version.parent, "-f", "jsonl")
    from_checkpoint = run("classify", "a b", "-m", tiny, "-b", "torch", "-f", "jsonl")
    answer, expected = json.loads(from_export.out), json.loads(from_checkpoint.out)
    assert answer["label"] == expected["label"]
    assert answer["score"] == pytest.approx(expected["score"], abs=1e-6)

    healthy = run("doctor", version, "--serving", "2.21")
    assert healthy.code == 0
    assert "serving_default" in healthy.out
    (version / layout.LABELS).unlink()
    damaged = run("doctor", version)
    assert damaged.code == 1
    assert "labels.txt" in damaged.out

    with Server(Models({"tiny": version.parent})) as server:
        from_server = run(
            *("classify", "a b", "-m", "tiny", "-f", "jsonl"),
            *("--backend", "serving", "--address", server.rest),
        )
    assert json.loads(from_server.out)["score"] == pytest.approx(expected["score"], abs=1e-6)


def test_an_export_that_fails_exits_with_1(run, tmp_path: Path) -> None:
    done = run("export", tmp_path / "none")
    assert done.code == 1
    assert "there is no directory" in done.err
    assert run("export", "--name", "a/b").code == 1
    assert run("doctor", tmp_path).code == 1


def test_a_server_needs_an_address(run) -> None:
    for arguments in (["--backend", "serving"], ["--address", "http://localhost:1"]):
        done = run("classify", "a", *arguments)
        assert done.code == 2
        assert "belong together" in done.err
