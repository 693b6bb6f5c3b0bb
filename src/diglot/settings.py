"""The settings, and where each of them comes from.

An argument beats a ``DIGLOT_*`` environment variable, which beats a file, which beats what diglot
chooses itself. The file is ``diglot.toml`` or the ``[tool.diglot]`` table of ``pyproject.toml``, in
the working directory or the nearest folder above that has either.
"""

from __future__ import annotations

import os
import re
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

# The first of these wins over the second in the same folder.
_FILES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("diglot.toml", ()),
    ("pyproject.toml", ("tool", "diglot")),
)


def _registered(name: str) -> str:
    if name not in backends.names():
        raise ValueError(f"no installed package provides a backend {name!r}")
    return name


def _device(name: str) -> str:
    """The same name, if a registered backend may have such a device."""
    if not any(re.fullmatch(form.replace("N", r"\d+"), name) for form in backends.devices()):
        raise ValueError(f"no registered backend has a device {name!r}")
    return name


def _text(path: object) -> object:
    return os.fspath(path) if isinstance(path, os.PathLike) else path


def _number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a truth value is not a number")
    return value


class Settings(BaseModel):
    """The settings that hold, made by :func:`load`.

    Attributes:
        checkpoint: a directory or a hub id; ``None`` for the checkpoint that diglot ships.
        backend: a registered backend's name; ``None`` for the first that is installed.
        precision: the dtype of the parameters and of the arithmetic.
        device: ``None`` for the fastest at hand.
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
        """Where each value comes from.

        Either ``"argument"``, the name of a variable, the path of a file, ``"default"``, or
        ``"automatic"`` where the value is ``None`` and is chosen when it is needed.
        """
        return self._sources

    def chosen_backend(self) -> str:
        """The backend that was asked for, or else the first that is installed.

        Raises:
            BackendNotInstalledError: none was asked for, and none is installed.
        """
        return self.backend or backends.automatic()


class _Given(NamedTuple):
    """One value that somebody set."""

    key: str
    value: Any
    source: str
    said: str
    """How it was written, for messages."""


def load(**arguments: Any) -> Settings:
    """Read the settings that hold in the working directory.

    Args:
        **arguments: what the caller sets; ``None`` means that the caller does not say.

    Raises:
        SettingsError: a key or a value is not allowed, or a file cannot be read. The message names
            the file, variable or argument, the key, the value, and what is allowed. A wrong value
            is an error even where another source would win over it.
    """
    values: dict[str, Any] = {}
    sources = {
        key: "automatic" if field.default is None else "default"
        for key, field in Settings.model_fields.items()
    }
    for given in (*_from_files(Path.cwd()), *_from_environment(), *_from_arguments(arguments)):
        _check(given)
        values[given.key] = given.value
        sources[given.key] = given.source
    settings = Settings(**values)
    settings._sources = MappingProxyType(sources)
    return settings


def allowed(key: str) -> str:
    """What a setting takes, in words."""
    match key:
        case "backend":
            return f"one of {', '.join(backends.names())}"
        case "precision":
            return f"one of {', '.join(get_args(Precision))}"
        case "device":
            return f"one of {', '.join(backends.devices())}, where N is a number"
        case "batch_size":
            return "a whole number above 0"
        case _:
            return "a directory or a hub id"


def _check(given: _Given) -> None:
    keys = list(Settings.model_fields)
    if given.key not in keys:
        near = get_close_matches(given.key, keys)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise SettingsError(
            f"{given.said}: there is no setting {given.key!r}.{hint} The settings are:"
            f" {', '.join(keys)}."
        )
    try:
        Settings(**{given.key: given.value})
    except ValidationError as error:
        raise SettingsError(
            f"{given.said} is not allowed; {given.key} takes {allowed(given.key)}."
        ) from error


def _from_arguments(arguments: Mapping[str, Any]) -> list[_Given]:
    return [
        _Given(key, value, "argument", f"the argument {key}={value!r}")
        for key, value in arguments.items()
        if value is not None
    ]


def _from_environment() -> list[_Given]:
    # A variable set to nothing counts as not set, as shells have no other way to take one back.
    return [
        _Given(name.removeprefix(PREFIX).lower(), value, name, f"{name}={value!r}")
        for name, value in sorted(os.environ.items())
        if name.startswith(PREFIX) and value
    ]


def _from_files(start: Path) -> list[_Given]:
    for folder in (start, *start.parents):
        for name, tables in _FILES:
            file = folder / name
            if file.is_file() and (table := _table(file, tables)) is not None:
                source = str(file)
                return [
                    _Given(key, _placed(key, value, folder), source, f"{file}: {key} = {value!r}")
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
    """A path in a file is meant from where the file is."""
    if key == "checkpoint" and isinstance(value, str) and value and (folder / value).exists():
        return str(folder / value)
    return value
