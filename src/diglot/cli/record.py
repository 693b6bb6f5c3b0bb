"""``diglot record``: writes a checkpoint's answers to a ledger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from diglot.cli import loading, options, progress

if TYPE_CHECKING:
    from diglot.types import Precision


def record(
    to: Annotated[Path, typer.Option(metavar="FILE", help="The ledger to write.")],
    checkpoint: options.Checkpoint = None,
    backend: Annotated[
        str,
        typer.Option("--backend", "-b", metavar="NAME", help="The backend that gives the answers."),
    ] = "torch",
    examples: options.Examples = options.EXAMPLES,
    texts: options.Texts = None,
    input_format: options.InputFormat = None,
    column: options.Column = None,
    pair_column: options.PairColumn = None,
    seed: options.Seed = 0,
    strict: options.Strict = False,
    lenient: options.Lenient = False,
    tolerance: options.Absolute = None,
    precision: options.Precision = None,
    revision: options.Revision = None,
    labels: options.Labels = None,
    fresh_head: options.FreshHead = False,
    trust_remote_code: options.TrustRemoteCode = False,
) -> None:
    """Record a checkpoint's answers, to compare other versions, backends and machines with them.

    Draws the same inputs as diglot check. The ledger stores the tolerance too.
    """
    from diglot import settings

    rule = options.tolerance(strict, lenient, tolerance)
    own_texts = options.own_texts(texts, input_format, column, pair_column)
    chosen = settings.load(checkpoint=checkpoint, precision=cast("Precision | None", precision))
    loading.import_quietly(backend)
    with progress.inputs_done() as update:
        from diglot.parity import BUDGET
        from diglot.parity.ledger import record as write_ledger

        ledger = write_ledger(
            chosen.checkpoint,
            to,
            backend=backend,
            examples=examples,
            texts=own_texts,
            tolerance=rule or BUDGET,
            precision=chosen.precision,
            seed=seed,
            progress=update,
            revision=revision,
            labels=options.label_names(labels),
            fresh_head=fresh_head,
            trust_remote_code=trust_remote_code,
        )
    refused = sum(bool(entry.refused) for entry in ledger.entries)
    typer.echo(
        f"{to}: {len(ledger.entries)} inputs, {refused} of them refused, answered by"
        f" {ledger.backend} in {ledger.precision}"
    )
