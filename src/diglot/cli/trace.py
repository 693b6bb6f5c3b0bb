"""``diglot trace``: the operator at which two readings of a checkpoint part."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from diglot.cli import loading, options, rendering

if TYPE_CHECKING:
    from diglot.types import Precision

_DIFFERENT = 1


def trace(
    checkpoint: options.Checkpoint = None,
    texts: Annotated[
        list[str] | None,
        typer.Option("--text", "-t", metavar="TEXT", help="A text; again for more in one batch."),
    ] = None,
    pairs: Annotated[
        list[str] | None,
        typer.Option("--pair", metavar="TEXT", help="A second text, one for each text."),
    ] = None,
    again: Annotated[
        Path | None,
        typer.Option(
            "--replay", metavar="FILE", help="The failing input that diglot check has kept."
        ),
    ] = None,
    against: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="What is held against PyTorch: tensorflow; or PyTorch itself in bfloat16, float16,"
            " float32 or float64.",
        ),
    ] = "tensorflow",
    every: Annotated[
        bool, typer.Option("--all", help="Print each operator, not the blocks of the model.")
    ] = False,
    as_json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="All that was found.")
    ] = None,
    max_length: options.MaxLength = None,
    precision: options.Precision = None,
    revision: options.Revision = None,
    labels: options.Labels = None,
    fresh_head: options.FreshHead = False,
    trust_remote_code: options.TrustRemoteCode = False,
) -> None:
    """Name the first operator at which TensorFlow and PyTorch part by more than rounding.

    Each operator of the model runs in both, on the same input, and is held against float64.

    Exit codes: 0 no operator parts, 1 one does, 2 could not be traced.
    """
    import json

    from diglot import checkpoints, files, settings
    from diglot.equality.cases import Case
    from diglot.parity.failing_case import FailingCase
    from diglot.preprocessing import CheckpointEncoder

    if bool(texts) == (again is not None):
        raise typer.BadParameter("give --text, once or more, or --replay")
    if again is not None:
        kept = FailingCase.read(again)
        checkpoint, precision = checkpoint or kept.checkpoint, precision or kept.precision
        case = kept.case
    else:
        case = Case("own texts", tuple(texts or ()), None if pairs is None else tuple(pairs))
    chosen = settings.load(checkpoint=checkpoint, precision=cast("Precision | None", precision))
    loading.import_tensorflow()
    from diglot.parity.trace import trace as follow

    with rendering.console(sys.stderr).status("tracing"):
        encoder = CheckpointEncoder(
            checkpoints.find(
                chosen.checkpoint,
                revision=revision,
                labels=loading.names(labels),
                fresh_head=fresh_head,
                trust_remote_code=trust_remote_code,
            )
        )
        wanted = encoder.options({} if max_length is None else {"max_length": max_length})
        encoding = case.encoding or encoder.arrays(encoder.encode(case.read(), wanted))
        found = follow(encoder.checkpoint, encoding, against=against, precision=chosen.precision)
    if as_json is not None:
        with files.replacing_file(as_json) as written:
            written.write_text(json.dumps(found.facts(), ensure_ascii=False) + "\n", "utf-8")
    typer.echo(found.text(every=every))
    if not found.equal:
        raise typer.Exit(_DIFFERENT)
