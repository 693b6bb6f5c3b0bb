"""``diglot record`` and ``diglot ledger diff``: a checkpoint's answers on disk, and what moved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from diglot.cli import checking, loading, options, rendering
from diglot.cli.rendering import Facts

if TYPE_CHECKING:
    from diglot.types import Precision

_MOVED = 1

ledger = typer.Typer(no_args_is_help=True, help="Look at ledgers.")


@ledger.callback()
def _ledger() -> None:
    """Look at ledgers, which diglot record writes."""


def record(
    to: Annotated[Path, typer.Option(metavar="FILE", help="The ledger to write.")],
    checkpoint: options.Checkpoint = None,
    backend: Annotated[
        str, typer.Option("--backend", "-b", metavar="NAME", help="Whose answers to record.")
    ] = "torch",
    examples: checking.Examples = checking.EXAMPLES,
    texts: checking.Texts = None,
    input_format: options.InputFormat = None,
    column: options.Column = None,
    pair_column: options.PairColumn = None,
    seed: checking.Seed = 0,
    strict: checking.Strict = False,
    lenient: checking.Lenient = False,
    tolerance: checking.Absolute = None,
    precision: options.Precision = None,
    revision: options.Revision = None,
    labels: options.Labels = None,
    fresh_head: options.FreshHead = False,
    trust_remote_code: options.TrustRemoteCode = False,
) -> None:
    """Record what a checkpoint answers, to hold other versions, backends and machines against it.

    The inputs are those of diglot check; so is the tolerance, which the ledger keeps.
    """
    from diglot import settings

    rule = checking.rule(strict, lenient, tolerance)
    own = checking.own(texts, input_format, column, pair_column)
    wanted = cast("Precision | None", precision)
    chosen = settings.load(checkpoint=checkpoint, precision=wanted)
    loading.import_quietly(backend)
    with checking.progress() as progress:
        from diglot.parity import BUDGET
        from diglot.parity.ledger import record as write

        found = write(
            chosen.checkpoint,
            to,
            backend=backend,
            examples=examples,
            texts=own,
            tolerance=rule or BUDGET,
            precision=chosen.precision,
            seed=seed,
            progress=progress,
            revision=revision,
            labels=loading.names(labels),
            fresh_head=fresh_head,
            trust_remote_code=trust_remote_code,
        )
    refused = sum(bool(one.refused) for one in found.entries)
    typer.echo(
        f"{to}: {len(found.entries)} inputs, {refused} of them refused, answered by"
        f" {found.backend} in {found.precision}"
    )


@ledger.command()
def diff(
    old: Annotated[
        Path, typer.Argument(metavar="OLD", help="The ledger that is held to be right.")
    ],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The other one.")],
    layout: Annotated[Facts, typer.Option("--format", "-f", help="How to print.")] = Facts.TABLE,
) -> None:
    """Show what moved between two ledgers, and by how much.

    Exit codes: 0 nothing moved beyond the old ledger's tolerance, 1 something did, 2 the two cannot
    be compared.
    """
    from diglot.parity.ledger import diff as compare
    from diglot.parity.ledger import read

    found = compare(read(old), read(new))
    if layout is Facts.JSON:
        typer.echo(json.dumps(found.facts(), ensure_ascii=False, allow_nan=False))
    else:
        console = rendering.console()
        console.print(*map(rendering.shown, str(found).splitlines()), sep="\n", soft_wrap=True)
    if not found.within:
        raise typer.Exit(_MOVED)
