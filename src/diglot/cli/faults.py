"""Rows that cannot be classified: the first one ends the command, or each is reported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from diglot.cli import rendering
from diglot.cli.rows import Fault, Row
from diglot.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console


class OnError(StrEnum):
    """The treatment of a row that cannot be classified."""

    FAIL = "fail"
    SKIP = "skip"


@dataclass
class Faults:
    """Reports rows that cannot be classified, and counts all rows.

    Attributes:
        prefix: the text before a row's number, such as ``"reviews.csv:"``.
        on_error: whether the first fault raises, or each fault is printed and its row skipped.
        console: the console for the reports.
        skipped: the number of rows that were skipped.
        rows: the number of rows that were read, skipped ones included.
    """

    prefix: str
    on_error: OnError
    console: Console
    skipped: int = 0
    rows: int = 0

    def readable(self, rows: Iterable[Row | Fault]) -> Iterator[Row]:
        """The rows without a fault, one by one; each fault is reported when it is reached.

        Raises:
            InputError: a row has a fault, and faults are not skipped.
        """
        for row in rows:
            self.rows += 1
            if isinstance(row, Fault):
                self.report(row)
            else:
                yield row

    def report(self, fault: Fault, cause: Exception | None = None) -> None:
        """Print the fault of a skipped row.

        Args:
            fault: the row's number, and what is wrong with it.
            cause: the error behind the fault, if there is one.

        Raises:
            InputError: faults are not skipped.
        """
        message = f"{self.prefix}{fault.line}: {fault.reason}"
        if self.on_error is OnError.FAIL:
            raise InputError(f"{message} (--on-error skip skips such rows)") from cause
        self.skipped += 1
        self.print_line(message)

    def print_line(self, message: str) -> None:
        """Print one line, above the progress bar if there is one."""
        self.console.print(rendering.shown(message), soft_wrap=True)
