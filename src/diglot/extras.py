"""The optional extras: what to install where a module is missing."""

from __future__ import annotations

import importlib.util

from diglot.errors import BackendNotInstalledError


def missing(*modules: str) -> list[str]:
    """The modules that cannot be imported."""
    return [module for module in modules if importlib.util.find_spec(module) is None]


def require(extra: str, *modules: str, what: str = "this") -> None:
    """Check that the modules of an extra can be imported.

    Args:
        extra: the extra, or several with commas between them.
        modules: the modules that are about to be imported.
        what: what needs them, for the message.

    Raises:
        BackendNotInstalledError: one cannot be imported; the message names the extra.
    """
    if absent := missing(*modules):
        raise BackendNotInstalledError(
            f"{what} needs {' and '.join(absent)}, which {'is' if len(absent) == 1 else 'are'} not"
            f" installed; run: python -m pip install 'diglot[{extra}]'"
        )
