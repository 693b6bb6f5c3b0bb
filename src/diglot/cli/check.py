"""``diglot check``: whether two readings of a checkpoint are equal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from diglot.cli import loading, options, progress, rendering

if TYPE_CHECKING:
    from rich.console import Console

    from diglot.parity.result import CheckResult
    from diglot.types import Precision

_DIFFERENT = 1


def check(
    checkpoint: options.Checkpoint = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="BACKEND|DIR|ADDRESS|LEDGER",
            help="The side under test: a backend, the folder of an export, a server"
            " (http://HOST:8501/v1/models/NAME), or a ledger. Default: tensorflow.",
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="BACKEND", help="The backend to compare with, which is right. Default: torch."
        ),
    ] = None,
    examples: options.Examples = options.EXAMPLES,
    texts: options.Texts = None,
    input_format: options.InputFormat = None,
    column: options.Column = None,
    pair_column: options.PairColumn = None,
    seed: options.Seed = 0,
    replay: Annotated[
        Path | None,
        typer.Option(
            "--replay",
            metavar="FILE",
            help="Check only the failing input in this file, with the options of that check unless"
            " others are given.",
            rich_help_panel=options.INPUT,
        ),
    ] = None,
    strict: options.Strict = False,
    lenient: options.Lenient = False,
    tolerance: options.Absolute = None,
    precision: options.Precision = None,
    revision: options.Revision = None,
    labels: options.Labels = None,
    fresh_head: options.FreshHead = False,
    trust_remote_code: options.TrustRemoteCode = False,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html", help="Write an HTML report.", rich_help_panel=options.OUTPUT
        ),
    ] = None,
    as_json: Annotated[
        Path | None,
        typer.Option(
            "--json",
            metavar="FILE",
            help="Write the whole result as JSON.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    junit: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the result as JUnit XML, for continuous integration.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    failures: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="The folder for failing inputs.", rich_help_panel=options.OUTPUT
        ),
    ] = Path("diglot-failures"),
) -> None:
    """Check that two readings of a checkpoint are equal, stage by stage.

    Compares ids and masks, hidden states, logits, probabilities and labels on drawn texts and
    encodings, on hard inputs and on your own texts. Shrinks each input that shows a difference, and
    saves it as a file for --replay.

    Exit codes: 0 equal, 1 different, 2 could not be judged.
    """
    from diglot import backends, extras, settings

    extras.require("parity", "hypothesis")
    if report is not None:
        extras.require("parity", "altair", "jinja2", "vl_convert")
    from diglot.parity import sides_by_name
    from diglot.parity.failing_case import FailingCase

    rule = options.tolerance(strict, lenient, tolerance)
    own_texts = options.own_texts(texts, input_format, column, pair_column)
    loading.import_tensorflow()
    arguments: dict[str, Any] = {"examples": examples, "texts": own_texts, "seed": seed}
    if replay is not None:
        failing = FailingCase.read(replay)
        checkpoint = checkpoint or failing.checkpoint
        against, reference = against or failing.against, reference or failing.reference
        precision, rule = precision or failing.precision, rule or failing.tolerance
        arguments = {"cases": [failing.case]}
    if rule is not None:
        arguments["tolerance"] = rule
    requested = cast("Precision | None", precision)
    chosen = settings.load(checkpoint=checkpoint, precision=requested)
    against = against or backends.DEFAULT_TESTED
    with progress.inputs_done() as update:
        from diglot.parity.checks import check as run_check

        result = run_check(
            chosen.checkpoint,
            against,
            reference=reference or backends.REFERENCE,
            # A ledger has a precision of its own, which the configured one must not replace.
            precision=requested if sides_by_name.is_ledger(against) else chosen.precision,
            failures=failures,
            progress=update,
            revision=revision,
            labels=options.label_names(labels),
            fresh_head=fresh_head,
            trust_remote_code=trust_remote_code,
            **arguments,
        )
    _write(result, report, as_json, junit)
    _print(result, rendering.console())
    if not result.equal:
        raise typer.Exit(_DIFFERENT)


def _write(
    result: CheckResult, report: Path | None, as_json: Path | None, junit: Path | None
) -> None:
    """Write the result in each format that has a path."""
    if report is not None:
        from diglot.parity.report import write as write_report

        write_report(result, report)
    if junit is not None:
        from diglot.parity.junit import write as write_junit

        write_junit(result, junit)
    if as_json is not None:
        rendering.write_json(result.facts(), as_json)


def _print(result: CheckResult, console: Console) -> None:
    console.print(
        rendering.shown(
            f"{result.against} against {result.reference}, {result.checkpoint},"
            f" {result.precision}: {'equal' if result.equal else 'DIFFERENT'}"
        ),
        style="bold green" if result.equal else "bold red",
        soft_wrap=True,
    )
    console.print(f"{len(result.inputs)} inputs, seed {result.seed}; allowed: {result.tolerance}")
    if result.refused:
        console.print(f"refused by both sides: {result.refused} inputs")
    stages = [
        [stage.name, stage.absent]
        if stage.absent
        else [
            stage.name,
            f"{stage.different} of {stage.judged}",
            f"{stage.error:.2g}",
            f"{stage.own_error:.2g}",
            f"{stage.ratio:.0%}",
        ]
        for stage in result.stages
    ]
    console.print(
        rendering.facts(stages, "stage", "differ", "error", "reference's own", "of the limit")
    )
    invariants = [
        [
            invariant.name,
            invariant.side,
            invariant.absent or f"{invariant.broken} of {invariant.judged}",
        ]
        for invariant in result.invariants
    ]
    if invariants:
        console.print(rendering.facts(invariants, "invariant", "side", "broken"))
    if result.changes:
        changes = [
            [change.what, change.old or "none", change.new or "none"] for change in result.changes
        ]
        console.print(rendering.facts(changes, "since the ledger", "then", "now"))
    for flip in result.flips:
        excuse = "within the tolerance" if flip.excused else "beyond the tolerance"
        where = repr(flip.text) if flip.text else f"input {flip.case}, row {flip.row}"
        console.print(
            rendering.shown(
                f"label flip: {flip.actual} for {flip.expected}, {flip.margin:.2g} apart,"
                f" {excuse}: {where}"
            )
        )
    for failure in result.failures:
        lines = [f"{failure.stage} ({failure.side}): {failure.explanation}"]
        lines.append(f"  smallest input: {failure.case}")
        if failure.command:
            lines.append(f"  replay: {failure.command}")
        console.print(*map(rendering.shown, lines), sep="\n", soft_wrap=True)
