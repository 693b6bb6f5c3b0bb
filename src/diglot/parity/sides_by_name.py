"""From what a caller names to a side: a backend, an export's folder, or a server's address."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diglot import backends
from diglot.endpoints import layout
from diglot.endpoints.address import connect, is_address
from diglot.endpoints.model import open_export, parts
from diglot.equality.sides import ClassifierSide, EndpointSide, Side
from diglot.errors import LedgerError, UnknownBackendError

if TYPE_CHECKING:
    from diglot.checkpoints import Checkpoint
    from diglot.equality.tolerance import Tolerance
    from diglot.parity.ledger import Ledger
    from diglot.parity.result import Change
    from diglot.types import Precision


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
        return ClassifierSide.of(found, loaded)
    if layout.is_export(name):
        return EndpointSide(*open_export(name))
    if is_address(name):
        return EndpointSide(*parts(connect(name), "serving"))
    raise UnknownBackendError(
        f"{name!r} is nothing to check against: no backend ({', '.join(backends.names())}), no"
        " folder of an export (diglot export), no server's address"
        " (http://HOST:8501/v1/models/NAME) and no ledger (diglot record)"
    )
