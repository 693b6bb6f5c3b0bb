"""Every command and snippet in the documents runs, and does what the document says.

The commands run in this process, where the frameworks are loaded already. One of them runs in a
shell too, with the console script. ``tests/parity/test_guide.py`` and
``tests/serving/test_guide.py`` run the commands of the two guides, which build upon one another.
"""

import doctest
import io
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from diglot import cli

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/parity.md",
    "docs/serving.md",
    "docs/trust.md",
    "saved_models/README.md",
]
GUIDES = {"docs/parity.md", "docs/serving.md"}
OTHERS = [document for document in DOCUMENTS if document not in GUIDES]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(document: str, kind: str) -> list[str]:
    text = (ROOT / document).read_text(encoding="utf-8")
    return [body for language, body in FENCE.findall(text) if language == kind]


def commands() -> list[str]:
    lines = [
        line
        for document in OTHERS
        for block in blocks(document, "console")
        for line in block.split("\n")
    ]
    return [line.removeprefix("$ ") for line in lines if line]


# The fixture embedded_export runs this command once for all tests.
EXPORT = "diglot export"
PIPE = r"printf 'text\na fine film\na dull film\n' | diglot classify --input - --input-format csv"
COMMANDS = [
    command
    for command in commands()
    if "diglot" in command and "pip" not in command and command != EXPORT
]


def sessions() -> list[str]:
    text = "\n".join((ROOT / document).read_text(encoding="utf-8") for document in DOCUMENTS)
    lists = re.findall(r"nox -s ([a-z ]+)", text)
    return sorted({name for names in lists for name in names.split()})


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_block_is_of_a_kind_that_is_tested(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    kinds = {language for language, _ in FENCE.findall(text)}
    assert kinds <= {"python", "console", "toml", "text"}
    assert text.count("```") == 2 * len(FENCE.findall(text))


@pytest.mark.parametrize("document", OTHERS)
def test_the_python_runs(document: str) -> None:
    """The blocks of a document share their names; ``>>>`` shows the real output."""
    names: dict[str, object] = {}
    parser = doctest.DocTestParser()
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for number, block in enumerate(blocks(document, "python")):
        if ">>>" in block:
            case = parser.get_doctest(block, names, f"{document} {number}", document, 0)
            runner.run(case, clear_globs=False)
            names = case.globs
        else:
            exec(compile(block, f"{document} {number}", "exec"), names)
    assert runner.summarize(verbose=False).failed == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_runs(
    command: str,
    tiny: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if "| " in command:
        feeder, command = command.split("| ")
        fed = subprocess.run(feeder, shell=True, capture_output=True, check=True).stdout
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(fed)))
    # The command line sets this variable; here, it is restored after the test.
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    words = shlex.split(command)
    while "=" in words[0]:
        monkeypatch.setenv(*words.pop(0).split("=", 1))
    program, name, *_ = words
    assert program == "diglot"
    if name in ("check", "trace"):
        # A tiny checkpoint, run in the usual way alone. The export compares the embedded one with
        # PyTorch, and test_models.py tries the other ways.
        monkeypatch.setenv("DIGLOT_CHECKPOINT", str(tiny))
        monkeypatch.setattr("diglot.backends.tensorflow.TensorFlowBackend.other_runs", lambda _: {})
        monkeypatch.setattr("diglot.backends.torch.TorchBackend.other_runs", lambda _: {})
    with pytest.raises(SystemExit) as ended:
        cli.main(words[1:])
    out, err = capsys.readouterr()
    assert ended.value.code == 0, err
    assert out.strip()
    assert not err.strip()


def test_the_command_exports(embedded_export: Path) -> None:
    assert EXPORT in commands()
    assert (embedded_export / "saved_models" / "models.config").is_file()
    assert (embedded_export / "saved_models" / "diglot-sst2" / "1" / "saved_model.pb").is_file()


def test_a_shell_finds_the_console_script() -> None:
    assert PIPE in commands()
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        PIPE, shell=True, capture_output=True, text=True, check=False, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "POSITIVE" in done.stdout
    assert "NEGATIVE" in done.stdout


def test_what_is_installed_exists() -> None:
    installs = [command for command in commands() if "pip install" in command]
    extras = {
        name
        for command in installs
        for names in re.findall(r"\[(.*?)\]", command)
        for name in names.split(",")
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert extras
    assert extras <= set(project["optional-dependencies"])


def test_the_commands_that_set_up_are_what_the_gate_runs() -> None:
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    readme = [command for command in commands() if "nox" in command]
    assert readme == ["python3 -m pip install nox && nox -s demo", "nox -s tests"]
    for session in ("demo", "tests"):
        assert re.search(rf"^nox -s .*\b{session}\b", gate, re.MULTILINE)


def test_every_session_exists() -> None:
    defined = re.findall(
        r"^@nox\.session.*?^def (\w+)", (ROOT / "noxfile.py").read_text(), re.M | re.S
    )
    assert sessions()
    assert set(sessions()) <= set(defined)


def test_the_configuration_in_the_readme_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diglot import settings

    (block,) = blocks("README.md", "toml")
    (tmp_path / "diglot.toml").write_text(block, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    chosen = settings.load()
    assert (chosen.backend, chosen.batch_size) == ("tensorflow", 64)
    assert chosen.sources["backend"].endswith("diglot.toml")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    targets = [
        target for target in re.findall(r"\]\(([^)]+)\)", text) if not target.startswith("http")
    ]
    folder = (ROOT / document).parent
    missing = [target for target in targets if not (folder / target).exists()]
    assert not missing
