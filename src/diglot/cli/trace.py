"""``diglot trace``: the first operator at which two readings of a checkpoint differ."""

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
        typer.Option(
            "--text", "-t", metavar="TEXT", help="A text. Repeat it for a batch of several."
        ),
    ] = None,
    pairs: Annotated[
        list[str] | None,
        typer.Option("--pair", metavar="TEXT", help="The second text of a pair, one per --text."),
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(
            "--replay", metavar="FILE", help="The file of a failing input from diglot check."
        ),
    ] = None,
    against: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="What to compare with PyTorch: tensorflow; or PyTorch itself in bfloat16, float16,"
            " float32 or float64.",
        ),
    ] = "tensorflow",
    every: Annotated[
        bool, typer.Option("--all", help="Print every operator, not only the blocks of the model.")
    ] = False,
    as_json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the whole result as JSON.")
    ] = None,
    max_length: options.MaxLength = None,
    precision: options.Precision = None,
    revision: options.Revision = None,
    labels: options.Labels = None,
    fresh_head: options.FreshHead = False,
    trust_remote_code: options.TrustRemoteCode = False,
) -> None:
    """Name the first operator at which TensorFlow and PyTorch differ by more than rounding.

    Runs each operator of the model in both, on the same input, and compares both with float64.

    Exit codes: 0 no operator differs, 1 one does, 2 could not be traced.
    """
    from diglot import checkpoints, settings
    from diglot.equality.cases import Case
    from diglot.parity.failing_case import FailingCase
    from diglot.preprocessing import CheckpointEncoder

    if bool(texts) == (replay is not None):
        raise typer.BadParameter("give either --text, once or more, or --replay")
    if replay is not None:
        failing = FailingCase.read(replay)
        checkpoint, precision = checkpoint or failing.checkpoint, precision or failing.precision
        case = failing.case
    else:
        case = Case("own texts", tuple(texts or ()), None if pairs is None else tuple(pairs))
    chosen = settings.load(checkpoint=checkpoint, precision=cast("Precision | None", precision))
    loading.import_tensorflow()
    from diglot.parity.trace import trace as run_trace

    with rendering.console(sys.stderr).status("tracing"):
        encoder = CheckpointEncoder(
            checkpoints.find(
                chosen.checkpoint,
                revision=revision,
                labels=options.label_names(labels),
                fresh_head=fresh_head,
                trust_remote_code=trust_remote_code,
            )
        )
        truncation = encoder.options({} if max_length is None else {"max_length": max_length})
        encoding = case.encoding or encoder.arrays(encoder.encode(case.read(), truncation))
        result = run_trace(
            encoder.checkpoint, encoding, against=against, precision=chosen.precision
        )
    if as_json is not None:
        rendering.write_json(result.facts(), as_json)
    typer.echo(result.text(every=every))
    if not result.equal:
        raise typer.Exit(_DIFFERENT)
