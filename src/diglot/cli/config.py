"""``diglot config``: the settings of the working directory."""

from __future__ import annotations

from diglot import backends
from diglot.cli import options, rendering
from diglot.cli.rendering import Facts
from diglot.errors import BackendNotInstalledError


def config(layout: options.Layout = Facts.TABLE) -> None:
    """Print each setting, its value, and the source of the value.

    A command's option beats a DIGLOT_... variable, which beats diglot.toml or the tool.diglot
    table of pyproject.toml, in this folder or the nearest parent that has one.
    """
    from diglot import settings

    loaded = settings.load()
    values = loaded.model_dump()
    if layout is Facts.JSON:
        rendering.print_json(
            {key: {"value": values[key], "source": loaded.sources[key]} for key in values}
        )
        return
    rows = [
        [key, _automatic(key) if value is None else str(value), loaded.sources[key]]
        for key, value in values.items()
    ]
    rendering.console().print(rendering.facts(rows, "setting", "value", "source"))


def _automatic(key: str) -> str:
    """The value that diglot chooses for a setting without one, in words."""
    if key == "checkpoint":
        return "the one that diglot ships"
    if key == "device":
        return "the fastest available"
    try:
        return f"{backends.automatic()}, the first installed"
    except BackendNotInstalledError:
        return "none is installed"
