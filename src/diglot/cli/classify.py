"""``diglot classify``: texts in, labels out, window by window."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from diglot.cli import loading, options, rendering, rows
from diglot.cli.rendering import Format
from diglot.cli.rows import Columns
from diglot.cli.stream import STANDARD_OUTPUT, Faults, OnError, Progress, answers, destination

if TYPE_CHECKING:
    from diglot.heads.sequence_classification import TopK

# Texts of like length are batched together among this many batches' worth of rows.
_BATCHES = 8

# The backend that is a server; it is not registered, for it needs an address.
_SERVING = "serving"

_OUTPUT = "Output"
_ANSWER = "Answer"

_SUFFIXES = {
    ".csv": Format.CSV,
    ".json": Format.JSON,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".txt": Format.TABLE,
}


class Function(StrEnum):
    """What turns logits into scores."""

    SOFTMAX = "softmax"
    SIGMOID = "sigmoid"
    NONE = "none"


def classify(
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT]...",
            help="Texts to classify. Without any, or with - alone, standard input is read.",
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--input",
            "-i",
            metavar="FILE|-",
            help="A file of texts.",
            rich_help_panel=options.INPUT,
        ),
    ] = None,
    input_format: options.InputFormat = None,
    column: options.Column = None,
    pair_column: options.PairColumn = None,
    on_error: Annotated[
        OnError,
        typer.Option(
            help="At a row that cannot be classified, stop with exit code 1 and leave --output as"
            " it was; or skip the row, which is reported, and end with exit code 0.",
            rich_help_panel=options.INPUT,
        ),
    ] = OnError.FAIL,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE|-",
            help="Where to write. A file is replaced once all is written.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    layout: Annotated[
        Format | None,
        typer.Option(
            "--format",
            "-f",
            help="Without it the suffix of --output decides; or else it is a table on a terminal,"
            " and jsonl elsewhere. A table cuts long texts, the other formats keep them whole.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    top_k: Annotated[
        str | None,
        typer.Option(
            "--top-k",
            "-k",
            metavar="N|all",
            help="Give so many labels of each text, the best first, rather than the best one.",
            rich_help_panel=_ANSWER,
        ),
    ] = None,
    function: Annotated[
        Function | None,
        typer.Option(
            help="What turns logits into scores. Without it, what the checkpoint asks for.",
            rich_help_panel=_ANSWER,
        ),
    ] = None,
    max_length: options.MaxLength = None,
    backend: Annotated[
        str | None,
        typer.Option(
            "--backend",
            "-b",
            metavar="NAME",
            help="torch, tensorflow, or another that is installed; or serving, with --address.",
            rich_help_panel=options.MODEL,
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="A TF Serving server, http://HOST:8501 or grpc://HOST:8500; --model is then the"
            " model's name there.",
            rich_help_panel=options.MODEL,
        ),
    ] = None,
    model: options.Model = None,
    revision: options.Revision = None,
    labels: options.Labels = None,
    precision: options.Precision = None,
    device: options.Device = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="The most texts in a batch; 32 unless configured. With 1, each row is answered"
            " before the next one is read.",
            rich_help_panel=options.MODEL,
        ),
    ] = None,
    fresh_head: options.FreshHead = False,
    trust_remote_code: options.TrustRemoteCode = False,
) -> None:
    """Classify texts from the command line, a file or standard input.

    Files: plain text (a text on each line), CSV and TSV with a header, JSON lines, a JSON array,
    Parquet. They are read, classified and written piece by piece, so a file may be larger than
    memory. Every answer keeps the number of its line (of its row in Parquet), counted from 1.
    """
    from diglot import batching, settings

    if (backend == _SERVING) != (address is not None):
        raise typer.BadParameter("--backend serving and --address belong together")
    ranking = _top_k(top_k)
    layout = layout or _format(output)
    batch = settings.load(batch_size=batch_size).batch_size
    with _source(texts or [], source, input_format, Columns(column, pair_column)) as given:
        console = rendering.console(sys.stderr)
        faults = Faults(given.prefix, on_error, console)
        window = 1 if batch == 1 else batch * _BATCHES
        windows = map(faults.sift, batching.windows(given.rows, window))
        # Before the model is loaded, which takes a while: the file may be at fault, or empty.
        first = list(islice(windows, 1))
        if not first:
            faults.say(f"there is nothing to classify: {source or '<stdin>'} holds no texts")
        asked = {"top_k": ranking, "function_to_apply": function, "max_length": max_length}
        classifier = (
            loading.ask(address, model, batch_size=batch, **asked)
            if address is not None
            else loading.load(
                model,
                backend,
                revision=revision,
                precision=precision,
                device=device,
                batch_size=batch_size,
                labels=labels,
                fresh_head=fresh_head,
                trust_remote_code=trust_remote_code,
                **asked,
            )
        )
        with (
            destination(output) as stream,
            Progress(given, console, shown=_shows_progress(output)) as progress,
        ):
            writer = rendering.writer(
                layout, stream, ranked=top_k is not None, pairs=pair_column is not None
            )
            for each in progress.windows(chain(first, windows)):
                writer.write(answers(classifier, each, faults))
                stream.flush()
            writer.finish()
        if faults.count:
            faults.say(f"left out {faults.count} of {faults.seen} rows")


def _source(
    texts: list[str], source: str | None, kind: rows.Kind | None, columns: Columns
) -> AbstractContextManager[rows.Source]:
    """What to read: the texts of the command line, a file, or standard input."""
    if texts == [rows.STANDARD_INPUT]:
        texts, source = [], source or rows.STANDARD_INPUT
    if texts:
        if source is not None:
            raise typer.BadParameter("give texts or --input, not both")
        if kind is not None or columns != Columns():
            raise typer.BadParameter("texts on the command line have neither format nor columns")
        return nullcontext(rows.arguments(texts))
    if source is None and (sys.stdin is None or sys.stdin.isatty()):
        raise typer.BadParameter("give texts, or --input FILE, or a pipe to read from")
    return rows.opened(source or rows.STANDARD_INPUT, kind, columns)


def _format(output: str | None) -> Format:
    if output is None or output == STANDARD_OUTPUT:
        return Format.TABLE if sys.stdout.isatty() else Format.JSONL
    suffix = Path(output).suffix.lower()
    if suffix not in _SUFFIXES:
        raise typer.BadParameter(
            f"{output!r} does not end in one of {', '.join(_SUFFIXES)}; say what to write with"
            " --format",
            param_hint="--output",
        )
    return _SUFFIXES[suffix]


def _top_k(given: str | None) -> TopK:
    from diglot.heads.sequence_classification import UNSET

    if given is None:
        return UNSET
    if given == "all":
        return None
    if not given.isdecimal() or int(given) < 1:
        raise typer.BadParameter(
            f"{given!r} is neither a whole number above 0 nor 'all'", param_hint="--top-k"
        )
    return int(given)


def _shows_progress(output: str | None) -> bool:
    """Whether a bar is seen, and does not stand among the answers."""
    apart = output not in (None, STANDARD_OUTPUT) or not sys.stdout.isatty()
    return apart and sys.stderr.isatty()
