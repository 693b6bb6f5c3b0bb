"""The options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from diglot.cli import rows

INPUT = "Input"
MODEL = "Model"

Checkpoint = Annotated[
    str | None,
    typer.Argument(
        metavar="[DIR|ID]",
        help="The checkpoint. Without it: the configured one, or else the one that diglot ships.",
    ),
]

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="DIR|ID",
        help="A directory or a hub id. Without it: the configured checkpoint, or else the one that"
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
        help="float32, float64, float16 or bfloat16; float32 unless configured.",
        rich_help_panel=MODEL,
    ),
]

Device = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="cpu, mps, cuda, or cuda:N; the fastest at hand unless configured.",
        rich_help_panel=MODEL,
    ),
]

Labels = Annotated[
    str | None,
    typer.Option(
        metavar="A,B",
        help="The labels, in the order of the head's rows, where the checkpoint names none.",
        rich_help_panel=MODEL,
    ),
]

FreshHead = Annotated[
    bool,
    typer.Option(
        "--fresh-head",
        help="Accept a checkpoint without a trained head, and make one up at random.",
        rich_help_panel=MODEL,
    ),
]

TrustRemoteCode = Annotated[
    bool,
    typer.Option(
        "--trust-remote-code",
        help="Run Python code that the checkpoint brings. Read it first.",
        rich_help_panel=MODEL,
    ),
]

MaxLength = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="TOKENS",
        help="Cut longer texts to this; otherwise to what the model takes.",
        rich_help_panel=MODEL,
    ),
]

InputFormat = Annotated[
    rows.Kind | None,
    typer.Option(
        help="How the texts are stored. Without it the file's suffix decides; standard input"
        " and a file without a suffix have a text on each line, and an empty line is an empty"
        " text.",
        rich_help_panel=INPUT,
    ),
]

Column = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The column, or the key of the JSON objects, that holds the texts. Without it:"
        " text, sentence, or the only one.",
        rich_help_panel=INPUT,
    ),
]

PairColumn = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="That of the second texts, for a model of pairs.",
        rich_help_panel=INPUT,
    ),
]
