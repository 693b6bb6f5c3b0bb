"""The pytest plug-in: ``def test_equal(parity): parity.check()``.

Every run of pytest imports this module if diglot is installed. So modules that take long to import
are imported at the first check, and a run that does not use the plug-in prints nothing about it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import chdir
from difflib import get_close_matches
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from diglot.errors import DiglotError, InputError, LedgerError

if TYPE_CHECKING:
    from diglot.checkpoints import Checkpoint
    from diglot.equality.sides import Side
    from diglot.parity.result import CheckResult

FAILURES = Path("diglot-failures")
"""The folder for failing inputs, in pytest's root directory."""

_OPTIONS = ("checkpoint", "against", "examples", "seed")
_UPDATE = "diglot_update_ledger"

# The name of a user property. Reports carry properties from pytest-xdist's workers to the summary.
_PROPERTY = "diglot"

# The most characters of an explanation or an input in a message.
_MOST = 500

_Arguments = dict[str, Any]
_DONE = pytest.StashKey[list[tuple[_Arguments, "CheckResult"]]]()


class NotEqualError(AssertionError):
    """Two readings of a checkpoint differ.

    Attributes:
        result: the result of the check.
    """

    def __init__(self, result: CheckResult) -> None:
        super().__init__(_message(result))
        self.result = result


class Parity:
    """The fixture ``parity``: runs checks for one test, and equal checks only once per run."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._config = request.config
        self._node = request.node

    def check(
        self,
        checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
        against: str | os.PathLike[str] | Side | None = None,
        *,
        ledger: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> CheckResult:
        """Compare two readings of a checkpoint with each other, or one reading with a ledger.

        The value of an argument that is not passed comes from the marker ``parity``, or else from
        the command line, or else from diglot's settings. Paths are relative to pytest's root
        directory.

        Args:
            checkpoint: a directory, a hub id, or a checkpoint from :func:`diglot.checkpoints.find`.
            against: the side under test.
            ledger: a file with recorded answers, which are then the reference. It is recorded again
                if pytest runs with ``--diglot-update-ledger``.
            **options: other arguments of :func:`diglot.parity.check`.

        Raises:
            NotEqualError: the two differ.
            DiglotError: the two could not be judged.
        """
        __tracebackhide__ = True
        named = {"checkpoint": checkpoint, "against": against, "ledger": ledger}
        named = {name: value for name, value in named.items() if value is not None}
        try:
            with chdir(self._config.rootpath):
                result = self._result(self._arguments({**named, **options}))
        except DiglotError as error:
            # The message says what to do; a traceback through diglot's code would hide it.
            raise error.with_traceback(None) from error.__cause__
        ratio = max(stage.ratio for stage in result.stages)
        summary = {"checkpoint": result.checkpoint, "equal": result.equal, "ratio": ratio}
        self._node.user_properties.append((_PROPERTY, summary))
        if not result.equal:
            raise NotEqualError(result)
        return result

    def _arguments(self, passed: _Arguments) -> _Arguments:
        """The arguments of a check; the value that is nearest to the call wins."""
        from diglot import settings

        chosen = settings.load()
        arguments: _Arguments = {"checkpoint": chosen.checkpoint, "seed": _seed(self._config)}
        for name in _OPTIONS:
            if (value := self._config.getoption(f"diglot_{name}")) is not None:
                arguments[name] = value
        for marker in reversed(list(self._node.iter_markers("parity"))):
            if marker.args:
                raise InputError(
                    f"the marker parity takes only keyword arguments, such as examples=20, and got"
                    f" {marker.args!r}"
                )
            arguments |= _known(marker.kwargs)
        arguments |= _known(passed)
        if "ledger" not in arguments or self._config.getoption(_UPDATE):
            # A ledger has a precision of its own, which the configured one must not replace.
            arguments.setdefault("precision", chosen.precision)
        return arguments

    def _result(self, arguments: _Arguments) -> CheckResult:
        """The result of a check, which is run unless an equal one was."""
        done = self._config.stash[_DONE]
        for earlier, result in done:
            if earlier == arguments:
                return result
        from diglot.parity import check

        result = check(**self._against_ledger(dict(arguments)), failures=FAILURES)
        done.append((arguments, result))
        return result

    def _against_ledger(self, arguments: _Arguments) -> _Arguments:
        """The same arguments with the ledger, if there is one, as the reference.

        Raises:
            LedgerError: there is no such file.
        """
        if (ledger := arguments.pop("ledger", None)) is None:
            return arguments
        from diglot import backends

        tested = arguments.pop("against", backends.DEFAULT_TESTED)
        reference = arguments.pop("reference", backends.REFERENCE)
        if self._config.getoption(_UPDATE):
            from diglot.parity.ledger import record

            record(to=ledger, backend=reference, **arguments)
        elif not Path(ledger).is_file():
            raise LedgerError(
                f"there is no ledger {os.fspath(ledger)} in {Path.cwd()}; record it with pytest"
                " --diglot-update-ledger, and store it with the tests"
            )
        return {**arguments, "against": ledger, "reference": tested}


@pytest.fixture
def parity(request: pytest.FixtureRequest) -> Parity:
    """Checks that two readings of a checkpoint are equal: ``parity.check()``."""
    return Parity(request)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of diglot."""
    group = parser.getgroup("diglot", "equality of two readings of a checkpoint (diglot)")
    group.addoption(
        "--diglot-checkpoint",
        metavar="DIR|ID",
        help="The checkpoint of tests that name none. Default: the configured one.",
    )
    group.addoption(
        "--diglot-against",
        metavar="BACKEND|DIR|ADDRESS",
        help="The side under test, for tests that name none. Default: tensorflow.",
    )
    group.addoption(
        "--diglot-examples",
        type=int,
        metavar="N",
        help="The number of inputs that a check draws. Default: 100.",
    )
    group.addoption(
        "--diglot-seed", type=int, metavar="N", help="The random seed of the inputs. Default: 0."
    )
    group.addoption(
        "--diglot-update-ledger",
        action="store_true",
        help="Record the ledgers that tests name again, before the comparison.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, check the options, and prepare a store for results."""
    config.addinivalue_line(
        "markers",
        "parity(checkpoint=..., against=..., ...): default arguments of parity.check, for the"
        " fixture parity",
    )
    examples, seed = config.getoption("diglot_examples"), config.getoption("diglot_seed")
    if examples is not None and examples < 1:
        raise pytest.UsageError(f"--diglot-examples must be 1 or more, not {examples}")
    if seed is not None and seed < 0:
        raise pytest.UsageError(f"--diglot-seed must be 0 or more, not {seed}")
    config.stash[_DONE] = []


def pytest_report_header(config: pytest.Config) -> str | None:
    """Print the seed at the start of a run with one of diglot's options."""
    return _seed_line(config) if _has_option(config) else None


def pytest_report_collectionfinish(
    config: pytest.Config, items: Sequence[pytest.Item]
) -> str | None:
    """Print the seed after the collection of a test that uses the fixture or the marker."""
    if not _has_option(config) and any(map(_uses_parity, items)):
        return _seed_line(config)
    return None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the number of checks, and the largest error as a share of the limit."""
    checks = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "teardown"
        for name, value in report.user_properties
        if name == _PROPERTY
    ]
    if not checks:
        return
    ratios = [check["ratio"] for check in checks if check["equal"]]
    line = f"diglot: {len(checks)} check{'s' * (len(checks) > 1)}, {len(ratios)} equal"
    if ratios:
        line += f", with errors of at most {max(ratios):.0%} of the limit"
    terminalreporter.write_line(line)


def _has_option(config: pytest.Config) -> bool:
    values = [config.getoption(f"diglot_{name}") for name in _OPTIONS]
    return config.getoption(_UPDATE) or any(value is not None for value in values)


def _uses_parity(item: pytest.Item) -> bool:
    fixtures = getattr(item, "fixturenames", ())
    return "parity" in fixtures or item.get_closest_marker("parity") is not None


def _seed_line(config: pytest.Config) -> str:
    return f"diglot: seed {_seed(config)}"


def _seed(config: pytest.Config) -> int:
    seed: int | None = config.getoption("diglot_seed")
    return seed or 0


def _known(arguments: _Arguments) -> _Arguments:
    """The same arguments, if a check takes each of them.

    Raises:
        InputError: a check does not take one of them.
    """
    from diglot.checkpoints import find
    from diglot.parity import check

    parameters = {**signature(check).parameters, **signature(find).parameters, "ledger": None}
    names = sorted(set(parameters) - {"options", "failures", "progress"})
    for name in arguments:
        if name not in names:
            near = get_close_matches(name, names)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise InputError(
                f"a check has no argument {name!r}.{hint} The arguments are {', '.join(names)}."
            )
    return arguments


def _message(result: CheckResult) -> str:
    """Each difference: its size, its smallest input, and the command that replays it."""
    lines = [
        f"{result.against} against {result.reference}, {result.checkpoint}, {result.precision}:"
        " DIFFERENT",
        f"{len(result.inputs)} inputs, seed {result.seed}; allowed: {result.tolerance}",
    ]
    for failure in result.failures:
        lines += [
            f"{failure.stage} ({failure.side}): {_cut(failure.explanation)}",
            f"  smallest input: {_cut(str(failure.case))}",
            f"  found in: {failure.found_in.origin}",
        ]
        if failure.command and failure.file is not None:
            lines.append(f"  replay: {failure.command}")
        elif failure.file is not None:
            lines.append(f"  saved in: {failure.file}")
    lines += [f"since the ledger was recorded: {change}" for change in result.changes]
    return "\n".join(lines)


def _cut(text: str) -> str:
    return text if len(text) <= _MOST else f"{text[:_MOST]}…"
