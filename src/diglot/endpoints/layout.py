"""Where an export lives: ``<folder>/<name>/<version>/``, as TF Serving watches it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from diglot.errors import ExportError

PROGRAM = "saved_model.pb"
EXTRA = "assets.extra"
PROVENANCE = f"{EXTRA}/diglot.json"
WARMUP = f"{EXTRA}/tf_serving_warmup_requests"
LABELS = f"{EXTRA}/labels.txt"
TOKENS = f"{EXTRA}/tokens.json"
BATCHING = "batching_params.pbtxt"
MODELS = "models.config"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NUMBER = re.compile(r"[0-9]+")


def versions(folder: Path) -> list[int]:
    """The versions of a model that are complete, the oldest first."""
    return sorted(number for number, one in _numbered(folder) if (one / PROGRAM).is_file())


def next_version(folder: Path) -> int:
    """One more than any number that is taken, complete or not."""
    return max((number for number, _ in _numbered(folder)), default=0) + 1


def is_export(path: str | os.PathLike[str]) -> bool:
    """Whether it is a version, whoever has written it, or the folder of a model's versions."""
    folder = Path(path).expanduser()
    return (folder / PROGRAM).is_file() or bool(versions(folder))


def version(path: str | os.PathLike[str]) -> Path:
    """The version that is meant: the folder itself, or the newest in it.

    Raises:
        ExportError: there is none.
    """
    folder = Path(path).expanduser()
    if (folder / PROGRAM).is_file():
        return folder
    complete = [one for one in _numbered(folder) if (one[1] / PROGRAM).is_file()]
    if not complete:
        raise ExportError(
            f"{folder} holds no SavedModel: neither a {PROGRAM} nor a numbered folder with one."
            " Write one with: diglot export CHECKPOINT"
        )
    return max(complete)[1]


def _numbered(folder: Path) -> list[tuple[int, Path]]:
    """What has a number for its name, which may begin with zeros: TF Serving takes 007 for 7."""
    if not folder.is_dir():
        return []
    return [(int(one.name), one) for one in folder.iterdir() if _NUMBER.fullmatch(one.name)]


def checked_name(name: str) -> str:
    """The same name, once it is known to be one that a path and a URL can carry.

    Raises:
        ExportError: it is not.
    """
    if not _NAME.fullmatch(name):
        raise ExportError(
            f"the model's name must be letters, digits, '.', '_' and '-', and begin with a letter"
            f" or digit, not {name!r}; give one with --name"
        )
    return name
