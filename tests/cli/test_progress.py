"""Progress bars: what they count, and when they appear."""

import io

import pytest

from diglot.cli import progress, rendering
from diglot.cli.progress import RowProgress
from diglot.cli.rows import Fault, Row, Source

ROWS = [Row(1, "a"), Fault(2, "is bad"), Row(3, "b"), Row(4, "c")]


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self):
        """The answer of a terminal."""
        return True


def followed(rows, *, shown=True, patience=0.0, **source):
    """The text on the terminal after each row and at the end."""
    console = rendering.console(Terminal())
    bar = RowProgress(console, shown=shown, patience=patience)
    lines = []
    with bar:
        for row in bar.follow(Source("", iter(rows), **source)):
            assert row is rows[len(lines)]
            bar.bar.refresh()
            lines.append(console.file.getvalue())
    return [*lines, console.file.getvalue()]


def test_the_bar_counts_the_rows_and_disappears():
    *lines, out = followed(ROWS, size=4)

    assert [f"{number} rows" in line for number, line in enumerate(lines)] == [True] * 4
    assert "4 rows" not in lines[-1]
    assert out.endswith("\x1b[2K")


def test_short_work_has_no_bar():
    assert followed(ROWS, patience=3600.0, size=4) == [""] * 5


def test_a_hidden_bar_never_appears():
    assert followed(ROWS, shown=False, size=4) == [""] * 5


def test_the_bar_cannot_appear_before_its_context():
    console = rendering.console(Terminal())
    bar = RowProgress(console, shown=True, patience=0.0)

    assert list(bar.follow(Source("", iter(ROWS)))) == ROWS
    assert console.file.getvalue() == ""


def test_the_bar_follows_the_bytes_that_are_read():
    positions = iter([25, 50, 75, 100])
    bar = RowProgress(rendering.console(Terminal()), shown=False)
    source = Source("", iter(ROWS), 100, lambda: next(positions))

    assert [bar.bar.tasks[0].percentage for _ in bar.follow(source)] == [25, 50, 75, 100]


def test_a_bar_of_inputs_needs_a_terminal(monkeypatch):
    monkeypatch.setattr("sys.stderr", io.StringIO())
    with progress.inputs_done() as update:
        assert update is None

    monkeypatch.setattr("sys.stderr", Terminal())
    with progress.inputs_done() as update:
        update(1, 2)
        update(2, 2)


@pytest.mark.parametrize(("done", "description"), [(1, "1 of 2 inputs"), (2, "finishing")])
def test_a_bar_of_inputs_describes_its_state(monkeypatch, done, description):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with progress.inputs_done() as update:
        update(done, 2)

    assert description in terminal.getvalue()
