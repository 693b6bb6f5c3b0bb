"""``diglot doctor``: inspects an exported version."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from diglot.cli import loading, rendering


def doctor(
    path: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="A version, or the folder of all versions of a model."),
    ],
    serving: Annotated[
        str | None,
        typer.Option(metavar="X.Y", help="The release of TF Serving that will load it."),
    ] = None,
) -> None:
    """Inspect an exported version: signatures, operators, warmup, batching, provenance.

    The exit code is 1 if a server would refuse it, or if its files are not the verified ones.
    """
    loading.import_tensorflow()
    from diglot.serving import doctor as doctors

    examination = doctors.examine(path, serving or doctors.SERVING)
    console = rendering.console()
    console.print(f"{examination.path}", markup=False, highlight=False)
    signatures = [[name, form] for name, form in examination.signatures.items()]
    console.print(rendering.facts(signatures, "signature", "form"))
    operators = [[library, ", ".join(names)] for library, names in examination.operators.items()]
    console.print(rendering.facts(operators, "library", "operators"))
    findings = [[finding.level, finding.what, finding.says] for finding in examination.findings]
    console.print(rendering.facts(findings, "", "inspected", "found"))
    if not examination.healthy:
        raise typer.Exit(1)
