"""``diglot export``: writes a checkpoint as a SavedModel for TF Serving."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from diglot.cli import loading, options, rendering

_SERVING = "Serving"


class Precision(StrEnum):
    """The dtype of the weights."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


class Ids(StrEnum):
    """The dtype of the ids and masks of an encoding."""

    INT32 = "int32"
    INT64 = "int64"


def export(
    checkpoint: options.Checkpoint = None,
    to: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder that holds all models.")
    ] = Path("saved_models"),
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The model's name. Default: the checkpoint's name."),
    ] = None,
    version: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="An unused version number. Default: the next one."),
    ] = None,
    pairs: Annotated[
        bool, typer.Option("--pairs", help="Take pairs of texts, as text and text_pair.")
    ] = False,
    require_text: Annotated[
        bool,
        typer.Option(
            "--require-text",
            help="Fail if the tokenizer cannot be part of the graph, instead of an export that"
            " takes only encodings.",
        ),
    ] = False,
    precision: Annotated[
        Precision, typer.Option(help="The dtype of the weights.", rich_help_panel=_SERVING)
    ] = Precision.FLOAT32,
    ids: Annotated[
        Ids,
        typer.Option(
            help="The dtype of the ids and masks of an encoding.", rich_help_panel=_SERVING
        ),
    ] = Ids.INT32,
    freeze: Annotated[
        bool,
        typer.Option(
            "--freeze",
            help="Store the weights as constants of the graph.",
            rich_help_panel=_SERVING,
        ),
    ] = False,
    xla: Annotated[
        bool,
        typer.Option(
            "--xla",
            help="Compile the program with XLA; a server needs --xla_cpu_compilation_enabled.",
            rich_help_panel=_SERVING,
        ),
    ] = False,
    seed: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="The random seed of the texts that verify the export."
        ),
    ] = 0,
    revision: options.Revision = None,
    labels: options.Labels = None,
) -> None:
    """Export a checkpoint for TF Serving: text in, labels out.

    Verifies the export on drawn texts, in a process without PyTorch, and then creates the version
    DIR/NAME/N. If its answers differ from the checkpoint's answers in PyTorch, the exit code is 1
    and no version is created.
    """
    from diglot import settings

    console = rendering.console()
    loading.import_tensorflow()
    from diglot.serving.exports import export as write_export

    with rendering.console(sys.stderr).status("exporting and verifying the export"):
        result = write_export(
            settings.load(checkpoint=checkpoint).checkpoint,
            to,
            name=name,
            version=version,
            revision=revision,
            labels=options.label_names(labels),
            precision=precision.value,
            pairs=pairs,
            require_text=require_text,
            freeze=freeze,
            xla=xla,
            ids=ids.value,
            seed=seed,
        )
    console.print(
        f"{result.path} answers like its checkpoint:\n{result.report}",
        markup=False,
        soft_wrap=True,
    )
    if result.text is not None:
        console.print(f"It takes only encodings: {result.text}", markup=False)
    console.print(f"signatures: {', '.join(result.signatures)}", markup=False, soft_wrap=True)
