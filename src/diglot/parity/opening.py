"""From what a caller names to a side: a backend, an export's folder, or a server's address."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diglot import backends
from diglot.errors import LedgerError, UnknownBackendError
from diglot.parity.sides import EndpointSide, ModelSide, Side
from diglot.serving import layout

if TYPE_CHECKING:
    from diglot.backends import Precision
    from diglot.checkpoint import Checkpoint
    from diglot.parity.ledger import Ledger
    from diglot.parity.result import Change
    from diglot.parity.tolerance import Tolerance

_ADDRESS = re.compile(r"[a-z]+://.+|[^/\\\s]+:[0-9]+")


def is_ledger(named: str | os.PathLike[str]) -> bool:
    """Whether it names a file, which can be nothing but a ledger."""
    return Path(named).expanduser().is_file()


def ledger(named: str | os.PathLike[str], precision: Precision | None) -> Ledger:
    """The ledger in a file.

    Args:
        named: the file.
        precision: the dtype of the parameters that is wanted; ``None`` for the ledger's.

    Raises:
        LedgerError: it cannot be read, or is of another precision.
    """
    from diglot.parity.ledger import read

    found = read(Path(named).expanduser())
    if precision not in (None, found.precision):
        raise LedgerError(
            f"{os.fspath(named)} was recorded in {found.precision}, and nothing else can be held"
            f" against it; leave {precision} out, or record a ledger in it"
        )
    return found


def since(
    recorded: Ledger, found: Checkpoint, backend: str, tolerance: Tolerance
) -> tuple[Change, ...]:
    """What is not as it was when a ledger was recorded.

    Args:
        recorded: the ledger.
        found: the checkpoint that is held against it.
        backend: what runs the checkpoint.
        tolerance: how large an error may be.
    """
    from diglot.parity.ledger import changes, described

    now = described(
        found,
        backend=backend,
        precision=recorded.precision,
        rounding=recorded.rounding,
        tolerance=tolerance,
        seed=recorded.seed,
    )
    return changes(recorded, now)


def side(named: str | os.PathLike[str] | Side, found: Checkpoint, precision: Precision) -> Side:
    """What is meant by ``against``.

    Args:
        named: a backend's name, the folder of an export, a server's address, or a side.
        found: the checkpoint that a backend is to load.
        precision: the dtype of its parameters.

    Raises:
        UnknownBackendError: nothing of that name is known.
        DiglotError: it cannot be loaded or reached.
    """
    if not isinstance(named, str | os.PathLike):
        return named
    name = os.fspath(named)
    if name in backends.names():
        loaded: Any = backends.require(name).load(found, precision=precision, device=None)
        return ModelSide(found, loaded)
    if layout.is_export(name):
        from diglot.serving.served import ServedClassifier

        return EndpointSide(ServedClassifier.open(name))
    if _ADDRESS.fullmatch(name):
        from diglot.serving import Client

        return EndpointSide(Client(name))
    raise UnknownBackendError(
        f"{name!r} is nothing to check against: no backend ({', '.join(backends.names())}), no"
        " folder of an export (diglot export), no server's address"
        " (http://HOST:8501/v1/models/NAME) and no ledger (diglot record)"
    )
