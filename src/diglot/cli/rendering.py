"""The output of the commands: answers in four formats, tables of facts, JSON."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TextIO

from diglot.files import replacing_file
from diglot.text import json_number, visible

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console
    from rich.table import Table

# In terminal columns. A longer text is continued on the next line.
_WIDEST_TEXT, _NARROWEST_TEXT = 24, 8
_NUMBER_WIDTH = 10


class Format(StrEnum):
    """A format of answers."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


class Facts(StrEnum):
    """A format of facts."""

    TABLE = "table"
    JSON = "json"


class Answer(NamedTuple):
    """The results for one row, the best first.

    Attributes:
        line: the row's number.
        texts: the text, and the second text of a pair.
        results: one or more results of the head, with a value for each of its columns.
    """

    line: int
    texts: Sequence[str]
    results: Sequence[Mapping[str, Any]]


class Writer(Protocol):
    """Writes answers, one after the other."""

    def write(self, answer: Answer) -> None:
        """Write one answer after those before."""

    def finish(self) -> None:
        """Write the end of the format, after the last answer."""


def writer(
    layout: Format,
    stream: TextIO,
    *,
    columns: Sequence[str],
    labels: Sequence[str],
    ranked: bool,
    pairs: bool,
) -> Writer:
    """A writer of a format.

    Args:
        layout: the format.
        stream: where to write; it is not closed.
        columns: the names of the values in a result, from the head.
        labels: the labels of the classifier; a table makes room for the widest.
        ranked: whether an answer is a list of results, rather than the best one.
        pairs: whether a row has two texts.
    """
    names = ["text", "text_pair"] if pairs else ["text"]
    match layout:
        case Format.TABLE:
            return _Table(stream, columns, labels)
        case Format.CSV:
            return _Csv(stream, names, columns, ranked)
        case Format.JSON:
            return _Json(stream, names, columns, ranked)
        case Format.JSONL:
            return _JsonLines(stream, names, columns, ranked)


class _JsonLines:
    """An object on each line: line, text, and the columns of a result or a list of results."""

    def __init__(
        self, stream: TextIO, names: Sequence[str], columns: Sequence[str], ranked: bool
    ) -> None:
        self._stream = stream
        self._names = names
        self._columns = columns
        self._ranked = ranked

    def write(self, answer: Answer) -> None:
        self._stream.write(f"{self._object(answer)}\n")

    def finish(self) -> None:
        pass

    def _object(self, answer: Answer) -> str:
        results = [
            {column: _json_value(result[column]) for column in self._columns}
            for result in answer.results
        ]
        fields = {
            "line": answer.line,
            **dict(zip(self._names, answer.texts, strict=True)),
            **({"predictions": results} if self._ranked else results[0]),
        }
        return json.dumps(fields, ensure_ascii=False, allow_nan=False)


class _Json(_JsonLines):
    """The same objects in an array."""

    _separator = "["

    def write(self, answer: Answer) -> None:
        self._stream.write(f"{self._separator}\n{self._object(answer)}")
        self._separator = ","

    def finish(self) -> None:
        self._stream.write("[]\n" if self._separator == "[" else "\n]\n")


class _Csv:
    """CSV with a header; a ranking has a record for each result, numbered by ``rank``."""

    def __init__(
        self, stream: TextIO, names: Sequence[str], columns: Sequence[str], ranked: bool
    ) -> None:
        self._columns = columns
        self._ranked = ranked
        # All texts are quoted, so that a text may hold any kind of line break.
        self._writer = csv.writer(stream, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        rank = ["rank"] if ranked else []
        csv.writer(stream, lineterminator="\n").writerow(["line", *names, *rank, *columns])

    def write(self, answer: Answer) -> None:
        for place, result in enumerate(answer.results, 1):
            rank = [place] if self._ranked else []
            values = [result[column] for column in self._columns]
            self._writer.writerow([answer.line, *answer.texts, *rank, *values])

    def finish(self) -> None:
        pass


class _Table:
    """A table for people: a line for each result, long texts cut to the width.

    The widths of the columns are fixed, so each answer is printed at once.
    """

    def __init__(self, stream: TextIO, columns: Sequence[str], labels: Sequence[str]) -> None:
        from rich.cells import cell_len

        self._console = console(stream)
        self._columns = columns
        widest = max(cell_len(shown(label)) for label in labels)
        self._text_width = min(max(widest, _NARROWEST_TEXT), _WIDEST_TEXT)
        self._show_header = True

    def write(self, answer: Answer) -> None:
        from rich.table import Table

        table = Table(box=None, show_header=self._show_header, pad_edge=False, expand=True)
        table.add_column("line", justify="right", width=7)
        for column in self._columns:
            if isinstance(answer.results[0][column], str):
                table.add_column(column, width=self._text_width, overflow="fold")
            else:
                table.add_column(column, justify="right", width=_NUMBER_WIDTH)
        table.add_column("text", no_wrap=True, overflow="ellipsis", ratio=1)
        line, text = str(answer.line), " | ".join(map(shown, answer.texts))
        for result in answer.results:
            table.add_row(line, *(_cell(result[column]) for column in self._columns), text)
            line = text = ""
        self._console.print(table)
        self._show_header = False

    def finish(self) -> None:
        pass


def _json_value(value: Any) -> Any:
    return json_number(value) if isinstance(value, float) else value


def _cell(value: Any) -> str:
    """A value for a table; a number has ten characters at most."""
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, int):
        return str(value)
    return f"{value:.4f}" if abs(value) < 9_999 else f"{value:.2e}"


def facts(rows: Iterable[Sequence[str]], *columns: str) -> Table:
    """A table of short texts.

    Args:
        rows: the cells of each row, one for each column.
        *columns: the names of the columns; all empty for a table without a header.
    """
    from rich.table import Table

    table = Table(box=None, show_header=any(columns), pad_edge=False, padding=(0, 2, 0, 0))
    for place, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=place == 0)
    for row in rows:
        table.add_row(*map(shown, row))
    return table


def console(stream: TextIO | None = None) -> Console:
    """A console that prints text unchanged: without markup, emoji and automatic colours.

    Args:
        stream: where to print; ``None`` for standard output.
    """
    from rich.console import Console

    class Plain(Console):
        def on_broken_pipe(self) -> None:
            # rich would end the process with exit code 1.
            raise BrokenPipeError

    return Plain(file=stream, markup=False, emoji=False, highlight=False)


def shown(text: str) -> str:
    """The text with an escape for each invisible character, and its white space unchanged."""
    return visible(text, None, spaces=True)


def print_json(value: object) -> None:
    """Print a value as indented JSON."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_json(value: object, path: Path) -> None:
    """Write a value to a file, as JSON on one line.

    Raises:
        OSError: the file cannot be written.
    """
    with replacing_file(path) as file:
        file.write_text(json.dumps(value, ensure_ascii=False) + "\n", "utf-8")
