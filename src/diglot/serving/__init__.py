"""Exports of checkpoints for TF Serving, and a client of the server."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diglot.serving.client import Client as Client
    from diglot.serving.doctor import examine as examine
    from diglot.serving.exports import export as export

# Imported at first use: a client by REST needs no TensorFlow, and an export's process no PyTorch.
_HOMES = {
    "Client": "diglot.serving.client",
    "examine": "diglot.serving.doctor",
    "export": "diglot.serving.exports",
}

__all__ = ["Client", "examine", "export"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'diglot.serving' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
