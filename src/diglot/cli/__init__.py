"""The command line: one module a command group, and what all commands have in common."""

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
from diglot.cli import check, classify, explain, export, info, ledger, trace
from diglot.errors import DiglotError

# What a shell reports for a program that these signals have ended: 128 and the signal's number.
_INTERRUPTED = 130
_BROKEN_PIPE = 141

# Of the commands that judge, 1 says that there is a difference; they end with 2 when they cannot.
_JUDGES = frozenset({"check", "ledger", "record", "trace"})

_TRACEBACK = "--traceback"


class Commands(TyperGroup):
    """The commands, with one way to end for all."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Accept ``--traceback`` after the command too, where people add it to a failed one."""
        end = args.index("--") if "--" in args else len(args)
        if _TRACEBACK in args[:end]:
            kept = [arg for arg in args[:end] if arg != _TRACEBACK]
            args = [_TRACEBACK, *kept, *args[end:]]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; its errors become one message and an exit code."""
        _prepare()
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # Python flushes standard output once more at its end, and would complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(_BROKEN_PIPE) from None
        except KeyboardInterrupt:
            raise typer.Exit(_INTERRUPTED) from None
        except (DiglotError, OSError) as error:
            print(f"diglot: {error}", file=sys.stderr)  # noqa: T201
            if ctx.params["show_traceback"]:
                traceback.print_exception(error)
            raise typer.Exit(2 if ctx.invoked_subcommand in _JUDGES else 1) from error
        return result


app = typer.Typer(
    cls=Commands,
    name="diglot",
    no_args_is_help=True,
    # Not rich's markup, which would take the extra in diglot[torch] for a style.
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
        bool, typer.Option(_TRACEBACK, help="Show where in the code an error comes from.")
    ] = False,
) -> None:
    """Text classification with Hugging Face checkpoints, in PyTorch and in TensorFlow.

    Exit codes: 0 for success, 1 for an error, 2 for a wrong use. Commands that judge end with 1
    where they find a difference, and with 2 where they cannot judge.
    """


app.command()(classify.classify)
app.command()(explain.explain)
app.command()(info.config)
app.command()(info.info)
app.command()(export.export)
app.command()(export.doctor)
app.command()(check.check)
app.command()(ledger.record)
app.add_typer(ledger.ledger, name="ledger")
app.command()(trace.trace)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line, and end with its exit code.

    Args:
        argv: the arguments; ``None`` for those of the process.

    Raises:
        SystemExit: always; code 0, 1 after an error, 2 after a wrong use, 130 after an interrupt,
            141 when nobody reads the output any more.
    """
    app(args=None if argv is None else list(argv), prog_name="diglot")


def _prepare() -> None:
    """Make standard output and error ready for whatever they are connected to."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever has started the process
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - open to the end
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    if isinstance(sys.stdout, TextIOWrapper):
        if sys.stdout.isatty():
            sys.stdout.reconfigure(errors="backslashreplace")
        else:
            # Data is UTF-8, whatever the terminal of whoever wrote it spoke.
            sys.stdout.reconfigure(encoding="utf-8")
