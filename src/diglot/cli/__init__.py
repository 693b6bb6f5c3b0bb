"""The command line: one module per command, and the behaviour that all commands share."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import diglot
from diglot.cli import (
    check,
    classify,
    config,
    doctor,
    explain,
    export,
    info,
    ledger,
    record,
    trace,
)
from diglot.errors import DiglotError

# The exit codes that a shell reports after these signals: 128 plus the signal's number.
_INTERRUPTED = 130
_BROKEN_PIPE = 141

# These commands end with 1 for a difference, so they end with 2 if they fail.
_COMPARING = frozenset({"check", "ledger", "record", "trace"})

_TRACEBACK = "--traceback"


class Commands(TyperGroup):
    """The commands; each of them ends in the same way."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Accept ``--traceback`` after the command too, so that it can be appended to it."""
        end = args.index("--") if "--" in args else len(args)
        if _TRACEBACK in args[:end]:
            others = [arg for arg in args[:end] if arg != _TRACEBACK]
            args = [_TRACEBACK, *others, *args[end:]]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command, and turn its errors into one message and an exit code."""
        _prepare()
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # Python flushes standard output at its end, and would report the error again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(_BROKEN_PIPE) from None
        except KeyboardInterrupt:
            raise typer.Exit(_INTERRUPTED) from None
        except (DiglotError, OSError) as error:
            print(f"diglot: {error}", file=sys.stderr)  # noqa: T201
            if ctx.params["show_traceback"]:
                traceback.print_exception(error)
            raise typer.Exit(2 if ctx.invoked_subcommand in _COMPARING else 1) from error
        return result


app = typer.Typer(
    cls=Commands,
    name="diglot",
    no_args_is_help=True,
    # Rich's markup would read the extra in diglot[torch] as a style.
    rich_markup_mode="markdown",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"diglot {diglot.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    show_traceback: Annotated[
        bool, typer.Option(_TRACEBACK, help="Print the traceback of an error.")
    ] = False,
) -> None:
    """Text classification with Hugging Face checkpoints, in PyTorch and in TensorFlow.

    Exit codes: 0 for success, 1 for an error, 2 for a wrong use. The commands check, record, trace
    and ledger end with 1 for a difference, and with 2 for an error.
    """


app.command()(classify.classify)
app.command()(explain.explain)
app.command()(config.config)
app.command()(info.info)
app.command()(export.export)
app.command()(doctor.doctor)
app.command()(check.check)
app.command()(record.record)
app.add_typer(ledger.ledger, name="ledger")
app.command()(trace.trace)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line, and exit with its exit code.

    Args:
        argv: the arguments; ``None`` for the arguments of the process.

    Raises:
        SystemExit: always; code 0, 1 after an error, 2 after a wrong use, 130 after an interrupt,
            141 if the output is no longer read.
    """
    app(args=None if argv is None else list(argv), prog_name="diglot")


def _prepare() -> None:
    """Prepare standard output and error for a terminal, a pipe or a file."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the parent process
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - open until the process ends
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    if isinstance(sys.stdout, TextIOWrapper):
        if sys.stdout.isatty():
            sys.stdout.reconfigure(errors="backslashreplace")
        else:
            # Files and pipes hold UTF-8, whatever the locale.
            sys.stdout.reconfigure(encoding="utf-8")
