"""Rows of CSV and TSV files."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator

from diglot.cli.rows.row import Columns, Fault, Row, resolve, undecodable
from diglot.errors import InputError


def rows(
    stream: Iterable[str], name: str, columns: Columns, *, tabs: bool
) -> Iterator[Row | Fault]:
    """The rows of a file with a header.

    Args:
        stream: the lines of the file, with unchanged line ends.
        name: the name of the file, for messages.
        columns: the columns to read.
        tabs: whether the file is TSV, rather than CSV.

    Raises:
        InputError: the header is missing or unreadable, or lacks a column.
    """
    kind = "TSV" if tabs else "CSV"
    lines = _Lines(stream)
    if tabs:
        # A quotation mark has no meaning in IANA's text/tab-separated-values.
        reader = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE, strict=True)
    else:
        reader = csv.reader(lines, strict=True)
    records = _records(reader, lines, kind)
    header = next(records, None)
    if header is None or isinstance(header, Fault):
        problem = "is empty" if header is None else f"has no readable header ({header.reason})"
        raise InputError(f"{name} {problem}; a {kind} file begins with the columns' names")
    names = header[1]
    if (reason := undecodable("".join(names))) is not None:
        raise InputError(f"the header of {name} {reason}")
    chosen = resolve(columns, names, name)
    places = [names.index(column) for column in chosen]
    for record in records:
        if isinstance(record, Fault):
            yield record
            continue
        line, cells = record
        if len(cells) != len(names):
            # Otherwise a text that contains a delimiter would be cut without a message.
            yield Fault(line, f"has {len(cells)} cells, but the header has {len(names)}")
            continue
        texts = [cells[place] for place in places]
        reasons = [reason for text in texts if (reason := undecodable(text)) is not None]
        yield Fault(line, reasons[0]) if reasons else Row(line, *texts)


def _records(
    reader: Iterator[list[str]], lines: _Lines, kind: str
) -> Iterator[tuple[int, list[str]] | Fault]:
    """The records that are not blank, each with the number of its first line."""
    while True:
        start = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # The end of a broken record is unknown: an unclosed quotation mark would include all
            # lines to the end of the file. Only its first line is skipped.
            lines.return_all_but_first()
            yield Fault(start, f"is not valid {kind}: {error}")
            continue
        lines.accept()
        if cells:
            yield start, cells


class _Lines:
    """Lines for a CSV reader; they can be returned, and are then read again."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._returned: deque[str] = deque()
        self._read: list[str] = []
        self.number = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._returned.popleft() if self._returned else next(self._lines)
        self._read.append(line)
        self.number += 1
        return line

    def accept(self) -> None:
        """Accept the lines that were read, so that they cannot be returned."""
        self._read.clear()

    def return_all_but_first(self) -> None:
        """Return the lines that were read and not accepted, except the first one."""
        returned = self._read[1:]
        self._returned.extendleft(reversed(returned))
        self.number -= len(returned)
        self._read.clear()
