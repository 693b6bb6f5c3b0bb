"""Progress bars on standard error, for work that takes a while."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from diglot.cli import rendering
from diglot.cli.rows import Fault, Row, Source

if TYPE_CHECKING:
    from rich.console import Console

# Shorter work has no bar, which would only flicker. In seconds.
_PATIENCE = 1.0


class RowProgress:
    """A bar that follows the rows that are read.

    It can appear inside the context only, and disappears at the end of it.
    """

    def __init__(self, console: Console, *, shown: bool, patience: float = _PATIENCE) -> None:
        """Prepare the bar.

        Args:
            console: a console on standard error.
            shown: whether the bar may appear at all.
            patience: the seconds in the context after which it appears.
        """
        from rich import progress

        self.bar = progress.Progress(
            progress.TextColumn("{task.fields[rows]} rows"),
            progress.BarColumn(),
            progress.TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self.bar.add_task("", total=None, rows=0)
        self._shown = shown
        self._patience = patience
        self._start = math.inf

    def __enter__(self) -> RowProgress:
        self._start = time.monotonic() + self._patience
        return self

    def __exit__(self, *exception: object) -> None:
        if self._shown:
            self.bar.stop()

    def follow(self, source: Source) -> Iterator[Row | Fault]:
        """The rows of a source; the bar moves as they are read."""
        self.bar.update(self._task, total=source.size)
        for count, row in enumerate(source.rows):
            done = count if source.done is None else source.done()
            self.bar.update(self._task, completed=done, rows=count)
            if self._shown and time.monotonic() >= self._start:
                self.bar.start()
            yield row


@contextmanager
def inputs_done() -> Iterator[Callable[[int, int], None] | None]:
    """A bar for a check or a record, moved by a function of the inputs done and of all inputs.

    The function is ``None`` if standard error is not a terminal.
    """
    from rich import progress

    if not sys.stderr.isatty():
        yield None
        return
    console = rendering.console(sys.stderr)
    columns = (progress.TextColumn("{task.description}"), progress.BarColumn())
    with progress.Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("loading", total=None)

        def update(done: int, total: int) -> None:
            description = f"{done} of {total} inputs" if done < total else "finishing"
            bar.update(task, description=description, completed=done, total=total)

        yield update
