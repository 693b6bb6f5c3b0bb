"""``diglot config`` and ``diglot info``: what holds here, without loading a framework."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import diglot
from diglot import backends, versions
from diglot.checkpoints.architectures import UNBOUNDED
from diglot.cli import options, rendering
from diglot.cli.rendering import Facts
from diglot.errors import BackendNotInstalledError, DiglotError, MissingLabelsError

if TYPE_CHECKING:
    from diglot.checkpoints import Checkpoint

Layout = Annotated[Facts, typer.Option("--format", "-f", help="How to print.")]

# The names under which each is distributed; the first one that is installed counts.
_PACKAGES: Mapping[str, Sequence[str]] = {
    "transformers": ["transformers"],
    "tokenizers": ["tokenizers"],
    "torch": ["torch"],
    "tensorflow": ["tensorflow", "tensorflow-cpu"],
    "keras": ["keras"],
    "numpy": ["numpy"],
    "pyarrow": ["pyarrow"],
}


def config(layout: Layout = Facts.TABLE) -> None:
    """Print each setting, its value, and where the value comes from.

    A command's option beats a DIGLOT_... variable, which beats diglot.toml or the tool.diglot
    table of pyproject.toml, in this folder or the nearest above that has one.
    """
    from diglot import settings

    loaded = settings.load()
    values = loaded.model_dump()
    if layout is Facts.JSON:
        _print_json({key: {"value": values[key], "source": loaded.sources[key]} for key in values})
        return
    rows = [
        [key, _automatic(key) if value is None else str(value), loaded.sources[key]]
        for key, value in values.items()
    ]
    rendering.console().print(rendering.facts(rows, "setting", "value", "source"))


def info(
    model: options.Model = None, revision: options.Revision = None, layout: Layout = Facts.TABLE
) -> None:
    """Print versions, the backends found, and what the checkpoint is.

    No framework is loaded, and none needs to be installed. A hub checkpoint is fetched if it is
    not in the cache. If the checkpoint cannot be read, the exit code is 1.
    """
    numbers = _versions()
    found = {name: _backend(name) for name in backends.names()}
    checkpoint: dict[str, Any] = {}
    failure: DiglotError | None = None
    try:
        checkpoint = _checkpoint(model, revision)
    except DiglotError as error:
        failure = error
    if layout is Facts.JSON:
        facts = {"versions": numbers, "backends": found, "checkpoint": checkpoint or None}
        _print_json(facts)
    else:
        console = rendering.console()
        console.print("versions", style="bold")
        rows = [[name, number or "not installed"] for name, number in numbers.items()]
        console.print(rendering.facts(rows, "", ""))
        console.print("\nbackends", style="bold")
        console.print(rendering.facts([[name, _says(one)] for name, one in found.items()], "", ""))
        if failure is None:
            console.print("\ncheckpoint", style="bold")
            said = [[name, _said(fact)] for name, fact in checkpoint.items() if fact is not None]
            console.print(rendering.facts(said, "", ""))
    if failure is not None:
        raise failure


def _automatic(key: str) -> str:
    """What a setting comes to that nobody has set."""
    if key == "checkpoint":
        return "the one that diglot ships"
    if key == "device":
        return "the fastest at hand"
    try:
        return f"{backends.automatic()}, the first installed"
    except BackendNotInstalledError:
        return "none is installed"


def _versions() -> dict[str, str | None]:
    """The version of each package that matters; ``None`` for one that is not installed."""
    return {
        "diglot": diglot.__version__,
        "python": platform.python_version(),
        **{name: versions.installed(*names) for name, names in _PACKAGES.items()},
    }


def _backend(name: str) -> dict[str, Any]:
    missing = backends.missing(backends.find(name))
    return {"installed": not missing, "missing": missing}


def _says(backend: Mapping[str, Any]) -> str:
    if backend["installed"]:
        return "installed"
    return f"not installed, for want of {', '.join(backend['missing'])}"


def _checkpoint(model: str | None, revision: str | None) -> dict[str, Any]:
    """What the files of a checkpoint say of it."""
    from diglot import checkpoints, settings
    from diglot.checkpoints import weights

    found = checkpoints.find(settings.load(checkpoint=model).checkpoint, revision=revision)
    labels = _labels(found)
    config = _json(found.path / "config.json")
    files = weights.files(found.path, listing=lambda: None)
    return {
        "name": found.name,
        "path": str(found.path),
        "revision": found.revision,
        "architecture": ", ".join(config.get("architectures") or []) or None,
        "model_type": config.get("model_type"),
        "labels": labels,
        **_tensors(files),
        "bytes": sum(file.stat().st_size for file in files),
        "positions": config.get("max_position_embeddings", config.get("n_positions")),
        "tokenizer_limit": _tokenizer_limit(found.path),
    }


def _labels(checkpoint: Checkpoint) -> list[str] | None:
    try:
        return list(checkpoint.labels)
    except MissingLabelsError:
        return None


def _tensors(files: Sequence[Path]) -> dict[str, Any]:
    """How many numbers the weights are, and of which types; only headers are read."""
    from safetensors import safe_open

    count = 0
    dtypes = set()
    for file in files:
        with safe_open(file, framework="numpy") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - it is no mapping
                tensor = tensors.get_slice(name)
                count += math.prod(tensor.get_shape())
                dtypes.add(tensor.get_dtype())
    return {"parameters": count, "dtypes": sorted(dtypes)}


def _tokenizer_limit(folder: Path) -> int | None:
    """The most tokens that the tokenizer's files allow; ``None`` where they do not say."""
    limit = _json(folder / "tokenizer_config.json").get("model_max_length")
    return int(limit) if isinstance(limit, int | float) and limit < UNBOUNDED else None


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _said(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
