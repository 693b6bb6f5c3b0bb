"""``diglot export`` and ``diglot doctor``: a checkpoint to a servable, and a look at one."""

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
    """The dtype of the inputs of an encoding."""

    INT32 = "int32"
    INT64 = "int64"


def export(
    checkpoint: options.Checkpoint = None,
    to: Annotated[Path, typer.Option(metavar="DIR", help="The folder of all models.")] = Path(
        "saved_models"
    ),
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The model's name; the checkpoint's own.")
    ] = None,
    version: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="A version that is free; the next one."),
    ] = None,
    pairs: Annotated[
        bool, typer.Option("--pairs", help="Take a text and a second one, text_pair.")
    ] = False,
    require_text: Annotated[
        bool,
        typer.Option(
            "--require-text",
            help="Fail where the tokenizer cannot be part of the graph, rather than take encodings"
            " alone.",
        ),
    ] = False,
    precision: Annotated[
        Precision, typer.Option(help="The dtype of the weights.", rich_help_panel=_SERVING)
    ] = Precision.FLOAT32,
    ids: Annotated[
        Ids, typer.Option(help="The dtype of an encoding.", rich_help_panel=_SERVING)
    ] = Ids.INT32,
    freeze: Annotated[
        bool,
        typer.Option(
            "--freeze", help="Make the weights constants of the graph.", rich_help_panel=_SERVING
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
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of the texts that are drawn.")] = 0,
    revision: options.Revision = None,
    labels: options.Labels = None,
) -> None:
    """Export a checkpoint for TF Serving: text in, labels out.

    The version appears as DIR/NAME/N once it has answered drawn texts, in a process without
    PyTorch, as the checkpoint does in PyTorch. Exit code 1 where it does not, and then nothing
    appears.
    """
    from diglot import settings

    console = rendering.console()
    loading.import_tensorflow()
    from diglot.serving.exports import export as write

    with rendering.console(sys.stderr).status("exporting, and proving the export"):
        done = write(
            settings.load(checkpoint=checkpoint).checkpoint,
            to,
            name=name,
            version=version,
            revision=revision,
            labels=loading.names(labels),
            precision=precision.value,
            pairs=pairs,
            require_text=require_text,
            freeze=freeze,
            xla=xla,
            ids=ids.value,
            seed=seed,
        )
    console.print(f"{done.path} answers like its checkpoint:\n{done.report}", markup=False)
    if done.text is not None:
        console.print(f"It takes encodings alone: {done.text}", markup=False)
    console.print(f"signatures: {', '.join(done.signatures)}", markup=False)


def doctor(
    path: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="A version, or the folder of all versions of a model."),
    ],
    serving: Annotated[
        str | None,
        typer.Option(metavar="X.Y", help="The release of TF Serving that it is meant for."),
    ] = None,
) -> None:
    """Look at an exported version: signatures, operators, warmup, batching, provenance.

    Exit code 1 where a server would refuse it, or where its files are not those that were proven.
    """
    loading.import_tensorflow()
    from diglot.serving import doctor as doctors

    found = doctors.examine(path, serving or doctors.SERVING)
    console = rendering.console()
    console.print(f"{found.path}", markup=False, highlight=False)
    console.print(
        rendering.facts([[*one] for one in found.signatures.items()], "signature", "form")
    )
    operators = [[library, ", ".join(some)] for library, some in found.operators.items()]
    console.print(rendering.facts(operators, "library", "operators"))
    rows = [[one.level, one.what, one.says] for one in found.findings]
    console.print(rendering.facts(rows, "", "looked at", "found"))
    if not found.healthy:
        raise typer.Exit(1)
