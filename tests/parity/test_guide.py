"""The guide to parity: its commands and its tests run on a tiny checkpoint."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from diglot import cli

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "parity.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def run(command: str) -> None:
    """Run a command of diglot in this process, which has loaded the frameworks already."""
    with pytest.raises(SystemExit) as ended:
        cli.main(shlex.split(command)[1:])
    assert ended.value.code == 0, command


@pytest.fixture(autouse=True)
def _quick(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tiny checkpoint as the default, and only the usual run of each backend."""
    monkeypatch.setenv("DIGLOT_CHECKPOINT", str(tiny))
    # The command line sets this variable; the monkeypatch restores it after the test.
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    for backend in ("torch.TorchBackend", "tensorflow.TensorFlowBackend"):
        monkeypatch.setattr(f"diglot.backends.{backend}.other_runs", lambda self: {})


def test_the_commands_lead_from_one_to_the_next(tmp_path: Path) -> None:
    commands = [
        line.removeprefix("$ ") for block in blocks("console") for line in block.split("\n")
    ]
    for command in filter(None, commands):
        if command.startswith("printf"):
            subprocess.run(command, shell=True, check=True)
        elif "pip install" not in command:
            run(command)
    written = {"report.html", "check.xml", "reviews.ledger", "new.ledger"}
    assert written <= {path.name for path in tmp_path.iterdir()}


def test_the_tests_pass(pytester: pytest.Pytester) -> None:
    folder = pytester.mkdir("tests")
    for number, block in enumerate(blocks("python")):
        (folder / f"test_block_{number}.py").write_text(block, encoding="utf-8")
    # In a process of its own, because a nested pytest removes the modules that it imports first.
    pytester.makeconftest(
        "from diglot.backends.tensorflow import TensorFlowBackend\n"
        "from diglot.backends.torch import TorchBackend\n"
        "TensorFlowBackend.other_runs = TorchBackend.other_runs = lambda self: {}\n"
    )
    done = pytester.runpytest_subprocess("--diglot-examples=3", "--diglot-update-ledger")
    done.assert_outcomes(passed=5)
    done.stdout.fnmatch_lines(["diglot: 3 checks, 3 equal, *"])
    assert (folder / "reviews.ledger").is_file()


def test_the_commands_of_the_workflow_run(
    tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.parity import results

    (workflow,) = [block for block in blocks("text") if "runs-on" in block]
    calls = []
    monkeypatch.setattr(
        "diglot.parity.checks.check",
        lambda *sides, **options: (calls.append((*sides, options)), results.equal(1))[1],
    )
    shutil.copytree(tiny, tmp_path / "models" / "reviews")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "reviews.csv").write_text("text\nNot bad at all.\n", encoding="utf-8")
    for command in re.findall(r"run: (diglot .*)", workflow):
        run(command)
    drawn, recorded = calls
    assert drawn[:2] == ("models/reviews", "tensorflow")
    assert drawn[2]["texts"] == [{"text": "Not bad at all."}]
    assert (tmp_path / "parity" / "report.html").is_file()
    assert recorded[:2] == ("models/reviews", "tests/reviews.ledger")
