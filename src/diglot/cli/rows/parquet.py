"""Rows of Parquet files; they need pyarrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO

from diglot import extras
from diglot.cli.rows.row import Columns, Fault, Row, not_utf8, resolve
from diglot.errors import InputError

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

# The most rows that are in memory at once.
_BATCH = 1024


def rows(binary: BinaryIO, name: str, columns: Columns) -> tuple[Iterator[Row | Fault], int]:
    """The rows of a file, and their number.

    Raises:
        BackendNotInstalledError: pyarrow is not installed.
        InputError: the file is not readable, or it lacks a column.
    """
    extras.require("parquet", "pyarrow", what=f"reading the Parquet file {name}")
    import pyarrow
    from pyarrow import parquet, types

    try:
        file = parquet.ParquetFile(binary)
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"{name} cannot be read as Parquet: {error}") from error
    schema = file.schema_arrow
    chosen = resolve(columns, schema.names, name)
    for column in chosen:
        kind = schema.field(column).type
        values = kind.value_type if types.is_dictionary(kind) else kind
        if not (types.is_string(values) or types.is_large_string(values)):
            raise InputError(f"the column {column!r} of {name} holds {kind}, not texts")
    return _rows(file, name, chosen), file.metadata.num_rows


def _rows(file: ParquetFile, name: str, columns: Sequence[str]) -> Iterator[Row | Fault]:
    import pyarrow

    batches = file.iter_batches(batch_size=_BATCH, columns=list(columns))
    line = 0
    while True:
        try:
            batch = next(batches, None)
        except (pyarrow.ArrowException, OSError) as error:
            raise InputError(f"{name}:{line + 1}: cannot be read as Parquet: {error}") from error
        if batch is None:
            return
        for cells in zip(*(batch.column(column) for column in columns), strict=True):
            line += 1
            try:
                texts = [cell.as_py() for cell in cells]
            except UnicodeDecodeError as error:
                yield Fault(line, not_utf8(error))
                continue
            empty = [column for column, text in zip(columns, texts, strict=True) if text is None]
            yield (
                Fault(line, f"has null in the column {empty[0]!r}, not a text")
                if empty
                else Row(line, *texts)
            )
