"""The settings and their sources.

An argument takes precedence over a ``DIGLOT_*`` environment variable, which takes precedence over a
file, which takes precedence over diglot's defaults. The file is ``diglot.toml`` or the
``[tool.diglot]`` table of ``pyproject.toml``, in the working directory or the nearest parent folder
that has either.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    PrivateAttr,
    ValidationError,
)

from diglot import backends
from diglot.errors import SettingsError
from diglot.types import Precision

PREFIX = "DIGLOT_"

# In one folder, the first of these takes precedence.
_FILES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("diglot.toml", ()),
    ("pyproject.toml", ("tool", "diglot")),
)


def _registered(name: str) -> str:
    """Check that a package provides the backend."""
    if name not in (*backends.names(), backends.SAVED_MODEL):
        raise ValueError(f"no installed package provides a backend {name!r}")
    return name


def _device(name: str) -> str:
    """Check that a registered backend may have such a device."""
    if not any(backends.find(backend).has_device(name) for backend in backends.names()):
        raise ValueError(f"no registered backend has a device {name!r}")
    return name


def _text(path: object) -> object:
    return os.fspath(path) if isinstance(path, os.PathLike) else path


def _number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a truth value is not a number")
    return value


class Settings(BaseModel):
    """The settings in force, made by :func:`load`.

    Attributes:
        checkpoint: a directory or a hub id; ``None`` for the checkpoint that diglot ships.
        backend: a registered backend's name, or ``"saved_model"`` for the export in a folder;
            ``None`` for the first backend that is installed.
        precision: the dtype of the parameters and of the arithmetic.
        device: ``None`` for the fastest there is.
        batch_size: the most texts in one batch.
    """

    model_config = ConfigDict(frozen=True)

    checkpoint: Annotated[str, BeforeValidator(_text), Field(min_length=1)] | None = None
    backend: Annotated[str, AfterValidator(_registered)] | None = None
    precision: Precision = "float32"
    device: Annotated[str, AfterValidator(_device)] | None = None
    batch_size: Annotated[PositiveInt, BeforeValidator(_number)] = 32

    _sources: Mapping[str, str] = PrivateAttr(default_factory=dict)

    @property
    def sources(self) -> Mapping[str, str]:
        """The source of each value.

        ``"argument"``, the name of a variable, the path of a file, ``"default"``, or
        ``"automatic"`` where the value is ``None`` and diglot chooses when it needs to.
        """
        return self._sources

    def chosen_backend(self) -> str:
        """The configured backend, or else the first that is installed.

        Raises:
            BackendNotInstalledError: none is configured, and none is installed.
        """
        return self.backend or backends.automatic()


class _Entry(NamedTuple):
    """One value that somebody set."""

    key: str
    value: Any
    source: str
    origin: str
    """Text for error messages, such as ``DIGLOT_DEVICE='gpu'``."""


def load(**arguments: Any) -> Settings:
    """Read the settings for the working directory.

    Args:
        **arguments: the caller's values; ``None`` means that the caller sets none.

    Raises:
        SettingsError: a key or a value is not allowed, or a file cannot be read. The message names
            the file, variable or argument, the key, the value, and the allowed values. A wrong
            value is an error even where another source takes precedence.
    """
    values: dict[str, Any] = {}
    sources = {
        key: "automatic" if field.default is None else "default"
        for key, field in Settings.model_fields.items()
    }
    for entry in (*_from_files(Path.cwd()), *_from_environment(), *_from_arguments(arguments)):
        _check(entry)
        values[entry.key] = entry.value
        sources[entry.key] = entry.source
    settings = Settings(**values)
    settings._sources = MappingProxyType(sources)
    return settings


def device_for(backend: str, device: str | None) -> str | None:
    """The device of a backend: the given or configured one, if the backend has such devices.

    Args:
        backend: the backend's name.
        device: the device's name; ``None`` for the configured one.
    """
    chosen = load(device=device).device
    if chosen is None or not backends.find(backend).has_device(chosen):
        return None
    return chosen


def allowed(key: str) -> str:
    """The allowed values of a setting, in words."""
    match key:
        case "backend":
            return f"one of {', '.join((*backends.names(), backends.SAVED_MODEL))}"
        case "precision":
            return f"one of {', '.join(get_args(Precision))}"
        case "device":
            return f"one of {', '.join(backends.devices())}, where N is a number"
        case "batch_size":
            return "a whole number above 0"
        case _:
            return "a directory or a hub id"


def _check(entry: _Entry) -> None:
    keys = list(Settings.model_fields)
    if entry.key not in keys:
        near = get_close_matches(entry.key, keys)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise SettingsError(
            f"{entry.origin}: there is no setting {entry.key!r}.{hint} The settings are:"
            f" {', '.join(keys)}."
        )
    try:
        Settings(**{entry.key: entry.value})
    except ValidationError as error:
        raise SettingsError(
            f"{entry.origin} is not allowed; {entry.key} takes {allowed(entry.key)}."
        ) from error


def _from_arguments(arguments: Mapping[str, Any]) -> list[_Entry]:
    return [
        _Entry(key, value, "argument", f"the argument {key}={value!r}")
        for key, value in arguments.items()
        if value is not None
    ]


def _from_environment() -> list[_Entry]:
    # An empty variable counts as not set: a shell has no other way to unset an exported one for a
    # single command.
    return [
        _Entry(name.removeprefix(PREFIX).lower(), value, name, f"{name}={value!r}")
        for name, value in sorted(os.environ.items())
        if name.startswith(PREFIX) and value
    ]


def _from_files(start: Path) -> list[_Entry]:
    for folder in (start, *start.parents):
        for name, tables in _FILES:
            file = folder / name
            if file.is_file() and (table := _table(file, tables)) is not None:
                source = str(file)
                return [
                    _Entry(key, _placed(key, value, folder), source, f"{file}: {key} = {value!r}")
                    for key, value in table.items()
                ]
    return []


def _table(file: Path, tables: tuple[str, ...]) -> dict[str, Any] | None:
    """The settings in the file; ``None`` where it has no table for them."""
    try:
        table: Any = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{file} cannot be read as TOML: {error}") from error
    for name in tables:
        if not isinstance(table, dict) or name not in table:
            return None
        table = table[name]
    if not isinstance(table, dict):
        raise SettingsError(f"{file}: [{'.'.join(tables)}] must be a table, not {table!r}")
    return table


def _placed(key: str, value: Any, folder: Path) -> Any:
    """The value; a relative path of a checkpoint starts from the file's own folder."""
    if key == "checkpoint" and isinstance(value, str) and value and (folder / value).exists():
        return str(folder / value)
    return value
