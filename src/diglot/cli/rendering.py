"""What the commands print: answers in four formats, and tables of facts."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol, TextIO

from diglot.text import json_number, visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from diglot.heads.sequence_classification import Prediction

# Labels that are longer are continued on the next line.
_LABEL_WIDTH = 24


class Format(StrEnum):
    """How answers are written."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


class Facts(StrEnum):
    """How facts are written."""

    TABLE = "table"
    JSON = "json"


class Answer(NamedTuple):
    """The predictions for one row, the best first.

    Attributes:
        line: the row's number.
        texts: the text, and the second one of a pair.
        predictions: one, or as many as were asked for.
    """

    line: int
    texts: Sequence[str]
    predictions: Sequence[Prediction]


class Writer(Protocol):
    """Something that writes answers, window by window."""

    def write(self, answers: Iterable[Answer]) -> None:
        """Write some answers after those before."""

    def finish(self) -> None:
        """Write what comes after the last."""


def writer(layout: Format, stream: TextIO, *, ranked: bool, pairs: bool) -> Writer:
    """A writer of that format.

    Args:
        layout: which one.
        stream: where to write; it is not closed.
        ranked: whether a row has a list of predictions, rather than the best one.
        pairs: whether a row has two texts.
    """
    names = ["text", "text_pair"] if pairs else ["text"]
    if layout is Format.TABLE:
        return _Table(stream)
    if layout is Format.CSV:
        return _Csv(stream, names, ranked)
    return (_Json if layout is Format.JSON else _JsonLines)(stream, names, ranked)


class _JsonLines:
    """An object a line: line, text, and label and score or a list of them."""

    def __init__(self, stream: TextIO, names: Sequence[str], ranked: bool) -> None:
        self._stream = stream
        self._names = names
        self._ranked = ranked

    def write(self, answers: Iterable[Answer]) -> None:
        for answer in answers:
            self._stream.write(f"{self._object(answer)}\n")

    def finish(self) -> None:
        pass

    def _object(self, answer: Answer) -> str:
        found = [
            {"label": one["label"], "score": json_number(one["score"])}
            for one in answer.predictions
        ]
        fields = {
            "line": answer.line,
            **dict(zip(self._names, answer.texts, strict=True)),
            **({"predictions": found} if self._ranked else found[0]),
        }
        return json.dumps(fields, ensure_ascii=False, allow_nan=False)


class _Json(_JsonLines):
    """The same objects in an array."""

    _before = "["

    def write(self, answers: Iterable[Answer]) -> None:
        for answer in answers:
            self._stream.write(f"{self._before}\n{self._object(answer)}")
            self._before = ","

    def finish(self) -> None:
        self._stream.write("[]\n" if self._before == "[" else "\n]\n")


class _Csv:
    """CSV with a header; of a ranking, a record for each label, numbered by ``rank``."""

    def __init__(self, stream: TextIO, names: Sequence[str], ranked: bool) -> None:
        self._ranked = ranked
        # All texts are quoted, so that a text may hold any kind of line break.
        self._writer = csv.writer(stream, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        rank = ["rank"] if ranked else []
        csv.writer(stream, lineterminator="\n").writerow(["line", *names, *rank, "label", "score"])

    def write(self, answers: Iterable[Answer]) -> None:
        for line, texts, predictions in answers:
            for place, one in enumerate(predictions, 1):
                rank = [place] if self._ranked else []
                self._writer.writerow([line, *texts, *rank, one["label"], one["score"]])

    def finish(self) -> None:
        pass


class _Table:
    """A table for people: a line for each label, long texts cut to the width."""

    def __init__(self, stream: TextIO) -> None:
        self._console = console(stream)
        self._begun = False

    def write(self, answers: Iterable[Answer]) -> None:
        from rich.cells import cell_len
        from rich.table import Table

        answers = list(answers)
        labels = [shown(one["label"]) for answer in answers for one in answer.predictions]
        table = Table(box=None, show_header=not self._begun, pad_edge=False, expand=True)
        table.add_column("line", justify="right", width=7)
        widest = max([8, *map(cell_len, labels)])
        table.add_column("label", width=min(widest, _LABEL_WIDTH), overflow="fold")
        table.add_column("score", justify="right", width=10)
        table.add_column("text", no_wrap=True, overflow="ellipsis", ratio=1)
        for answer in answers:
            for place, one in enumerate(answer.predictions):
                first = [str(answer.line), " | ".join(map(shown, answer.texts))]
                line, text = ("", "") if place else first
                cells = [line, shown(one["label"]), _short(one["score"]), text]
                table.add_row(*cells)
        self._console.print(table)
        self._begun = True

    def finish(self) -> None:
        pass


def facts(rows: Iterable[Sequence[str]], *columns: str) -> Table:
    """A table of short texts.

    Args:
        rows: the cells, as many as there are columns.
        *columns: the columns' names; empty ones for a table without a header.
    """
    from rich.table import Table

    table = Table(box=None, show_header=any(columns), pad_edge=False, padding=(0, 2, 0, 0))
    for place, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=place == 0)
    for row in rows:
        table.add_row(*map(shown, row))
    return table


def console(stream: TextIO | None = None) -> Console:
    """A console that prints text as it is: no markup, no emoji, no colours of its own choice.

    Args:
        stream: where to; ``None`` for standard output.
    """
    from rich.console import Console

    class Plain(Console):
        def on_broken_pipe(self) -> None:
            # rich would end the process with exit code 1.
            raise BrokenPipeError

    return Plain(file=stream, markup=False, emoji=False, highlight=False)


def shown(text: str) -> str:
    """The text as a terminal may print it: everything visible, white space as it is."""
    return visible(text, None, spaces=True)


def _short(score: float) -> str:
    """The score in ten characters at most."""
    return f"{score:.4f}" if abs(score) < 9_999 else f"{score:.2e}"
