"""A classifier for a command, loaded without the noise of its frameworks."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from diglot.quiet import standard_error_muted

if TYPE_CHECKING:
    from diglot.classifier import TextClassifier

_TENSORFLOW_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_TRANSFORMERS_LEVEL = "TRANSFORMERS_VERBOSITY"


def load(
    model: str | None, backend: str | None, *, labels: str | None, **options: Any
) -> TextClassifier:
    """Load a classifier; the arguments are those of ``TextClassifier.from_pretrained``.

    Whoever sets TensorFlow's or transformers' own variable for the level of messages gets them.

    Args:
        model: the checkpoint.
        backend: the backend's name.
        labels: the labels, with commas between them.
        **options: the rest.

    Raises:
        DiglotError: as ``from_pretrained``.
    """
    from diglot import settings
    from diglot.endpoints import layout

    os.environ.setdefault(_TRANSFORMERS_LEVEL, "error")
    named = None if backend == layout.BACKEND else backend
    chosen = settings.load(checkpoint=model, backend=named)
    if chosen.checkpoint is not None and layout.opens_as_export(chosen.checkpoint, backend):
        import_tensorflow()
    else:
        import_quietly(chosen.chosen_backend())

    from diglot.classifier import TextClassifier

    return TextClassifier.from_pretrained(model, backend, labels=names(labels), **options)


def ask(address: str, model: str | None, **options: Any) -> TextClassifier:
    """A classifier that asks a server; the arguments are those of ``diglot.serving.Client``.

    Raises:
        DiglotError: as ``Client``.
    """
    from diglot.serving import Client

    if address.partition("://")[0] not in ("http", "https"):
        import_tensorflow()  # whose protocol buffers gRPC speaks
    return Client(address, model, **options)


def names(labels: str | None) -> list[str] | None:
    """The labels of ``--labels``, which have commas between them."""
    return None if labels is None else [label.strip() for label in labels.split(",")]


def import_quietly(backend: str) -> None:
    """Import a backend's noisy modules without their messages."""
    from diglot import backends

    for module in backends.find(backend).noisy:
        _import(module)


def import_tensorflow() -> None:
    """Import TensorFlow without its messages."""
    _import("tensorflow")


def _import(module: str) -> None:
    if _TENSORFLOW_LEVEL in os.environ or find_spec(module) is None:
        return
    os.environ[_TENSORFLOW_LEVEL] = "3"
    # While it is imported, TensorFlow also logs in a way that no variable turns off.
    with standard_error_muted():
        import_module(module)
