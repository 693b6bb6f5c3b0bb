"""The registry of backends.

Packages add backends through the entry-point group ``diglot.backends``: the name is the backend's,
the object is a subclass of :class:`~diglot.backends.backend.Backend`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from diglot import extras
from diglot.backends.backend import Backend, Model, Run
from diglot.errors import BackendNotInstalledError, UnknownBackendError

GROUP = "diglot.backends"

REFERENCE = "torch"
"""The backend that runs transformers' own model; the others are compared with it."""

DEFAULT_TESTED = "tensorflow"
"""The backend that is compared with the reference unless another is named."""

SAVED_MODEL = "saved_model"
"""The name, in settings and calls, that asks for the export in a folder; it is no backend."""

# The order of an automatic choice; backends of other packages come after these, by name.
_PREFERRED = (REFERENCE, DEFAULT_TESTED)


@cache
def _entry_points() -> Mapping[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def names() -> list[str]:
    """The names of all registered backends, in the order of an automatic choice."""
    registered = _entry_points()
    preferred = [name for name in _PREFERRED if name in registered]
    return preferred + sorted(set(registered) - set(preferred))


def find(name: str) -> type[Backend]:
    """The backend class of that name; its framework need not be installed.

    Raises:
        UnknownBackendError: no package registers the name.
    """
    try:
        point = _entry_points()[name]
    except KeyError:
        raise UnknownBackendError(
            f"there is no backend {name!r}; registered are: {', '.join(names())}. Install the"
            " package that provides it, or choose one of these."
        ) from None
    backend: type[Backend] = point.load()
    return backend


def missing(backend: type[Backend]) -> list[str]:
    """The modules that the backend needs and that are not installed."""
    return extras.missing(*backend.requires)


def installed() -> list[str]:
    """The names of the backends whose frameworks are installed, the automatic choice first."""
    return [name for name in names() if not missing(find(name))]


def require(name: str) -> type[Backend]:
    """The backend class of that name; checks that its framework is installed.

    Raises:
        UnknownBackendError: no package registers the name.
        BackendNotInstalledError: a module that it needs is missing.
    """
    backend = find(name)
    extras.require(backend.extra or name, *backend.requires, what=f"the backend {name!r}")
    return backend


def devices() -> list[str]:
    """The names of the devices of all registered backends; an ``N`` stands for any number."""
    return list(dict.fromkeys(form for name in names() for form in find(name).devices))


def automatic() -> str:
    """The name of the first backend that is installed, PyTorch before TensorFlow.

    Raises:
        BackendNotInstalledError: none is.
    """
    for name in installed():
        return name
    raise BackendNotInstalledError(
        "no framework is installed; run: python -m pip install 'diglot[torch]' for PyTorch, or"
        " 'diglot[tensorflow]' for TensorFlow"
    )


__all__ = [
    "DEFAULT_TESTED",
    "GROUP",
    "REFERENCE",
    "SAVED_MODEL",
    "Backend",
    "Model",
    "Run",
    "automatic",
    "devices",
    "find",
    "installed",
    "missing",
    "names",
    "require",
]
