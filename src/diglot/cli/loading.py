"""A classifier for a command, loaded without the messages of its frameworks."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from diglot.quiet import standard_error_muted

if TYPE_CHECKING:
    from diglot.classifier import TextClassifier
    from diglot.settings import Settings

_TENSORFLOW_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_TRANSFORMERS_LEVEL = "TRANSFORMERS_VERBOSITY"

# TensorFlow's levels at which it prints information and warnings.
_LOUD_LEVELS = frozenset({"0", "1"})


def load(chosen: Settings, **options: Any) -> TextClassifier:
    """Load the classifier that settings name, without messages.

    A user who sets transformers' or TensorFlow's own variable for the level of messages gets the
    messages of that level.

    Args:
        chosen: the settings of the command.
        **options: as :meth:`diglot.TextClassifier.from_settings`.

    Raises:
        DiglotError: as :meth:`diglot.TextClassifier.from_settings`.
    """
    from diglot.endpoints import layout

    os.environ.setdefault(_TRANSFORMERS_LEVEL, "error")
    folder = chosen.checkpoint
    if folder is not None and layout.opens_as_export(folder, chosen.backend):
        import_tensorflow()
    else:
        import_quietly(chosen.chosen_backend())

    from diglot.classifier import TextClassifier

    return TextClassifier.from_settings(chosen, **options)


def connect(address: str, model: str | None, **options: Any) -> TextClassifier:
    """Connect to a server, without messages.

    Args:
        address: as :class:`diglot.serving.Client`.
        model: as :class:`diglot.serving.Client`.
        **options: as :class:`diglot.serving.Client`.

    Raises:
        DiglotError: as :class:`diglot.serving.Client`.
    """
    from diglot.serving import Client

    if address.partition("://")[0] not in ("http", "https"):
        import_tensorflow()  # gRPC uses its protocol buffers
    return Client(address, model, **options)


def import_quietly(backend: str) -> None:
    """Import the modules of a backend that print while they are imported, without their messages.

    Raises:
        UnknownBackendError: no package registers the name.
    """
    from diglot import backends

    for module in backends.find(backend).noisy:
        _import(module)


def import_tensorflow() -> None:
    """Import TensorFlow, if it is installed, without its messages."""
    _import("tensorflow")


def _import(module: str) -> None:
    level = os.environ.setdefault(_TENSORFLOW_LEVEL, "3")
    if level in _LOUD_LEVELS or find_spec(module) is None:
        return
    # While it is imported, TensorFlow also prints messages that the variable does not turn off.
    with standard_error_muted():
        import_module(module)
