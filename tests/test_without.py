"""The commands in environments without one of the frameworks, which ``nox -s without`` makes."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

MISSING = os.environ.get("TEST_WITHOUT")
EXAMPLE = "I hate this so much!"


def without(framework: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        framework != MISSING, reason=f"needs an environment without {framework}: nox -s without"
    )


def diglot(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "diglot", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@without("tensorflow")
def test_pytorch_works_without_tensorflow() -> None:
    assert find_spec("tensorflow") is None
    done = diglot("classify", EXAMPLE, "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    assert "NEGATIVE" in done.stdout


@without("tensorflow")
def test_asking_for_tensorflow_names_the_extra() -> None:
    assert find_spec("tensorflow") is None
    done = diglot("classify", EXAMPLE, "--backend", "tensorflow")
    assert done.returncode == 1
    assert "pip install 'diglot[tensorflow]'" in " ".join(done.stderr.split())


@without("tensorflow")
def test_pytorch_is_checked_and_recorded_without_tensorflow(tmp_path: Path) -> None:
    assert find_spec("tensorflow") is None
    ledger = str(tmp_path / "embedded.ledger")
    few = ("--examples", "1")
    for arguments in (
        ("check", "--against", "torch", *few),
        ("record", "--to", ledger, *few),
        ("check", "--against", ledger),
    ):
        done = diglot(*arguments)
        assert done.returncode == 0, done.stderr
    done = diglot("check", *few)
    assert done.returncode == 2
    assert "pip install 'diglot[tensorflow]'" in " ".join(done.stderr.split())


@without("torch")
def test_without_the_extra_no_check_is_begun() -> None:
    assert find_spec("hypothesis") is None
    done = diglot("check")
    assert done.returncode == 2
    assert "pip install 'diglot[parity]'" in " ".join(done.stderr.split())


@without("torch")
@pytest.mark.parametrize("arguments", [[], ["--backend", "torch"], ["--backend", "tensorflow"]])
def test_without_pytorch_the_extra_is_named(arguments: list[str]) -> None:
    assert find_spec("torch") is None
    assert find_spec("tensorflow") is not None
    done = diglot("classify", EXAMPLE, *arguments)
    assert done.returncode == 1
    assert "pip install 'diglot[" in " ".join(done.stderr.split())


@without("torch")
@pytest.mark.parametrize(
    ("command", "fact"), [("config", "none is installed"), ("info", "not installed: torch missing")]
)
def test_without_pytorch_the_facts_are_told(command: str, fact: str) -> None:
    assert find_spec("torch") is None
    done = diglot(command)
    assert done.returncode == 0, done.stderr
    assert fact in " ".join(done.stdout.split())
