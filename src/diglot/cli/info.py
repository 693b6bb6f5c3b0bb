"""``diglot info``: versions, backends and the checkpoint, without loading a framework."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import diglot
from diglot import backends, versions
from diglot.cli import options, rendering
from diglot.cli.rendering import Facts
from diglot.errors import DiglotError, MissingLabelsError

if TYPE_CHECKING:
    from diglot.checkpoints import Checkpoint

# Each package with the names of its distributions; the first installed one counts.
_PACKAGES: Mapping[str, Sequence[str]] = {
    "transformers": ["transformers"],
    "tokenizers": ["tokenizers"],
    "torch": ["torch"],
    "tensorflow": ["tensorflow", "tensorflow-cpu"],
    "keras": ["keras"],
    "numpy": ["numpy"],
    "pyarrow": ["pyarrow"],
}


def info(
    model: options.Model = None,
    revision: options.Revision = None,
    layout: options.Layout = Facts.TABLE,
) -> None:
    """Print the versions, the backends, and facts about the checkpoint.

    No framework is loaded, and none needs to be installed. A hub checkpoint is downloaded if it is
    not in the cache. The exit code is 1 if the checkpoint cannot be read.
    """
    numbers = _versions()
    registered = {name: _backend(name) for name in backends.names()}
    checkpoint: dict[str, Any] = {}
    failure: DiglotError | None = None
    try:
        checkpoint = _checkpoint(model, revision)
    except DiglotError as error:
        failure = error
    if layout is Facts.JSON:
        rendering.print_json(
            {"versions": numbers, "backends": registered, "checkpoint": checkpoint or None}
        )
    else:
        console = rendering.console()
        console.print("versions", style="bold")
        rows = [[name, number or "not installed"] for name, number in numbers.items()]
        console.print(rendering.facts(rows, "", ""))
        console.print("\nbackends", style="bold")
        rows = [[name, _state(backend)] for name, backend in registered.items()]
        console.print(rendering.facts(rows, "", ""))
        if failure is None:
            console.print("\ncheckpoint", style="bold")
            rows = [[name, _cell(fact)] for name, fact in checkpoint.items() if fact is not None]
            console.print(rendering.facts(rows, "", ""))
    if failure is not None:
        raise failure


def _versions() -> dict[str, str | None]:
    """The version of each package; ``None`` for a package that is not installed."""
    return {
        "diglot": diglot.__version__,
        "python": platform.python_version(),
        **{name: versions.installed(*names) for name, names in _PACKAGES.items()},
    }


def _backend(name: str) -> dict[str, Any]:
    missing = backends.missing(backends.find(name))
    return {"installed": not missing, "missing": missing}


def _state(backend: Mapping[str, Any]) -> str:
    if backend["installed"]:
        return "installed"
    return f"not installed: {', '.join(backend['missing'])} missing"


def _checkpoint(model: str | None, revision: str | None) -> dict[str, Any]:
    """Facts from the files of a checkpoint."""
    from diglot import checkpoints, settings
    from diglot.checkpoints import weights

    checkpoint = checkpoints.find(settings.load(checkpoint=model).checkpoint, revision=revision)
    labels = _labels(checkpoint)
    config = _json(checkpoint.path / "config.json")
    files = weights.files(checkpoint.path, listing=lambda: None)
    return {
        "name": checkpoint.name,
        "path": str(checkpoint.path),
        "revision": checkpoint.revision,
        "architecture": ", ".join(config.get("architectures") or []) or None,
        "model_type": config.get("model_type"),
        "labels": labels,
        **_tensors(files),
        "bytes": sum(file.stat().st_size for file in files),
        "positions": config.get("max_position_embeddings", config.get("n_positions")),
        "tokenizer_limit": _tokenizer_limit(checkpoint.path),
    }


def _labels(checkpoint: Checkpoint) -> list[str] | None:
    try:
        return list(checkpoint.labels)
    except MissingLabelsError:
        return None


def _tensors(files: Sequence[Path]) -> dict[str, Any]:
    """The number of parameters and their dtypes, from the headers of the weight files."""
    from safetensors import safe_open

    count = 0
    dtypes = set()
    for file in files:
        with safe_open(file, framework="numpy") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - the object is no mapping
                tensor = tensors.get_slice(name)
                count += math.prod(tensor.get_shape())
                dtypes.add(tensor.get_dtype())
    return {"parameters": count, "dtypes": sorted(dtypes)}


def _tokenizer_limit(folder: Path) -> int | None:
    """The most tokens that the tokenizer's files allow; ``None`` if they state no limit."""
    from diglot.checkpoints.architectures import UNBOUNDED

    limit = _json(folder / "tokenizer_config.json").get("model_max_length")
    return int(limit) if isinstance(limit, int | float) and limit < UNBOUNDED else None


def _json(file: Path) -> dict[str, Any]:
    """The JSON object in a file; empty if there is none."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _cell(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return f"{value:,}" if isinstance(value, int) else str(value)
