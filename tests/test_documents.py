"""Every command and snippet in the documents is run, and does what they say."""

import doctest
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

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
# Their commands build upon one another; test_guide.py in tests/parity and tests/serving runs them.
GUIDES = {"docs/parity.md", "docs/serving.md"}
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(document: str, kind: str) -> list[str]:
    text = (ROOT / document).read_text(encoding="utf-8")
    return [body for language, body in FENCE.findall(text) if language == kind]


def commands() -> list[str]:
    lines = [
        line
        for name in DOCUMENTS
        if name not in GUIDES
        for block in blocks(name, "console")
        for line in block.split("\n")
    ]
    return [line.removeprefix("$ ") for line in lines if line]


def sessions() -> list[str]:
    text = "\n".join((ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS)
    return sorted(
        {name for found in re.findall(r"nox -s ([a-z ]+)", text) for name in found.split()}
    )


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_block_is_of_a_kind_that_is_tested(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    kinds = {language for language, _ in FENCE.findall(text)}
    assert kinds <= {"python", "console", "toml", "text"}
    assert text.count("```") == 2 * len(FENCE.findall(text))


@pytest.mark.parametrize("document", [one for one in DOCUMENTS if one not in GUIDES])
def test_the_python_runs(document: str) -> None:
    """Blocks of one document share their names; what ``>>>`` shows is what comes out."""
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


@pytest.mark.parametrize(
    "command", [one for one in commands() if "diglot" in one and "pip" not in one]
)
def test_the_command_runs(command: str, tmp_path: Path) -> None:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        command,
        shell=True,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert not done.stderr.strip()


def test_what_is_installed_exists() -> None:
    installs = [one for one in commands() if "pip install" in one]
    extras = {
        name
        for one in installs
        for found in re.findall(r"\[(.*?)\]", one)
        for name in found.split(",")
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert extras
    assert extras <= set(project["optional-dependencies"])


def test_the_commands_that_set_up_are_what_the_gate_runs() -> None:
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    readme = [one for one in commands() if "nox" in one]
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
    targets = [one for one in re.findall(r"\]\(([^)]+)\)", text) if not one.startswith("http")]
    folder = (ROOT / document).parent
    missing = [one for one in targets if not (folder / one).exists()]
    assert not missing
