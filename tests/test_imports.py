"""What diglot imports when, and its messages where an optional package is not installed.

Each test runs in a process of its own, in which the import system does not find the hidden
packages. ``nox -s without`` proves the same in environments that really lack them.
"""

import json
import subprocess
import sys
from typing import NamedTuple

HEAVY = {"torch", "tensorflow", "keras", "transformers"}
# What a command that only prints its own options has no use for.
NEEDLESS = HEAVY | {"numpy", "pyarrow", "huggingface_hub", "safetensors"}

PREAMBLE = """
import contextlib
import importlib.util
import io
import json
import sys


class Hiding:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.split(".")[0] in hidden else self.finder.find_spec(name, path, target)

    def find_distributions(self, context):
        find = getattr(self.finder, "find_distributions", lambda _: [])
        for distribution in find(context):
            if distribution.metadata["Name"].split("-")[0] not in hidden:
                yield distribution


def run(arguments):
    from diglot.cli import main

    out, err, code = io.StringIO(), io.StringIO(), None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(arguments)
        except SystemExit as end:
            code = end.code
    return [code, out.getvalue(), err.getvalue(), loaded()]


def loaded():
    return sorted({name.split(".")[0] for name in sys.modules})


hidden = {hidden!r}
if hidden:
    sys.meta_path[:] = map(Hiding, sys.meta_path)
    assert not any(map(importlib.util.find_spec, hidden))
"""


class Result(NamedTuple):
    """The end of a command.

    Attributes:
        code: the exit code.
        out: its standard output.
        err: its standard error.
        loaded: the top-level packages that the process has imported by then.
    """

    code: int
    out: str
    err: str
    loaded: set[str]


def script(body, hidden=()):
    """Run Python code in a process; returns what it prints last, read as JSON."""
    code = PREAMBLE.replace("{hidden!r}", repr(set(hidden) or ())) + body
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout.splitlines()[-1])


def run(*commands, hidden=()):
    """Run commands of ``diglot`` one after the other in one process; a result for each."""
    arguments = [[str(argument) for argument in command] for command in commands]
    results = script(f"print(json.dumps([run(a) for a in {arguments!r}]))", hidden)
    return [Result(code, out, err, set(loaded)) for code, out, err, loaded in results]


def test_the_import_loads_nothing_heavy():
    loaded = script(
        "import diglot, diglot.cli, diglot.errors, diglot.settings\nprint(json.dumps(loaded()))"
    )

    assert "diglot" in loaded
    assert not {*loaded} & NEEDLESS


def test_help_loads_nothing_heavy():
    commands = [
        ["--help"],
        ["--version"],
        ["classify", "--help"],
        ["explain", "--help"],
        ["config", "--help"],
        ["info", "--help"],
        ["export", "--help"],
        ["doctor", "--help"],
        ["check", "--help"],
        ["trace", "--help"],
        ["record", "--help"],
        ["ledger", "diff", "--help"],
    ]
    results = run(*commands)
    for command, result in zip(commands, results, strict=True):
        assert (command, result.code, result.err) == (command, 0, "")
        assert "diglot" in result.out
        assert (command, result.loaded & NEEDLESS) == (command, set())
    # All commands were asked.
    rows = [line for line in results[0].out.splitlines() if line.startswith("│ ")]
    names = [row.split()[1] for row in rows if row[2] != " "]
    assert {command[0] for command in commands} >= {
        name for name in names if not name.startswith("-")
    } - {"*"}


def test_config_and_info_load_no_framework(tiny):
    for result in run(["config"], ["info", "-m", tiny]):
        assert (result.code, result.err) == (0, "")
        assert "torch" in result.out
        assert not result.loaded & HEAVY


def test_classifying_with_pytorch_loads_no_tensorflow(tiny):
    (result,) = run(["classify", "a b", "-m", tiny, "-b", "torch"])

    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out)["text"] == "a b"
    assert "torch" in result.loaded
    assert not result.loaded & {"tensorflow", "keras"}


def test_without_tensorflow_pytorch_works(tiny):
    hidden = ["tensorflow", "keras"]
    classified, *refused = run(
        ["classify", "a b", "-m", tiny],
        ["classify", "a", "-m", tiny, "-b", "tensorflow"],
        ["explain", "a", "-m", tiny, "-b", "both"],
        hidden=hidden,
    )
    assert (classified.code, classified.err) == (0, "")
    assert json.loads(classified.out)["text"] == "a b"
    assert not classified.loaded & set(hidden)
    for result in refused:
        assert result.code == 1
        assert "python -m pip install 'diglot[tensorflow]'" in result.err
    assert "needs tensorflow and keras" in refused[0].err


def test_without_pytorch_the_facts_are_told_and_the_extra_is_named(tiny):
    info, config, automatic, *named = run(
        ["info", "-m", tiny, "-f", "json"],
        ["config"],
        ["classify", "a", "-m", tiny],
        ["classify", "a", "-m", tiny, "-b", "torch"],
        ["classify", "a", "-m", tiny, "-b", "tensorflow"],
        hidden=["torch"],
    )
    assert (info.code, info.err) == (0, "")
    facts = json.loads(info.out)
    assert facts["versions"]["torch"] is None
    assert facts["backends"]["torch"] == {"installed": False, "missing": ["torch"]}
    assert facts["backends"]["tensorflow"] == {"installed": False, "missing": ["torch"]}
    assert facts["checkpoint"]["labels"] == ["NEGATIVE", "POSITIVE"]
    assert not info.loaded & HEAVY

    assert (config.code, config.err) == (0, "")
    assert "none is installed" in config.out

    assert automatic.code == 1
    assert "python -m pip install 'diglot[torch]'" in automatic.err
    for backend, result in zip(("torch", "tensorflow"), named, strict=True):
        assert result.code == 1
        assert f"the backend '{backend}' needs torch, which is not installed" in result.err
        assert f"python -m pip install 'diglot[{backend}]'" in result.err


def test_without_the_extra_serving_it_is_named(tiny):
    grpc = ["--backend", "serving", "--address", "grpc://localhost:1", "-m", "a"]
    for result in run(
        ["export", tiny],
        ["doctor", tiny],
        ["classify", "a", *grpc],
        hidden=["tensorflow_serving"],
    ):
        assert result.code == 1
        assert "needs tensorflow_serving, which is not installed" in result.err
        assert "python -m pip install 'diglot[tensorflow,serving]'" in result.err


def test_asking_a_server_by_rest_loads_no_framework():
    address = ["--backend", "serving", "--address", "http://localhost:1", "-m", "a"]
    (result,) = run(["classify", "a", *address])
    assert result.code == 1
    assert "localhost:1" in result.err
    assert not result.loaded & HEAVY


def test_without_the_extra_parity_it_is_named(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results = {
        "hypothesis": run(
            ["check", tiny], ["record", "--to", "a.ledger", tiny], hidden=["hypothesis"]
        ),
        "altair": run(["check", "--report", "page.html", tiny], hidden=["altair"]),
    }
    for hidden, refused in results.items():
        for result in refused:
            assert result.code == 2
            assert f"needs {hidden}, which is not installed" in result.err
            assert "python -m pip install 'diglot[parity]'" in result.err
    assert not list(tmp_path.iterdir())


def test_without_hypothesis_a_check_is_refused_in_python_too():
    message = script(
        """
import diglot.parity
from diglot.errors import BackendNotInstalledError

diglot.parity.difference, diglot.parity.STRICT
try:
    diglot.parity.check
except BackendNotInstalledError as error:
    print(json.dumps(str(error)))
""",
        hidden=["hypothesis"],
    )
    assert "diglot[parity]" in message


def test_without_tensorflow_nothing_can_be_checked_against_it(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for result in run(
        ["check", tiny, "--examples", 1],
        ["trace", tiny, "--text", "a"],
        hidden=["tensorflow"],
    ):
        assert result.code == 2
        assert "the backend 'tensorflow' needs tensorflow, which is not installed" in result.err
