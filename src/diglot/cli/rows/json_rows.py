"""Rows of JSON values: a value on each line, or an array of values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from diglot.cli.rows import json_array
from diglot.cli.rows.row import Columns, Fault, Row, resolve, undecodable
from diglot.errors import InputError


def lines(stream: Iterable[str], columns: Columns) -> Iterator[Row | Fault]:
    """The rows of a stream with a JSON value on each line; blank lines are skipped."""
    objects = _Objects(columns)
    for number, line in enumerate(stream, 1):
        if (reason := undecodable(line)) is not None:
            yield Fault(number, reason)
        elif line.strip():
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                column = f" at column {error.colno}" if hasattr(error, "colno") else ""
                yield Fault(number, f"is not valid JSON: {json_array.reason(error)}{column}")
            else:
                yield objects.row(number, value)


def elements(stream: TextIO, name: str, columns: Columns) -> Iterator[Row | Fault]:
    """The rows of a stream that holds one JSON array.

    Raises:
        InputError: the stream holds no valid array; raised when the invalid place is reached.
    """
    objects = _Objects(columns)
    for line, value, written in json_array.elements(stream, name):
        reason = undecodable(written)
        yield objects.row(line, value) if reason is None else Fault(line, reason)


class _Objects:
    """Turns JSON values into rows: objects with the columns as keys, or plain texts."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._chosen: list[str] | None = None

    def row(self, line: int, value: Any) -> Row | Fault:
        if isinstance(value, str) and self._columns.pair is None:
            return Row(line, value)
        if not isinstance(value, dict):
            expected = "an object" if self._columns.pair else "an object or a text"
            return Fault(line, f"holds {_short(value)}, not {expected}")
        try:
            chosen = self._chosen or resolve(self._columns, list(value), "the object")
        except InputError as error:
            return Fault(line, str(error))
        texts = []
        for column in chosen:
            if column not in value:
                keys = ", ".join(map(repr, value)) or "none"
                return Fault(line, f"has no key {column!r}; its keys: {keys}")
            if not isinstance(value[column], str):
                return Fault(line, f"has {_short(value[column])} as {column!r}, not a text")
            texts.append(value[column])
        # The columns of the first good row are the columns of all rows.
        self._chosen = chosen
        return Row(line, *texts)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:39]}…"
