"""Sides and ledgers by the names that a caller gives them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diglot import backends, settings
from diglot.endpoints import layout
from diglot.endpoints.address import connect, is_address
from diglot.endpoints.model import open_export, parts
from diglot.equality.sides import ClassifierSide, EndpointSide
from diglot.errors import LedgerError, UnknownBackendError

if TYPE_CHECKING:
    from diglot.checkpoints import Checkpoint
    from diglot.equality.tolerance import Tolerance
    from diglot.parity.ledger import Ledger
    from diglot.parity.result import Change
    from diglot.types import Precision


def is_ledger(name: str | os.PathLike[str]) -> bool:
    """Whether the name is that of a file, which can only be a ledger."""
    return Path(name).expanduser().is_file()


def ledger(name: str | os.PathLike[str], precision: Precision | None) -> Ledger:
    """Read the ledger in a file.

    Args:
        name: the file.
        precision: the wanted dtype of the parameters; ``None`` for the ledger's.

    Raises:
        LedgerError: the ledger cannot be read, or is of another precision.
    """
    from diglot.parity.ledger import read

    recorded = read(Path(name).expanduser())
    if precision not in (None, recorded.precision):
        raise LedgerError(
            f"{os.fspath(name)} was recorded in {recorded.precision} and cannot be compared with"
            f" {precision}; leave {precision} out, or record a ledger in it"
        )
    return recorded


def changes_since(
    recorded: Ledger, checkpoint: Checkpoint, backend: str, tolerance: Tolerance
) -> tuple[Change, ...]:
    """The facts that have changed since a ledger was recorded.

    Args:
        recorded: the ledger.
        checkpoint: the checkpoint that is compared with it.
        backend: the backend that runs the checkpoint.
        tolerance: the largest allowed error.
    """
    from diglot.parity.ledger import changes, described

    now = described(
        checkpoint,
        backend=backend,
        precision=recorded.precision,
        rounding=recorded.rounding,
        tolerance=tolerance,
        seed=recorded.seed,
    )
    return changes(recorded, now)


def side(
    name: str | os.PathLike[str],
    checkpoint: Checkpoint,
    precision: Precision,
    device: str | None = None,
) -> ClassifierSide:
    """Open a side by its name; the caller closes it.

    Args:
        name: a backend's name, the folder of an export, or a server's address.
        checkpoint: the checkpoint that a backend loads.
        precision: the dtype of a backend's parameters.
        device: the device of a backend; see :func:`diglot.settings.device_for`.

    Raises:
        UnknownBackendError: nothing has that name.
        DiglotError: the side cannot be loaded or reached.
    """
    name = os.fspath(name)
    if name in backends.names():
        kind = backends.require(name)
        loaded: Any = kind.load(
            checkpoint, precision=precision, device=settings.device_for(name, device)
        )
        return ClassifierSide.of(checkpoint, loaded)
    if layout.is_export(name):
        return EndpointSide(*open_export(name))
    if is_address(name):
        return EndpointSide(*parts(connect(name), "serving"))
    raise UnknownBackendError(
        f"{name!r} is nothing to check against: no backend ({', '.join(backends.names())}), no"
        " folder of an export (diglot export), no server's address"
        " (http://HOST:8501/v1/models/NAME) and no ledger (diglot record)"
    )
