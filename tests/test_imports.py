"""What is loaded when, and what works where a framework is not installed; each in a process.

The processes hide a framework by not finding it, as where it is not installed. In environments
that really lack one, ``nox -s without`` proves the same.
"""

import json
import subprocess
import sys

import pytest

HEAVY = {"torch", "tensorflow", "keras", "transformers"}

PREAMBLE = """
import importlib.util
import sys


class Hiding:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.split(".")[0] in hidden else self.finder.find_spec(name, path, target)

    def find_distributions(self, context):
        for found in getattr(self.finder, "find_distributions", lambda _: [])(context):
            if found.metadata["Name"].split("-")[0] not in hidden:
                yield found


hidden = {hidden!r}
if hidden:
    sys.meta_path[:] = map(Hiding, sys.meta_path)
    assert not any(map(importlib.util.find_spec, hidden))
"""

REPORT = """
import json

sys.stdout.flush()
print()
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


def script(body, hidden=()):
    code = PREAMBLE.replace("{hidden!r}", repr(set(hidden) or ())) + body + REPORT
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *out, loaded = done.stdout.splitlines()
    return "\n".join(out), done.stderr, set(json.loads(loaded))


def run(*arguments, code=0, hidden=()):
    """Run ``diglot`` in a process; what it prints, and the packages that it has loaded."""
    body = f"""
from diglot.cli import main

try:
    main({[str(one) for one in arguments]!r})
except SystemExit as end:
    assert end.code == {code}, f"exit code {{end.code}}"
"""
    return script(body, hidden)


def test_the_import_loads_nothing_heavy():
    _, err, loaded = script("import diglot, diglot.cli, diglot.errors, diglot.settings")

    assert err == ""
    assert "diglot" in loaded
    assert not loaded & {*HEAVY, "numpy", "pyarrow", "huggingface_hub"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["classify", "--help"],
        ["explain", "--help"],
        ["export", "--help"],
        ["doctor", "--help"],
        ["check", "--help"],
        ["trace", "--help"],
        ["record", "--help"],
        ["ledger", "diff", "--help"],
    ],
)
def test_help_loads_nothing_heavy(arguments):
    out, err, loaded = run(*arguments)

    assert (err, "diglot" in out) == ("", True)
    assert not loaded & {*HEAVY, "numpy", "pyarrow", "huggingface_hub", "safetensors"}


def test_config_and_info_load_no_framework(tiny):
    for arguments in (["config"], ["info", "-m", tiny]):
        out, err, loaded = run(*arguments)
        assert (err, "torch" in out) == ("", True)
        assert not loaded & HEAVY


def test_classifying_with_pytorch_loads_no_tensorflow(tiny):
    out, err, loaded = run("classify", "a b", "-m", tiny, "-b", "torch")

    assert (err, json.loads(out)["text"]) == ("", "a b")
    assert "torch" in loaded
    assert not loaded & {"tensorflow", "keras"}


def test_without_tensorflow_pytorch_works(tiny):
    hidden = ["tensorflow", "keras"]
    out, err, loaded = run("classify", "a b", "-m", tiny, hidden=hidden)
    assert (err, json.loads(out)["text"]) == ("", "a b")
    assert not loaded & set(hidden)

    _, err, _ = run("classify", "a", "-m", tiny, "-b", "tensorflow", code=1, hidden=hidden)
    assert "needs tensorflow and keras" in err
    assert "python -m pip install 'diglot[tensorflow]'" in err
    _, err, _ = run("explain", "a", "-m", tiny, "-b", "both", code=1, hidden=hidden)
    assert "python -m pip install 'diglot[tensorflow]'" in err


def test_without_pytorch_the_facts_are_told_and_the_extra_is_named(tiny):
    out, err, loaded = run("info", "-m", tiny, "-f", "json", hidden=["torch"])
    assert err == ""
    facts = json.loads(out)
    assert facts["versions"]["torch"] is None
    assert facts["backends"]["torch"] == {"installed": False, "missing": ["torch"]}
    assert facts["backends"]["tensorflow"] == {"installed": False, "missing": ["torch"]}
    assert facts["checkpoint"]["labels"] == ["NEGATIVE", "POSITIVE"]
    assert not loaded & HEAVY

    out, err, _ = run("config", hidden=["torch"])
    assert (err, "none is installed" in out) == ("", True)

    _, err, _ = run("classify", "a", "-m", tiny, code=1, hidden=["torch"])
    assert "python -m pip install 'diglot[torch]'" in err
    for backend in ("torch", "tensorflow"):
        _, err, _ = run("classify", "a", "-m", tiny, "-b", backend, code=1, hidden=["torch"])
        assert f"the backend '{backend}' needs torch, which is not installed" in err
        assert f"python -m pip install 'diglot[{backend}]'" in err


def test_without_the_extra_serving_it_is_named(tiny):
    for arguments in (
        ["export", tiny],
        ["doctor", tiny],
        ["classify", "a", "--backend", "serving", "--address", "grpc://localhost:1", "-m", "a"],
    ):
        _, err, _ = run(*arguments, code=1, hidden=["tensorflow_serving"])
        assert "needs tensorflow_serving, which is not installed" in err
        assert "python -m pip install 'diglot[tensorflow,serving]'" in err


def test_asking_a_server_by_rest_loads_no_framework():
    address = ["--backend", "serving", "--address", "http://localhost:1", "-m", "a"]
    _, err, loaded = run("classify", "a", *address, code=1)
    assert "localhost:1" in err
    assert not loaded & HEAVY


@pytest.mark.parametrize(
    ("arguments", "hidden"),
    [
        (["check"], "hypothesis"),
        (["check", "--report", "page.html"], "altair"),
        (["record", "--to", "a.ledger"], "hypothesis"),
    ],
)
def test_without_the_extra_parity_it_is_named(tiny, tmp_path, monkeypatch, arguments, hidden):
    monkeypatch.chdir(tmp_path)
    _, err, _ = run(*arguments, tiny, code=2, hidden=[hidden])
    assert f"needs {hidden}, which is not installed" in err
    assert "python -m pip install 'diglot[parity]'" in err
    assert not list(tmp_path.iterdir())


def test_without_hypothesis_a_check_is_refused_in_python_too():
    out, _, _ = script(
        """
import diglot.parity
from diglot.errors import BackendNotInstalledError

diglot.parity.difference, diglot.parity.STRICT
try:
    diglot.parity.check
except BackendNotInstalledError as error:
    print(error)
""",
        hidden=["hypothesis"],
    )
    assert "diglot[parity]" in out


def test_without_tensorflow_nothing_can_be_checked_against_it(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, err, _ = run("check", tiny, "--examples", 1, code=2, hidden=["tensorflow"])
    assert "the backend 'tensorflow' needs tensorflow, which is not installed" in err
    _, err, _ = run("trace", tiny, "--text", "a", code=2, hidden=["tensorflow"])
    assert "the backend 'tensorflow' needs tensorflow, which is not installed" in err
