"""A checkpoint as a SavedModel that TF Serving loads, and the server's answers to texts."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diglot.serving.client import Client as Client
    from diglot.serving.doctor import examine as examine
    from diglot.serving.exports import export as export

# Fetched when first used: a client needs no TensorFlow.
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
