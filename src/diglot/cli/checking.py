"""What ``diglot check`` and ``diglot record`` have in common: inputs, the rule, the progress."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diglot.cli import options, rendering, rows
from diglot.errors import InputError

if TYPE_CHECKING:
    from diglot.parity import Tolerance

EXAMPLES = 100

_RULE = "Rule"

Examples = Annotated[
    int,
    typer.Option(
        min=1,
        metavar="N",
        help="How many inputs to draw; some twenty hard ones come besides.",
        rich_help_panel=options.INPUT,
    ),
]

Texts = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|-",
        help="Your own texts besides: a text a line, CSV, TSV, JSON or Parquet.",
        rich_help_panel=options.INPUT,
    ),
]

Seed = Annotated[
    int, typer.Option(min=0, metavar="N", help="Of the draw.", rich_help_panel=options.INPUT)
]

Strict = Annotated[
    bool, typer.Option("--strict", help="Allow errors of 1e-5, absolute.", rich_help_panel=_RULE)
]

Lenient = Annotated[
    bool, typer.Option("--lenient", help="Allow errors of 5e-5, absolute.", rich_help_panel=_RULE)
]

Absolute = Annotated[
    float | None,
    typer.Option(
        "--tolerance",
        min=0,
        metavar="X",
        help="Allow errors of X, absolute. Without any of these three, four times PyTorch's own"
        " error and eight roundings are allowed.",
        rich_help_panel=_RULE,
    ),
]


def rule(strict: bool, lenient: bool, absolute: float | None) -> Tolerance | None:
    """The tolerance that is asked for; ``None`` for the usual one."""
    from diglot.equality.tolerance import LENIENT, STRICT, Tolerance

    if strict + lenient + (absolute is not None) > 1:
        raise typer.BadParameter("--strict, --lenient and --tolerance exclude one another")
    if absolute is not None:
        return Tolerance(absolute=absolute)
    return STRICT if strict else LENIENT if lenient else None


def own(
    name: str | None, kind: rows.Kind | None, column: str | None, pair_column: str | None
) -> list[dict[str, str]]:
    """The texts of a file; none where there is no name.

    Args:
        name: a path, or ``"-"``.
        kind: how the texts are stored; ``None`` to go by the file's suffix.
        column: which column holds the texts.
        pair_column: which one holds the second texts.

    Raises:
        InputError: it cannot be read, or a row is at fault.
    """
    columns = rows.Columns(column, pair_column)
    if name is None:
        if kind is not None or columns != rows.Columns():
            raise typer.BadParameter("without --texts there are neither format nor columns")
        return []
    found = []
    with rows.opened(name, kind, columns) as source:
        for row in source.rows:
            if isinstance(row, rows.Fault):
                raise InputError(f"{source.prefix}{row.line}: {row.reason}")
            pair = {} if row.pair is None else {"text_pair": row.pair}
            found.append({"text": row.text, **pair})
    return found


@contextmanager
def progress() -> Iterator[Any]:
    """A function that shows how many inputs are done; ``None`` where there is no terminal."""
    from rich import progress

    if not sys.stderr.isatty():
        yield None
        return
    console = rendering.console(sys.stderr)
    columns = (progress.TextColumn("{task.description}"), progress.BarColumn())
    with progress.Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("loading", total=None)

        def update(done: int, count: int) -> None:
            said = f"{done} of {count} inputs" if done < count else "finishing"
            bar.update(task, description=said, completed=done, total=count)

        yield update
