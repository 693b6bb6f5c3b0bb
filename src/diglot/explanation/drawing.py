"""Values as styled lines: blocks of columns that fit a terminal, quoted texts, tables of labels.

Nothing here knows what an explanation is; the functions take names, texts and numbers.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from diglot.text import visible

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions

WIDTH = 80
"""The columns of a terminal for which a value is printed as plain text."""

Line = tuple[str, str]
"""A style of rich and the text in it."""

# The tokens of a long text that are printed, at its start and at its end.
_FIRST, _LAST = 32, 8

_NUMBER_WIDTH = 13


class Printable(ABC):
    """A value that prints itself as styled lines, in plain text and in rich."""

    @abstractmethod
    def lines(self, width: int) -> Iterator[Line]:
        """The lines with their styles, for a terminal with ``width`` columns."""

    def __str__(self) -> str:
        return "\n".join(text for _, text in self.lines(WIDTH))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        # Text objects, not markup: "[CLS]" is a token, not a style.
        for style, text in self.lines(options.max_width):
            yield Text(text, style=style, overflow="fold")

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """The value in lists, dictionaries, numbers and texts."""

    def to_json(self, *, indent: int | None = 2) -> str:
        """The value as JSON.

        A number that is not finite becomes the text ``"NaN"``, ``"Infinity"`` or ``"-Infinity"``,
        because JSON has no number for it.
        """
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)


def columns(rows: Mapping[str, Sequence[str]], width: int, unit: str = "tokens") -> Iterator[Line]:
    """Rows of equal length below each other, cut into blocks that fit the width.

    Args:
        rows: the cells of each row, by the row's name.
        width: the columns of the terminal.
        unit: the name of the cells, for the line that counts the omitted ones.
    """
    count = len(next(iter(rows.values())))
    shown = list(range(count))
    if count > _FIRST + _LAST:
        shown = [*range(_FIRST), *range(count - _LAST, count)]
    margin = max(map(len, rows)) + 5
    block: list[int] = []
    used = margin
    sizes = [max(cell_len(row[index]) for row in rows.values()) + 1 for index in range(count)]
    for place, index in enumerate(shown):
        elided = place == _FIRST and len(shown) < count
        if block and (elided or used + sizes[index] > width):
            yield from _block(rows, block, sizes, margin)
            block, used = [], margin
        if elided:
            yield "dim", f"{'':{margin}}… {count - len(shown)} {unit} are not shown …"
        block.append(index)
        used += sizes[index]
    yield from _block(rows, block, sizes, margin)


def _block(
    rows: Mapping[str, Sequence[str]], block: Sequence[int], sizes: Sequence[int], margin: int
) -> Iterator[Line]:
    for name, row in rows.items():
        cells = "".join(" " * (sizes[index] - cell_len(row[index])) + row[index] for index in block)
        yield "", f"     {name:<{margin - 5}}{cells}"


def label_rows(
    title: str, titles: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]], best: str = ""
) -> Iterator[Line]:
    """A table with a row for each label.

    Args:
        title: the title of the labels.
        titles: the titles of the numbers.
        rows: each label with its numbers.
        best: the label to highlight.
    """
    label_width = max(8, *(cell_len(visible(label)) + 1 for label, _ in rows))
    heads = "".join(f"{head[: _NUMBER_WIDTH - 1]:>{_NUMBER_WIDTH}}" for head in titles)
    yield "dim", f"     {title:<{label_width}}{heads}"
    for label, numbers in rows:
        shown = visible(label)
        cells = "".join(f"{number:>{_NUMBER_WIDTH}}" for number in numbers)
        padding = " " * (label_width - cell_len(shown))
        yield "bold green" if label == best else "", f"     {shown}{padding}{cells}"


def quoted(text: str, room: int) -> str:
    """The text in quotation marks, cut to a number of terminal columns with its length noted."""
    whole = repr(text)
    if cell_len(whole) <= room:
        return whole
    return f"{set_cell_size(whole, room).rstrip()}… ({len(text)} characters)"


def fixed(value: Any) -> str:
    """A number with six decimals, or six digits if it is large."""
    number = float(value)
    return f"{number:.6g}" if abs(number) >= 1e6 else f"{number:.6f}"


def verdict(same: bool) -> str:
    """The style of a line that says whether two values are the same."""
    return "green" if same else "bold red"
