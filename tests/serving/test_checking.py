"""Exports, on disk and behind a server, held against PyTorch by a check."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.serving.server import Server

from diglot.errors import ServingError
from diglot.parity import check, result
from diglot.serving.exports import Export


@pytest.fixture
def places(server: Server, exported: Export) -> dict[str, str]:
    return {
        "folder": str(exported.path.parent),
        "rest": f"{server.rest}/v1/models/tiny",
        "grpc": f"grpc://{server.grpc}/v1/models/tiny",
    }


@pytest.mark.parametrize("place", ["folder", "rest", "grpc"])
def test_an_export_is_equal_to_its_checkpoint(
    place: str, lively: Path, places: dict[str, str]
) -> None:
    judged = check(lively, places[place], examples=5, texts=["a b c"])
    assert judged.equal, str(judged)
    assert {one.name: bool(one.judged) for one in judged.stages} == {
        result.ENCODING: True,
        result.HIDDEN_STATES: False,
        result.LOGITS: True,
        result.PROBABILITIES: True,
    }
    origins = {one.case.origin for one in judged.inputs}
    assert {"own texts", "drawn texts", "drawn encodings", "fully masked rows"} <= origins


@pytest.mark.parametrize("place", ["folder", "rest", "grpc"])
def test_an_export_differs_from_another_checkpoint(
    place: str, save_tiny: Callable[..., Path], places: dict[str, str]
) -> None:
    judged = check(save_tiny(initializer_range=1.4), places[place], examples=1)
    assert {one.stage for one in judged.failures} >= {result.LOGITS, result.PROBABILITIES}
    assert not any(one.different for one in judged.stages if one.name == result.ENCODING)


def test_a_failure_is_replayed_at_the_same_address(
    save_tiny: Callable[..., Path], places: dict[str, str], tmp_path: Path
) -> None:
    other = save_tiny(initializer_range=1.4)
    judged = check(other, places["rest"], examples=1, failures=tmp_path / "failures")
    command = judged.failures[0].command.split()
    assert command[:3] == ["diglot", "check", "--replay"]
    again = [sys.executable, "-m", *command, "--failures", str(tmp_path / "again")]
    done = subprocess.run(again, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert "DIFFERENT" in done.stdout


def test_a_server_that_is_gone(lively: Path) -> None:
    with pytest.raises(ServingError, match=r"127\.0\.0\.1:1"):
        check(lively, "http://127.0.0.1:1/v1/models/tiny", examples=1)
