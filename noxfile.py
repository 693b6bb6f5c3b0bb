"""The sessions of nox: ``nox -s demo`` shows diglot at work, ``nox -s tests`` tests it."""

from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = True

PROJECT = nox.project.load_toml("pyproject.toml")
TESTS = nox.project.dependency_groups(PROJECT, "test")
EVERYTHING = ".[tensorflow,serving,parity,parquet]"
# The packages that diglot needs to run an export from the command line.
RUNTIME = ("numpy", "pydantic", "rich", "tensorflow", "typer")
# Two workers for two cores. A worker that has no tests left takes over tests of the other one.
PYTEST = ("pytest", "--numprocesses=2", "--dist=worksteal")
WORKED_EXAMPLE = (
    "I've been waiting for a HuggingFace course my whole life.",
    "I hate this so much!",
)

# Checkpoints for which the answers of transformers have changed: `matrix` must find a difference.
CHANGED = {
    # The last hidden state was taken before the final norm, and a token that sees no other token
    # in its window attended to all tokens equally.
    ("modernbert", "oldest"),
}


def install(session: nox.Session, *packages: str) -> None:
    """Install packages at the versions of constraints.txt, which are known to work."""
    session.install("--constraint", "constraints.txt", *packages)


def pinned(package: str, age: str) -> str:
    """The oldest version that pyproject.toml allows, or the newest that is known to work."""
    if age == "oldest":
        project = PROJECT["project"]
        versions = [*project["dependencies"], *project["optional-dependencies"]["tensorflow-cpu"]]
    else:
        versions = Path("constraints.txt").read_text().splitlines()
    exact = (requirement.replace(">=", "==") for requirement in versions)
    return next(requirement for requirement in exact if requirement.startswith(f"{package}=="))


@nox.session
def demo(session: nox.Session) -> None:
    """Explain the worked example in both frameworks with the embedded checkpoint."""
    install(session, ".[tensorflow-cpu]")
    session.run("diglot", "explain", "--backend", "both", *WORKED_EXAMPLE)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, and measure their coverage; arguments after ``--`` go to pytest instead."""
    install(session, "-e", EVERYTHING, *TESTS)
    if session.posargs:
        session.run("pytest", *session.posargs)
        return
    session.run("coverage", "erase")
    session.run(*PYTEST, "-m", "not export", "--cov", "--cov-report=")
    session.run("coverage", "report")


@nox.session
def parity(session: nox.Session) -> None:
    """Run the parity tests with many more examples."""
    install(session, "-e", EVERYTHING, *TESTS)
    session.run(*PYTEST, "parity_tests", *session.posargs, env={"HYPOTHESIS_PROFILE": "long"})


@nox.session
def trust(session: nox.Session) -> None:
    """Measure how many planted faults ``diglot check`` finds, and how many false alarms it raises.

    It takes hours, and a second run continues the first. Arguments after ``--`` go to
    ``python -m parity_tests.trust``.
    """
    install(session, "-e", EVERYTHING, *TESTS)
    results = Path(session.create_tmp(), "trust")
    session.run("python", "-m", "parity_tests.trust", "--results", str(results), *session.posargs)


@nox.session
def serving(session: nox.Session) -> None:
    """Export every architecture, and run one export in an environment without PyTorch."""
    install(session, "-e", EVERYTHING, *TESTS)
    paths = ("tests/serving", "tests/tokenization", "tests/cli/test_export.py")
    session.run(*PYTEST, *paths)
    session.run(*PYTEST, "parity_tests/test_exports.py")
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
    """Test what works without one of the frameworks, and which messages name the missing one."""
    present = {
        "tensorflow": [".[torch,parity]"],
        "torch": [".", "tensorflow-cpu", "keras"],
    }[missing]
    install(session, *present, "pytest")
    session.run("pytest", "tests/test_without.py", env={"TEST_WITHOUT": missing})


@nox.session
def minimums(session: nox.Session) -> None:
    """Run the tests with the lowest versions that pyproject.toml allows."""
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    optional = [
        requirement
        for extra in ("tensorflow", "serving", "parity", "parquet")
        for requirement in extras[extra]
    ]
    requirements = [*project["dependencies"], *optional, *TESTS]
    lowest = Path(session.virtualenv.location) / "minimums.txt"
    lowest.write_text("\n".join(line.replace(">=", "==") for line in requirements))
    session.install("--requirement", str(lowest))
    session.install("--no-deps", "-e", ".")
    # The old versions use features of each other and of Python that are deprecated by now.
    quiet = ("-W", "ignore::DeprecationWarning")
    session.run(*PYTEST, *quiet, "-m", "not export", *session.posargs)


@nox.session
def ledgers(session: nox.Session) -> None:
    """Record the ledgers for ``matrix`` with the versions that are known to work."""
    install(session, "-e", EVERYTHING, *TESTS)
    session.run("python", "-m", "parity_tests.matrix", str(session.cache_dir / "ledgers"))


@nox.session(requires=["ledgers"])
@nox.parametrize("tensorflow", ["newest", "oldest"])
@nox.parametrize("transformers", ["newest", "oldest"])
def matrix(session: nox.Session, transformers: str, tensorflow: str) -> None:
    """Compare the answers of other versions with the ledgers; one version of PyTorch is allowed."""
    session.install(
        pinned("torch", "oldest"),
        pinned("transformers", transformers),
        pinned("tensorflow-cpu", tensorflow),
        ".[tensorflow-cpu,parity]",
    )
    failures = str(Path(session.create_tmp(), "failures"))
    for ledger in sorted((session.cache_dir / "ledgers").glob("*.ledger")):
        code = 1 if (ledger.stem, transformers) in CHANGED else 0
        for backend in ("torch", "tensorflow"):
            session.run(
                *("diglot", "check", str(ledger.with_suffix("")), "--against", str(ledger)),
                *("--reference", backend, "--failures", failures),
                success_codes=[code],
            )


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    install(session, "ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types strictly."""
    install(session, "-e", ".[parity]", "mypy", "pytest", "urllib3")
    session.run("mypy")
