"""``diglot check``: whether two readings of a checkpoint are equal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from diglot.cli import checking, loading, options, rendering

if TYPE_CHECKING:
    from rich.console import Console

    from diglot.parity.result import CheckResult
    from diglot.types import Precision

_OUTPUT = "Output"

_DIFFERENT = 1


def check(
    checkpoint: options.Checkpoint = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="BACKEND|DIR|ADDRESS|LEDGER",
            help="What is tested: a backend (tensorflow, unless another is named), the folder of an"
            " export, a server (http://HOST:8501/v1/models/NAME), or a ledger.",
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="BACKEND", help="The backend that is held to be right; torch unless named."
        ),
    ] = None,
    examples: checking.Examples = checking.EXAMPLES,
    texts: checking.Texts = None,
    input_format: options.InputFormat = None,
    column: options.Column = None,
    pair_column: options.PairColumn = None,
    seed: checking.Seed = 0,
    again: Annotated[
        Path | None,
        typer.Option(
            "--replay",
            metavar="FILE",
            help="Only the failing input in this file, compared as it was then unless told"
            " otherwise.",
            rich_help_panel=options.INPUT,
        ),
    ] = None,
    strict: checking.Strict = False,
    lenient: checking.Lenient = False,
    tolerance: checking.Absolute = None,
    precision: options.Precision = None,
    revision: options.Revision = None,
    labels: options.Labels = None,
    fresh_head: options.FreshHead = False,
    trust_remote_code: options.TrustRemoteCode = False,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="A page to look at.", rich_help_panel=_OUTPUT),
    ] = None,
    as_json: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="All that was found.", rich_help_panel=_OUTPUT),
    ] = None,
    junit: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="For continuous integration.", rich_help_panel=_OUTPUT),
    ] = None,
    failures: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Where to keep failing inputs.", rich_help_panel=_OUTPUT),
    ] = Path("diglot-failures"),
) -> None:
    """Check that two readings of a checkpoint are equal, stage by stage.

    Ids and masks, hidden states, logits, probabilities and labels are compared on drawn texts and
    encodings, on hard ones and on your own. What differs is made as small as it can be, and kept as
    a file that --replay takes.

    Exit codes: 0 equal, 1 different, 2 could not be judged.
    """
    from diglot import backends, extras, settings

    extras.require("parity", "hypothesis")
    if report is not None:
        extras.require("parity", "altair", "jinja2", "vl_convert")
    from diglot.parity import sides_by_name
    from diglot.parity.failing_case import FailingCase

    rule = checking.rule(strict, lenient, tolerance)
    own = checking.own(texts, input_format, column, pair_column)
    loading.import_tensorflow()
    extra: dict[str, Any] = {"examples": examples, "texts": own, "seed": seed}
    if again is not None:
        kept = FailingCase.read(again)
        checkpoint = checkpoint or kept.checkpoint
        against, reference = against or kept.against, reference or kept.reference
        precision, rule = precision or kept.precision, rule or kept.tolerance
        extra = {"cases": [kept.case]}
    wanted = cast("Precision | None", precision)
    chosen = settings.load(checkpoint=checkpoint, precision=wanted)
    against = against or backends.DEFAULT_TESTED
    # A ledger was recorded in one precision, whatever is configured.
    fixed = sides_by_name.is_ledger(against)
    if rule is not None:
        extra["tolerance"] = rule
    with checking.progress() as progress:
        from diglot.parity.checks import check as judge

        found = judge(
            chosen.checkpoint,
            against,
            reference=reference or backends.REFERENCE,
            precision=wanted if fixed else chosen.precision,
            failures=failures,
            progress=progress,
            revision=revision,
            labels=loading.names(labels),
            fresh_head=fresh_head,
            trust_remote_code=trust_remote_code,
            **extra,
        )
    _write(found, report, as_json, junit)
    _show(found, rendering.console())
    if not found.equal:
        raise typer.Exit(_DIFFERENT)


def _write(
    found: CheckResult, report: Path | None, as_json: Path | None, junit: Path | None
) -> None:
    import json

    from diglot import files

    if report is not None:
        from diglot.parity import report as reports

        reports.write(found, report)
    if junit is not None:
        from diglot.parity import junit as results

        results.write(found, junit)
    if as_json is not None:
        with files.replacing_file(as_json) as written:
            written.write_text(json.dumps(found.facts(), ensure_ascii=False) + "\n", "utf-8")


def _show(found: CheckResult, console: Console) -> None:
    console.print(
        rendering.shown(
            f"{found.against} against {found.reference}, {found.checkpoint}, {found.precision}:"
            f" {'equal' if found.equal else 'DIFFERENT'}"
        ),
        style="bold green" if found.equal else "bold red",
        soft_wrap=True,
    )
    said = f"{len(found.inputs)} inputs, seed {found.seed}; allowed: {found.tolerance}"
    console.print(said)
    if found.refused:
        console.print(f"refused by both sides: {found.refused} inputs")
    stages = [
        [one.name, one.absent]
        if one.absent
        else [
            one.name,
            f"{one.different} of {one.judged}",
            f"{one.error:.2g}",
            f"{one.own_error:.2g}",
            f"{one.ratio:.0%}",
        ]
        for one in found.stages
    ]
    console.print(
        rendering.facts(stages, "stage", "differ", "error", "reference's own", "of the limit")
    )
    kept = [
        [one.name, one.side, one.absent or f"{one.broken} of {one.judged}"]
        for one in found.invariants
    ]
    if kept:
        console.print(rendering.facts(kept, "invariant", "side", "broken"))
    if found.changes:
        changes = [[one.what, one.old or "none", one.new or "none"] for one in found.changes]
        console.print(rendering.facts(changes, "since the ledger", "then", "now"))
    for flip in found.flips:
        excuse = "within the tolerance" if flip.excused else "beyond the tolerance"
        where = repr(flip.text) if flip.text else f"input {flip.case}, row {flip.row}"
        console.print(
            rendering.shown(
                f"label flip: {flip.actual} for {flip.expected}, {flip.margin:.2g} apart,"
                f" {excuse}: {where}"
            )
        )
    for failure in found.failures:
        lines = [f"{failure.stage} ({failure.side}): {failure.explanation}"]
        lines.append(f"  smallest input: {failure.case}")
        if failure.command:
            lines.append(f"  replay: {failure.command}")
        console.print(*map(rendering.shown, lines), sep="\n", soft_wrap=True)
