"""What the optional extras install, asked for before it is needed."""

from __future__ import annotations

from importlib.util import find_spec

from diglot.errors import BackendNotInstalledError


def require(extra: str, *modules: str) -> None:
    """Make sure that modules of an extra can be imported.

    Args:
        extra: the extra, or several with commas between them.
        modules: what is about to be imported.

    Raises:
        BackendNotInstalledError: one cannot; the message names the extra.
    """
    if absent := [one for one in modules if find_spec(one) is None]:
        raise BackendNotInstalledError(
            f"this needs {' and '.join(absent)}, which {'is' if len(absent) == 1 else 'are'} not"
            f" installed; run: python -m pip install 'diglot[{extra}]'"
        )
