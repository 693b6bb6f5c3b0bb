"""From what a caller names to a side: a backend, an export's folder, or a server's address."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from diglot import backends
from diglot.errors import UnknownBackendError
from diglot.parity.sides import EndpointSide, ModelSide, Side
from diglot.serving import layout

if TYPE_CHECKING:
    from diglot.backends import Precision
    from diglot.checkpoint import Checkpoint

_ADDRESS = re.compile(r"[a-z]+://.+|[^/\\\s]+:[0-9]+")


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
