"""The pytest plug-in: ``def test_equal(parity): parity.check()``.

Every run of pytest imports this module, wherever diglot is installed. So all that takes time is
imported when the first check is made.
"""

from __future__ import annotations

import os
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
"""Where failing inputs are kept, in pytest's root directory."""

_OPTIONS = ("checkpoint", "against", "examples", "seed")
_UPDATE = "diglot_update_ledger"

# Reports carry what tests are annotated with from the workers of pytest-xdist to the summary.
_PROPERTY = "diglot"
_MOST = 500

_Arguments = dict[str, Any]
_DONE = pytest.StashKey[list[tuple[_Arguments, "CheckResult"]]]()


class NotEqualError(AssertionError):
    """Two readings of a checkpoint differ.

    Attributes:
        result: all that was found.
    """

    def __init__(self, result: CheckResult) -> None:
        super().__init__(_told(result))
        self.result = result


class Parity:
    """Makes checks for one test, each only once in a run; the fixture ``parity``."""

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
        """Hold two readings of a checkpoint against each other, or one against a ledger.

        What is not given here is taken from the marker ``parity``, then from the command line, then
        from diglot's settings. Paths are meant from pytest's root directory.

        Args:
            checkpoint: a directory, a hub id, or one that was found already.
            against: what is tested.
            ledger: a file with recorded answers, which are then what is right. It is written anew
                where pytest runs with ``--diglot-update-ledger``.
            **options: the others of :func:`diglot.parity.check`.

        Raises:
            NotEqualError: they differ.
            DiglotError: they could not be judged.
        """
        __tracebackhide__ = True
        given = {"checkpoint": checkpoint, "against": against, "ledger": ledger}
        given = {name: one for name, one in given.items() if one is not None}
        try:
            with chdir(self._config.rootpath):
                found = self._found(self._arguments({**given, **options}))
        except DiglotError as error:
            # Its message says what to do; the way to it through diglot's code would bury that.
            raise error.with_traceback(None) from error.__cause__
        ratio = max(stage.ratio for stage in found.stages)
        told = {"checkpoint": found.checkpoint, "equal": found.equal, "ratio": ratio}
        self._node.user_properties.append((_PROPERTY, told))
        if not found.equal:
            raise NotEqualError(found)
        return found

    def _arguments(self, given: _Arguments) -> _Arguments:
        """What a check is called with: the nearest to the call wins."""
        from diglot import settings

        chosen = settings.load()
        arguments: _Arguments = {"checkpoint": chosen.checkpoint}
        for name in _OPTIONS:
            if (value := self._config.getoption(f"diglot_{name}")) is not None:
                arguments[name] = value
        for marker in reversed(list(self._node.iter_markers("parity"))):
            if marker.args:
                raise InputError(
                    f"the marker parity takes names with values, such as examples=20, and was given"
                    f" {marker.args!r}"
                )
            arguments |= _known(marker.kwargs)
        arguments |= _known(given)
        if "ledger" not in arguments or self._config.getoption(_UPDATE):
            # Otherwise the precision is what the ledger was recorded in, whatever is configured.
            arguments.setdefault("precision", chosen.precision)
        return arguments

    def _found(self, arguments: _Arguments) -> CheckResult:
        done = self._config.stash[_DONE]
        for before, found in done:
            if before == arguments:
                return found
        from diglot.parity import check

        found = check(**self._against_ledger(dict(arguments)), failures=FAILURES)
        done.append((arguments, found))
        return found

    def _against_ledger(self, arguments: _Arguments) -> _Arguments:
        """The same with the ledger, where there is one, as what is right."""
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
                " --diglot-update-ledger, and keep it with the tests"
            )
        return {**arguments, "against": ledger, "reference": tested}


@pytest.fixture
def parity(request: pytest.FixtureRequest) -> Parity:
    """Checks that two readings of a checkpoint are equal: ``parity.check()``."""
    return Parity(request)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of diglot."""
    group = parser.getgroup("diglot", "two readings of a checkpoint (diglot)")
    group.addoption(
        "--diglot-checkpoint",
        metavar="DIR|ID",
        help="The checkpoint of tests that name none; the configured one unless given.",
    )
    group.addoption(
        "--diglot-against",
        metavar="BACKEND|DIR|ADDRESS",
        help="What is tested where a test does not say; tensorflow unless given.",
    )
    group.addoption(
        "--diglot-examples", type=int, metavar="N", help="How many inputs a check draws; 100."
    )
    group.addoption(
        "--diglot-seed", type=int, default=0, metavar="N", help="Of the draw; 0 unless given."
    )
    group.addoption(
        "--diglot-update-ledger",
        action="store_true",
        help="Record the ledgers that tests name anew, before they are compared with.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and an empty place for what is found."""
    config.addinivalue_line(
        "markers",
        "parity(checkpoint=..., against=..., ...): what the fixture parity checks, with the names"
        " that parity.check takes",
    )
    examples, seed = config.getoption("diglot_examples"), config.getoption("diglot_seed")
    if examples is not None and examples < 1:
        raise pytest.UsageError(f"--diglot-examples must be 1 or more, not {examples}")
    if seed < 0:
        raise pytest.UsageError(f"--diglot-seed must be 0 or more, not {seed}")
    config.stash[_DONE] = []


def pytest_report_header(config: pytest.Config) -> str:
    """Name the seed of what is drawn."""
    return f"diglot: seed {config.getoption('diglot_seed')}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many checks there were, and how near to the limit."""
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
    ratios = [one["ratio"] for one in checks if one["equal"]]
    said = f"diglot: {len(checks)} check{'s' * (len(checks) > 1)}, {len(ratios)} equal"
    if ratios:
        said += f", with errors of at most {max(ratios):.0%} of the limit"
    terminalreporter.write_line(said)


def _known(given: _Arguments) -> _Arguments:
    """The arguments, each of which must be one that a check takes.

    Raises:
        InputError: one is not.
    """
    from diglot.checkpoints import find
    from diglot.parity import check

    taken = {**signature(check).parameters, **signature(find).parameters, "ledger": None}
    names = sorted(set(taken) - {"options", "failures", "progress"})
    for name in given:
        if name not in names:
            near = get_close_matches(name, names)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise InputError(
                f"there is nothing called {name!r} to check.{hint} A check takes"
                f" {', '.join(names)}."
            )
    return given


def _told(found: CheckResult) -> str:
    """What differs, on which input, by how much, and how to see it again."""
    lines = [
        f"{found.against} against {found.reference}, {found.checkpoint}, {found.precision}:"
        " DIFFERENT",
        f"{len(found.inputs)} inputs, seed {found.seed}; allowed: {found.tolerance}",
    ]
    for one in found.failures:
        lines += [
            f"{one.stage} ({one.side}): {_cut(one.explanation)}",
            f"  smallest input: {_cut(str(one.case))}",
            f"  found in: {one.found_in.origin}",
        ]
        if one.file is not None:
            lines.append(f"  replay: {one.command}" if one.command else f"  kept in: {one.file}")
    lines += [f"since the ledger was recorded: {one}" for one in found.changes]
    return "\n".join(lines)


def _cut(text: str) -> str:
    return text if len(text) <= _MOST else f"{text[:_MOST]}…"
