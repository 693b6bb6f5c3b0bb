"""``diglot explain``: the three steps, in one framework or in both."""

from __future__ import annotations

from typing import Annotated

import typer

from diglot.cli import loading, options, rendering
from diglot.cli.rendering import Facts

BOTH = "both"


def explain(
    texts: Annotated[list[str], typer.Argument(metavar="TEXT...", help="Texts to explain.")],
    backend: Annotated[
        str | None,
        typer.Option(
            "--backend",
            "-b",
            metavar="NAME|both",
            help="torch, tensorflow, or another that is installed; both lays PyTorch and"
            " TensorFlow side by side, with the differences.",
            rich_help_panel=options.MODEL,
        ),
    ] = None,
    layout: Annotated[Facts, typer.Option("--format", "-f", help="How to print.")] = Facts.TABLE,
    max_length: options.MaxLength = None,
    model: options.Model = None,
    revision: options.Revision = None,
    labels: options.Labels = None,
    precision: options.Precision = None,
    device: options.Device = None,
    fresh_head: options.FreshHead = False,
    trust_remote_code: options.TrustRemoteCode = False,
) -> None:
    """Show what each step makes of texts: tokens and ids, logits, probabilities, labels."""
    from diglot import backends, explanation

    names = (backends.REFERENCE, backends.DEFAULT_TESTED) if backend == BOTH else (backend,)
    for name in filter(None, names):
        # Before the first one is loaded, which takes a while.
        backends.require(name)
    found = [
        loading.load(
            model,
            name,
            revision=revision,
            precision=precision,
            device=device,
            labels=labels,
            fresh_head=fresh_head,
            trust_remote_code=trust_remote_code,
            max_length=max_length,
        ).explain(texts)
        for name in names
    ]
    result = explanation.compare(*found) if backend == BOTH else found[0]
    if layout is Facts.JSON:
        typer.echo(result.to_json())
    else:
        rendering.console().print(result)
