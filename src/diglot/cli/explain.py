"""``diglot explain``: the three steps, in one framework or in both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from diglot.cli import loading, options, rendering
from diglot.cli.rendering import Facts

if TYPE_CHECKING:
    from diglot.types import Precision

_BOTH = "both"


def explain(
    texts: Annotated[list[str], typer.Argument(metavar="TEXT...", help="The texts to explain.")],
    backend: Annotated[
        str | None,
        typer.Option(
            "--backend",
            "-b",
            metavar="NAME|both",
            help="torch, tensorflow, or another installed backend; both shows PyTorch and"
            " TensorFlow side by side, with the differences.",
            rich_help_panel=options.MODEL,
        ),
    ] = None,
    layout: options.Layout = Facts.TABLE,
    max_length: options.MaxLength = None,
    model: options.Model = None,
    revision: options.Revision = None,
    labels: options.Labels = None,
    precision: options.Precision = None,
    device: options.Device = None,
    fresh_head: options.FreshHead = False,
    trust_remote_code: options.TrustRemoteCode = False,
) -> None:
    """Show the result of each step: tokens and ids, logits, probabilities, labels."""
    from diglot import backends, explanation, settings

    chosen = settings.load(
        checkpoint=model,
        backend=None if backend == _BOTH else backend,
        precision=cast("Precision | None", precision),
        device=device,
    )
    sides = [chosen]
    if backend == _BOTH:
        names = (backends.REFERENCE, backends.DEFAULT_TESTED)
        for name in names:
            # Before the first one is loaded, which takes a while.
            backends.require(name)
        sides = [chosen.model_copy(update={"backend": name}) for name in names]
    explanations = []
    for side in sides:
        classifier = loading.load(
            side,
            revision=revision,
            labels=options.label_names(labels),
            fresh_head=fresh_head,
            trust_remote_code=trust_remote_code,
            max_length=max_length,
        )
        with classifier:
            explanations.append(classifier.explain(texts))
    result = explanation.compare(*explanations) if backend == _BOTH else explanations[0]
    if layout is Facts.JSON:
        typer.echo(result.to_json())
    else:
        rendering.console().print(result)
