"""Fixtures that run the command line in this process, and return what a shell would see."""

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from diglot.cli import main


class Result(NamedTuple):
    """The exit code and the output of a run."""

    code: object
    out: str
    err: str


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        """The answer of a terminal."""
        return True


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Result]:
    """A function that runs ``diglot`` with arguments and standard input."""
    # The command line sets these variables; the monkeypatch restores them after the test.
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    monkeypatch.setenv("TRANSFORMERS_VERBOSITY", "error")
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    # The width of a pipe, whatever the terminal that runs the tests.
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: object, stdin: bytes | str | io.TextIOBase | None = None) -> Result:
        if stdin is None:
            stdin = Terminal()
        elif not isinstance(stdin, io.TextIOBase):
            content = stdin.encode() if isinstance(stdin, str) else stdin
            stdin = io.TextIOWrapper(io.BytesIO(content))
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        return Result(ended.value.code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def spread(save_tiny: Callable[..., Path]) -> Path:
    """A tiny checkpoint whose answers differ from text to text, with three labels."""
    labels = {0: "bad", 1: "[bold]so-so[/bold]", 2: "good"}
    return save_tiny(initializer_range=1.5, id2label=labels, label2id=None)


@pytest.fixture
def classify(run: Callable[..., Result], spread: Path) -> Callable[..., Result]:
    """A function that runs ``diglot classify`` with the checkpoint ``spread``, in PyTorch."""

    def classify(*arguments: object, stdin: bytes | str | io.TextIOBase | None = None) -> Result:
        return run("classify", "-m", spread, "-b", "torch", *arguments, stdin=stdin)

    return classify
