"""Texts from files, standard input and arguments, read row by row.

No more than one row is in memory, so a file may be larger than memory. A row that cannot be read is
a :class:`Fault` among the rows; a source that cannot be read raises an error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO

from diglot.cli.rows import delimited, json_rows, parquet
from diglot.cli.rows.row import Columns, Fault, Row, undecodable
from diglot.errors import InputError

__all__ = ["STANDARD_INPUT", "Columns", "Fault", "Kind", "Row", "Source", "arguments", "opened"]

STANDARD_INPUT = "-"


class Kind(StrEnum):
    """A format of texts."""

    TEXT = "text"
    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"
    JSON = "json"
    PARQUET = "parquet"


_SUFFIXES: Mapping[str, Kind] = {
    "": Kind.TEXT,
    ".txt": Kind.TEXT,
    ".csv": Kind.CSV,
    ".tsv": Kind.TSV,
    ".jsonl": Kind.JSONL,
    ".ndjson": Kind.JSONL,
    ".json": Kind.JSON,
    ".parquet": Kind.PARQUET,
}


@dataclass(frozen=True)
class Source:
    """An open source of rows.

    Attributes:
        prefix: the text before a row's number in messages, such as ``"reviews.csv:"``.
        rows: the rows and faults, in order; they can be read once.
        size: the size of the source in bytes, or in rows if ``done`` is ``None``; ``None`` if it is
            unknown.
        done: the bytes that have been read; ``None`` if ``size`` is a number of rows.
    """

    prefix: str
    rows: Iterator[Row | Fault]
    size: int | None = None
    done: Callable[[], int] | None = None


def arguments(texts: Sequence[str]) -> Source:
    """The texts of a command line, numbered from 1."""
    rows = iter([Row(number, text) for number, text in enumerate(texts, 1)])
    return Source("TEXT ", rows, len(texts))


@contextmanager
def opened(name: str, kind: Kind | None, columns: Columns) -> Iterator[Source]:
    """Open a file or standard input.

    Args:
        name: a path, or ``"-"`` for standard input.
        kind: the format; ``None`` for the one of the file's suffix. Standard input without a format
            has a text on each line.
        columns: the columns to read.

    Raises:
        InputError: the file does not exist, its format is unknown or invalid, or it lacks a column.
            A broken JSON array raises it while the rows are read.
    """
    if name == STANDARD_INPUT:
        if kind is Kind.PARQUET:
            raise InputError("Parquet cannot be read from a pipe; give the file's name as --input")
        # Standard input stays open; only the decoder around it is closed.
        stream = sys.stdin.buffer
        yield Source(
            "<stdin>:", _rows(stream, "<stdin>", kind or Kind.TEXT, columns), None, lambda: 0
        )
        return
    path = Path(name)
    kind = kind or _kind(path)
    try:
        binary = path.open("rb")
    except OSError as error:
        raise InputError(
            f"{name} cannot be read: {error.strerror}. Give a file, or - for standard input."
        ) from error
    with binary:
        if kind is Kind.PARQUET:
            yield Source(f"{name}:", *parquet.rows(binary, name, columns))
        else:
            size = os.fstat(binary.fileno()).st_size or None
            with closing(_rows(binary, name, kind, columns)) as rows:
                yield Source(f"{name}:", rows, size, binary.tell)


def _kind(path: Path) -> Kind:
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise InputError(
            f"{path} has the suffix {suffix}, which diglot does not know; name the format with"
            f" --input-format, which takes one of {', '.join(Kind)}"
        )
    return _SUFFIXES[suffix]


def _rows(binary: BinaryIO, name: str, kind: Kind, columns: Columns) -> Generator[Row | Fault]:
    # Bytes that are not UTF-8 become lone surrogates, so only their row has a fault.
    stream = TextIOWrapper(
        binary,
        encoding="utf-8-sig",
        errors="surrogateescape",
        newline="" if kind is Kind.CSV else "\n",
    )
    try:
        if kind is Kind.TEXT:
            yield from _lines(stream, name, columns)
        elif kind is Kind.JSONL:
            yield from json_rows.lines(stream, columns)
        elif kind is Kind.JSON:
            yield from json_rows.elements(stream, name, columns)
        else:
            yield from delimited.rows(stream, name, columns, tabs=kind is Kind.TSV)
    finally:
        # The caller opened the bytes, and closes them.
        stream.detach()


def _lines(stream: Iterable[str], name: str, columns: Columns) -> Iterator[Row | Fault]:
    for option, column in (("--column", columns.text), ("--pair-column", columns.pair)):
        if column is not None:
            raise InputError(
                f"{name} is read as plain text, with a text on each line and no columns; leave out"
                f" {option}, or name the file's format with --input-format"
            )
    for number, line in enumerate(stream, 1):
        text = line.removesuffix("\n").removesuffix("\r")
        reason = undecodable(text)
        yield Row(number, text) if reason is None else Fault(number, reason)
