"""``diglot classify``: texts in, labels out, one after the other."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from enum import StrEnum
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO, cast

import typer

from diglot.cli import loading, options, rendering, rows
from diglot.cli.faults import Faults, OnError
from diglot.cli.progress import RowProgress
from diglot.cli.rendering import Answer, Format
from diglot.cli.rows import Columns, Fault, Row
from diglot.errors import InputError
from diglot.files import replacing_file

if TYPE_CHECKING:
    from diglot.classifier import TextClassifier
    from diglot.heads.top_k import TopK
    from diglot.types import Precision

# The backend that is a server. It is not registered, because it needs an address.
_SERVING = "serving"

# The rows that are read before the model is loaded, so that a fault among them is found at once.
_FIRST_ROWS = 256

_STANDARD_OUTPUT = "-"

_ANSWER = "Answer"

_SUFFIXES = {
    ".csv": Format.CSV,
    ".json": Format.JSON,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".txt": Format.TABLE,
}


class Function(StrEnum):
    """The function that turns logits into scores."""

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
    input_file: Annotated[
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
            help="For a row that cannot be classified: fail ends with exit code 1 and does not"
            " change --output; skip reports and skips the row, and ends with exit code 0 unless it"
            " skips all rows.",
            rich_help_panel=options.INPUT,
        ),
    ] = OnError.FAIL,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE|-",
            help="The file to write. An existing file is replaced at the end.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    layout: Annotated[
        Format | None,
        typer.Option(
            "--format",
            "-f",
            help="The format of the output. Default: by the suffix of --output, or else a table on"
            " a terminal and jsonl elsewhere. A table cuts long texts, the other formats keep them"
            " whole.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    top_k: Annotated[
        str | None,
        typer.Option(
            "--top-k",
            "-k",
            metavar="N|all",
            help="The number of labels of each text, best first. Default: only the best one.",
            rich_help_panel=_ANSWER,
        ),
    ] = None,
    function: Annotated[
        Function | None,
        typer.Option(
            help="The function that turns logits into scores. Default: the checkpoint's own.",
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
            help="torch, tensorflow, or another installed backend; or serving, with --address.",
            rich_help_panel=options.MODEL,
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="A TF Serving server, http://HOST:8501 or grpc://HOST:8500; --model is then the"
            " model's name on the server.",
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
            help="The most texts in a batch. Default: the configured number, or else 32. With 1,"
            " each row is answered before the next one is read.",
            rich_help_panel=options.MODEL,
        ),
    ] = None,
    fresh_head: options.FreshHead = False,
    trust_remote_code: options.TrustRemoteCode = False,
) -> None:
    """Classify texts from the command line, a file or standard input.

    Files: plain text (a text on each line), CSV and TSV with a header, JSON lines, a JSON array,
    Parquet. Rows are read, classified and written in small groups, so a file may be larger than
    memory. Every answer has the number of its line (of its row in Parquet), counted from 1.
    """
    from diglot import settings

    if (backend == _SERVING) != (address is not None):
        raise typer.BadParameter("--backend serving and --address belong together")
    ranking = _top_k(top_k)
    layout = layout or _format(output)
    served = address is not None
    chosen = settings.load(
        batch_size=batch_size,
        checkpoint=None if served else model,
        backend=None if served else backend,
        precision=cast("Precision | None", precision),
        device=device,
    )
    with _source(texts or [], input_file, input_format, Columns(column, pair_column)) as source:
        console = rendering.console(sys.stderr)
        faults = Faults(source.prefix, on_error, console)
        progress = RowProgress(console, shown=_shows_progress(output))
        readable = faults.readable(progress.follow(source))
        # Before the model is loaded, which takes a while: the file may be faulty or empty.
        first = list(islice(readable, 1 if chosen.batch_size == 1 else _FIRST_ROWS))
        if not faults.rows:
            faults.print_line(
                f"there is nothing to classify: {input_file or '<stdin>'} holds no texts"
            )
        calls = {"top_k": ranking, "function_to_apply": function, "max_length": max_length}
        classifier = (
            loading.connect(address, model, batch_size=chosen.batch_size, **calls)
            if address is not None
            else loading.load(
                chosen,
                revision=revision,
                labels=options.label_names(labels),
                fresh_head=fresh_head,
                trust_remote_code=trust_remote_code,
                **calls,
            )
        )
        with classifier, _destination(output) as stream, progress:
            writer = rendering.writer(
                layout,
                stream,
                columns=classifier.task.head.columns,
                labels=classifier.labels,
                ranked=top_k is not None,
                pairs=pair_column is not None,
            )
            for answer in answers(classifier, chain(first, readable), faults):
                writer.write(answer)
                stream.flush()
            if faults.rows and faults.skipped == faults.rows:
                raise InputError(
                    f"none of the {faults.rows} rows could be classified; the reason for each row"
                    " is above"
                )
            writer.finish()
        if faults.skipped:
            faults.print_line(f"skipped {faults.skipped} of {faults.rows} rows")


def answers(classifier: TextClassifier, rows: Iterable[Row], faults: Faults) -> Iterator[Answer]:
    """The answers of a classifier, in the order of the rows, without the rows that it refuses.

    Raises:
        InputError: the classifier refuses a row, and faults are not skipped.
    """
    pending: deque[Row] = deque()

    def inputs() -> Iterator[dict[str, str]]:
        for row in rows:
            pending.append(row)
            yield row.as_input()

    outcomes: Iterable[Any] = classifier(inputs(), on_error=lambda _, error: error)
    for outcome in outcomes:
        row = pending.popleft()
        if isinstance(outcome, InputError):
            faults.report(Fault(row.line, str(outcome)), outcome)
        else:
            texts = [row.text] if row.pair is None else [row.text, row.pair]
            yield Answer(row.line, texts, outcome if isinstance(outcome, list) else [outcome])


def _source(
    texts: list[str], input_file: str | None, kind: rows.Kind | None, columns: Columns
) -> AbstractContextManager[rows.Source]:
    """The source of the rows: the texts of the command line, a file, or standard input."""
    if texts == [rows.STANDARD_INPUT]:
        texts, input_file = [], input_file or rows.STANDARD_INPUT
    if texts:
        if input_file is not None:
            raise typer.BadParameter("give texts or --input, not both")
        if kind is not None or columns != Columns():
            raise typer.BadParameter("texts on the command line have neither format nor columns")
        return nullcontext(rows.arguments(texts))
    if input_file is None and (sys.stdin is None or sys.stdin.isatty()):
        raise typer.BadParameter("give texts, or --input FILE, or a pipe to read from")
    return rows.opened(input_file or rows.STANDARD_INPUT, kind, columns)


@contextmanager
def _destination(output: str | None) -> Iterator[TextIO]:
    """The stream for the answers: standard output, or a file that replaces the old one at the end.

    Raises:
        InputError: the file cannot be written.
    """
    if output is None or output == _STANDARD_OUTPUT:
        yield sys.stdout
        return
    with ExitStack() as stack:
        try:
            file = stack.enter_context(replacing_file(Path(output)))
            stream = stack.enter_context(file.open("w", encoding="utf-8", newline=""))
        except OSError as error:
            raise InputError(f"{output} cannot be written: {error.strerror}") from error
        yield stream


def _format(output: str | None) -> Format:
    if output is None or output == _STANDARD_OUTPUT:
        return Format.TABLE if sys.stdout.isatty() else Format.JSONL
    suffix = Path(output).suffix.lower()
    if suffix not in _SUFFIXES:
        raise typer.BadParameter(
            f"{output!r} does not end in one of {', '.join(_SUFFIXES)}; name the format with"
            " --format",
            param_hint="--output",
        )
    return _SUFFIXES[suffix]


def _top_k(value: str | None) -> TopK:
    from diglot.heads.top_k import UNSET

    if value is None:
        return UNSET
    if value == "all":
        return None
    if not value.isdecimal() or int(value) < 1:
        raise typer.BadParameter(
            f"{value!r} is neither a whole number above 0 nor 'all'", param_hint="--top-k"
        )
    return int(value)


def _shows_progress(output: str | None) -> bool:
    """Whether somebody sees a progress bar, and the answers are printed elsewhere."""
    separate = output not in (None, _STANDARD_OUTPUT) or not sys.stdout.isatty()
    return separate and sys.stderr.isatty()
