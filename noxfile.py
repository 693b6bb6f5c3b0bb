"""The sessions: ``nox -s demo`` shows diglot at work, ``nox -s tests`` proves it."""

from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = True

PROJECT = nox.project.load_toml("pyproject.toml")
TESTS = nox.project.dependency_groups(PROJECT, "test")
EVERYTHING = ".[tensorflow,serving,parity,parquet]"
# What an export needs, beside diglot itself, to run from the command line.
RUNTIME = ("numpy", "pydantic", "pydantic-settings", "rich", "tensorflow", "typer")
WORKED_EXAMPLE = (
    "I've been waiting for a HuggingFace course my whole life.",
    "I hate this so much!",
)

# Checkpoints in which transformers itself has changed since: there `matrix` must find a difference.
MOVED = {
    # Its last hidden state was taken before the final norm, and a token that sees no other in its
    # window attended to all alike.
    ("modernbert", "oldest"),
}


def install(session: nox.Session, *packages: str) -> None:
    """Install at the versions that are known to be good."""
    session.install("--constraint", "constraints.txt", *packages)


def pinned(package: str, age: str) -> str:
    """The oldest version that pyproject.toml allows, or the newest that is known to be good."""
    if age == "oldest":
        project = PROJECT["project"]
        listed = [*project["dependencies"], *project["optional-dependencies"]["tensorflow-cpu"]]
    else:
        listed = Path("constraints.txt").read_text().splitlines()
    exact = (one.replace(">=", "==") for one in listed)
    return next(one for one in exact if one.startswith(f"{package}=="))


@nox.session
def demo(session: nox.Session) -> None:
    """Set up, and explain the worked example in both frameworks with the embedded checkpoint."""
    install(session, ".[tensorflow-cpu]")
    session.run("diglot", "explain", "--backend", "both", *WORKED_EXAMPLE)


@nox.session
def tests(session: nox.Session) -> None:
    """The tests, with their coverage; what follows ``--`` goes to pytest instead."""
    install(session, "-e", EVERYTHING, *TESTS)
    if session.posargs:
        session.run("pytest", *session.posargs)
        return
    session.run("coverage", "erase")
    some = ("-m", "not export")
    session.run("pytest", "--numprocesses=2", "--dist=loadgroup", *some, "--cov", "--cov-report=")
    session.run("coverage", "report")


@nox.session
def parity(session: nox.Session) -> None:
    """The long run: the parity tests with many more examples."""
    install(session, "-e", EVERYTHING, *TESTS)
    session.run(
        *("pytest", "--numprocesses=2", "--dist=loadgroup", "parity_tests", *session.posargs),
        env={"HYPOTHESIS_PROFILE": "long"},
    )


@nox.session
def trust(session: nox.Session) -> None:
    """How far ``diglot check`` can be trusted; it takes hours, and can be taken up again.

    What follows ``--`` goes to ``python -m parity_tests.trust``.
    """
    install(session, "-e", EVERYTHING, *TESTS)
    results = Path(session.create_tmp(), "trust")
    session.run("python", "-m", "parity_tests.trust", "--results", str(results), *session.posargs)


@nox.session
def serving(session: nox.Session) -> None:
    """Exports of every architecture, proven; and one that runs where there is no PyTorch."""
    install(session, "-e", EVERYTHING, *TESTS)
    paths = ("tests/serving", "tests/tokenization", "tests/cli/test_export.py")
    session.run("pytest", "--numprocesses=2", "--dist=loadgroup", *paths)
    session.run("pytest", "--numprocesses=2", "parity_tests/test_exports.py")
    scratch = Path(session.create_tmp())
    models, alone = scratch / "saved_models", scratch / "alone"
    session.run("diglot", "export", "--to", str(models))
    session.run("diglot", "doctor", str(models / "diglot-sst2"))
    session.run("python", "-m", "venv", "--clear", str(alone))
    python = (str(alone / "bin" / "python"), "-m")
    pip = (*python, "pip", "--disable-pip-version-check")
    constrained = ("install", "--quiet", "--constraint", "constraints.txt")
    session.run(*pip, *constrained, *RUNTIME, external=True)
    session.run(*pip, "install", "--quiet", "--no-deps", ".", external=True)
    session.run(*pip, "uninstall", "--quiet", "--yes", "keras", external=True)
    session.run(
        *(*python, "diglot", "classify", "--model", str(models / "diglot-sst2")),
        *WORKED_EXAMPLE,
        external=True,
    )


@nox.session
@nox.parametrize("missing", ["tensorflow", "torch"])
def without(session: nox.Session, missing: str) -> None:
    """What still works where one framework is not installed, and what says so."""
    present = {
        "tensorflow": [".[torch,parity]"],
        "torch": [".", "tensorflow-cpu", "keras"],
    }[missing]
    install(session, *present, "pytest")
    session.run("pytest", "tests/test_without.py", env={"TEST_WITHOUT": missing})


@nox.session
def minimums(session: nox.Session) -> None:
    """The lowest versions that pyproject.toml allows."""
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    some = [
        one for extra in ("tensorflow", "serving", "parity", "parquet") for one in extras[extra]
    ]
    requirements = [*project["dependencies"], *some, *TESTS]
    lowest = Path(session.virtualenv.location) / "minimums.txt"
    lowest.write_text("\n".join(one.replace(">=", "==") for one in requirements))
    session.install("--requirement", str(lowest))
    session.install("--no-deps", "-e", ".")
    # What these old versions themselves deprecate is no news.
    quiet = ("-W", "ignore::DeprecationWarning")
    chosen = (*quiet, "-m", "not export", *session.posargs)
    session.run("pytest", "--numprocesses=2", "--dist=loadgroup", *chosen)


@nox.session
def ledgers(session: nox.Session) -> None:
    """Ledgers for ``matrix``, recorded with the versions that are known to be good."""
    install(session, "-e", EVERYTHING, *TESTS)
    session.run("python", "-m", "parity_tests.matrix", str(session.cache_dir / "ledgers"))


@nox.session(requires=["ledgers"])
@nox.parametrize("tensorflow", ["newest", "oldest"])
@nox.parametrize("transformers", ["newest", "oldest"])
def matrix(session: nox.Session, transformers: str, tensorflow: str) -> None:
    """Other versions, held against the same ledgers; of PyTorch, the oldest is the newest."""
    session.install(
        pinned("torch", "oldest"),
        pinned("transformers", transformers),
        pinned("tensorflow-cpu", tensorflow),
        ".[tensorflow-cpu,parity]",
    )
    failures = str(Path(session.create_tmp(), "failures"))
    for ledger in sorted((session.cache_dir / "ledgers").glob("*.ledger")):
        code = 1 if (ledger.stem, transformers) in MOVED else 0
        for backend in ("torch", "tensorflow"):
            session.run(
                *("diglot", "check", str(ledger.with_suffix("")), "--against", str(ledger)),
                *("--reference", backend, "--failures", failures),
                success_codes=[code],
            )


@nox.session
def lint(session: nox.Session) -> None:
    """Style and formatting."""
    install(session, "ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Types, strictly."""
    install(session, "-e", ".[parity]", "mypy", "pytest", "urllib3")
    session.run("mypy")
