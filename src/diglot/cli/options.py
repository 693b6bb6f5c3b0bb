"""The options that several commands share, and the values that they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from diglot.cli import rows
from diglot.cli.rendering import Facts
from diglot.errors import InputError

if TYPE_CHECKING:
    from diglot.equality.tolerance import Tolerance

INPUT = "Input"
MODEL = "Model"
OUTPUT = "Output"
RULE = "Rule"

EXAMPLES = 100
"""The number of inputs that a check or a record draws unless told otherwise."""

Checkpoint = Annotated[
    str | None,
    typer.Argument(
        metavar="[DIR|ID]",
        help="The checkpoint. Default: the configured one, or else the one that diglot ships.",
    ),
]

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="DIR|ID",
        help="A directory or a hub id. Default: the configured checkpoint, or else the one that"
        " diglot ships.",
        rich_help_panel=MODEL,
    ),
]

Revision = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="A branch, tag or commit of a hub id.", rich_help_panel=MODEL
    ),
]

Precision = Annotated[
    str | None,
    typer.Option(
        metavar="DTYPE",
        help="float32, float64, float16 or bfloat16. Default: the configured one, or else float32.",
        rich_help_panel=MODEL,
    ),
]

Device = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="A device such as cpu, mps, cuda or cuda:N. Default: the configured one, or else the"
        " fastest available.",
        rich_help_panel=MODEL,
    ),
]

Labels = Annotated[
    str | None,
    typer.Option(
        metavar="A,B",
        help="The labels, in the order of the head's rows, if the checkpoint names none.",
        rich_help_panel=MODEL,
    ),
]

FreshHead = Annotated[
    bool,
    typer.Option(
        "--fresh-head",
        help="Accept a checkpoint without a trained head, and create a random one.",
        rich_help_panel=MODEL,
    ),
]

TrustRemoteCode = Annotated[
    bool,
    typer.Option(
        "--trust-remote-code",
        help="Run Python code from the checkpoint. Read it first.",
        rich_help_panel=MODEL,
    ),
]

MaxLength = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="TOKENS",
        help="Truncate longer texts to this. Default: the longest input of the model.",
        rich_help_panel=MODEL,
    ),
]

InputFormat = Annotated[
    rows.Kind | None,
    typer.Option(
        help="The format of the file. Default: by the file's suffix; standard input and a file"
        " without a suffix have a text on each line, and an empty line is an empty text.",
        rich_help_panel=INPUT,
    ),
]

Column = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The column, or the key of the JSON objects, that holds the texts. Default:"
        " text, sentence, or the only one.",
        rich_help_panel=INPUT,
    ),
]

PairColumn = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The column that holds the second text of each pair.",
        rich_help_panel=INPUT,
    ),
]

Layout = Annotated[Facts, typer.Option("--format", "-f", help="The format of the output.")]

Examples = Annotated[
    int,
    typer.Option(
        min=1,
        metavar="N",
        help="The number of inputs to draw, in addition to about 20 hard inputs.",
        rich_help_panel=INPUT,
    ),
]

Texts = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|-",
        help="Your own texts, as additional inputs: a text on each line, CSV, TSV, JSON or"
        " Parquet.",
        rich_help_panel=INPUT,
    ),
]

Seed = Annotated[
    int,
    typer.Option(
        min=0, metavar="N", help="The random seed of the drawn inputs.", rich_help_panel=INPUT
    ),
]

Strict = Annotated[
    bool,
    typer.Option("--strict", help="Allow absolute errors up to 1e-5.", rich_help_panel=RULE),
]

Lenient = Annotated[
    bool,
    typer.Option("--lenient", help="Allow absolute errors up to 5e-5.", rich_help_panel=RULE),
]

Absolute = Annotated[
    float | None,
    typer.Option(
        "--tolerance",
        min=0,
        metavar="X",
        help="Allow absolute errors up to X. Without these three options, an error may be four"
        " times PyTorch's own error plus eight roundings.",
        rich_help_panel=RULE,
    ),
]


def label_names(labels: str | None) -> list[str] | None:
    """The labels of ``--labels``, which are separated by commas."""
    return None if labels is None else [label.strip() for label in labels.split(",")]


def tolerance(strict: bool, lenient: bool, absolute: float | None) -> Tolerance | None:
    """The tolerance of ``--strict``, ``--lenient`` or ``--tolerance``; ``None`` without them.

    Raises:
        typer.BadParameter: more than one of the options is used.
    """
    from diglot.equality.tolerance import LENIENT, STRICT, Tolerance

    if strict + lenient + (absolute is not None) > 1:
        raise typer.BadParameter("--strict, --lenient and --tolerance exclude one another")
    if absolute is not None:
        return Tolerance(absolute=absolute)
    return STRICT if strict else LENIENT if lenient else None


def own_texts(
    file: str | None, kind: rows.Kind | None, column: str | None, pair_column: str | None
) -> list[dict[str, str]]:
    """The texts of ``--texts``, in a form that a classifier takes; empty without the option.

    Args:
        file: a path, or ``"-"`` for standard input.
        kind: the format; ``None`` for the one of the file's suffix.
        column: the column that holds the texts.
        pair_column: the column that holds the second texts.

    Raises:
        InputError: the file or one of its rows cannot be read.
        typer.BadParameter: there is no file, but one of the other options.
    """
    columns = rows.Columns(column, pair_column)
    if file is None:
        if kind is not None or columns != rows.Columns():
            raise typer.BadParameter(
                "--input-format, --column and --pair-column need a file; name it with --texts"
            )
        return []
    texts = []
    with rows.opened(file, kind, columns) as source:
        for row in source.rows:
            if isinstance(row, rows.Fault):
                raise InputError(f"{source.prefix}{row.line}: {row.reason}")
            texts.append(row.as_input())
    return texts
