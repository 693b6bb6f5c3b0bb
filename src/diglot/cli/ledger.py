"""``diglot ledger``: the commands that read ledgers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from diglot.cli import options, rendering
from diglot.cli.rendering import Facts

_MOVED = 1

ledger = typer.Typer(no_args_is_help=True, help="Inspect ledgers.")


@ledger.callback()
def _ledger() -> None:
    """Inspect ledgers, which diglot record writes."""


@ledger.command()
def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The ledger to compare with.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The ledger to compare.")],
    layout: options.Layout = Facts.TABLE,
) -> None:
    """Show which answers differ between two ledgers, and by how much.

    Exit codes: 0 no answer moved beyond the old ledger's tolerance, 1 one did, 2 the ledgers cannot
    be compared.
    """
    from diglot.parity.ledger import diff as compare
    from diglot.parity.ledger import read

    differences = compare(read(old), read(new))
    if layout is Facts.JSON:
        typer.echo(json.dumps(differences.facts(), ensure_ascii=False, allow_nan=False))
    else:
        lines = map(rendering.shown, str(differences).splitlines())
        rendering.console().print(*lines, sep="\n", soft_wrap=True)
    if not differences.within:
        raise typer.Exit(_MOVED)
