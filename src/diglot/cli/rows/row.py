"""A row: its number, its texts, and the columns that hold them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from diglot.errors import InputError

_TEXT_COLUMNS = ("text", "sentence")


class Row(NamedTuple):
    """A text to classify, or a pair of texts, and the number of its line."""

    line: int
    text: str
    pair: str | None = None

    def as_input(self) -> dict[str, str]:
        """The row in the form that a classifier takes."""
        return {"text": self.text} | ({} if self.pair is None else {"text_pair": self.pair})


class Fault(NamedTuple):
    """The number of a row that cannot be classified, and the reason."""

    line: int
    reason: str


class Columns(NamedTuple):
    """The columns that hold the texts; ``None`` for a column that the user does not name."""

    text: str | None = None
    pair: str | None = None


def resolve(columns: Columns, names: Sequence[str], where: str) -> list[str]:
    """The columns to read: the column of the texts and, for pairs, the column of the second texts.

    Args:
        columns: the columns that the user names.
        names: the names of the columns that exist.
        where: the place of the columns, for messages.

    Raises:
        InputError: a column is missing or exists twice, or the column of the texts is not clear.
    """
    existing = ", ".join(map(repr, names)) or "none"
    text = columns.text
    if text is None:
        others = [name for name in names if name != columns.pair]
        usual = [name for name in _TEXT_COLUMNS if name in others]
        if not usual and len(others) != 1:
            raise InputError(
                f"{where} has no column named {' or '.join(_TEXT_COLUMNS)}; name the column of the"
                f" texts with --column. The columns: {existing}"
            )
        text = (usual or others)[0]
        if not usual and any(delimiter in text for delimiter in ";\t|"):
            raise InputError(
                f"the header of {where} is the one cell {text!r}; if that is several columns,"
                " separate them by commas, or by tabs with --input-format tsv. Otherwise name it"
                " with --column."
            )
    chosen = [text] if columns.pair is None else [text, columns.pair]
    for column in chosen:
        if (count := list(names).count(column)) != 1:
            number = f"{count} columns" if count else "no column"
            raise InputError(f"{where} has {number} named {column!r}. The columns: {existing}")
    return chosen


def undecodable(text: str) -> str | None:
    """The reason why a text is invalid, if it holds bytes that could not be decoded."""
    try:
        text.encode()
    except UnicodeEncodeError:
        try:
            text.encode("utf-8", "surrogateescape").decode()
        except UnicodeDecodeError as error:
            return not_utf8(error)
    return None


def not_utf8(error: UnicodeDecodeError) -> str:
    """The reason for the error, and how to mend the file."""
    byte = error.object[error.start]
    return (
        f"is not UTF-8 (byte 0x{byte:02x} at position {error.start}); convert the file, for example"
        " with iconv"
    )
