"""The folders of exports: ``<folder>/<name>/<version>/``, as TF Serving watches them."""

from __future__ import annotations

import os
import re
from pathlib import Path

from diglot.backends import SAVED_MODEL
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
    """The numbers of a model's complete versions, in ascending order."""
    return sorted(number for number, path in _numbered(folder) if (path / PROGRAM).is_file())


def next_version(folder: Path) -> int:
    """One more than the highest number in use, by a complete version or not."""
    return max((number for number, _ in _numbered(folder)), default=0) + 1


def is_export(path: str | os.PathLike[str]) -> bool:
    """Whether a folder is a version, or holds versions, written by diglot or any other program."""
    folder = Path(path).expanduser()
    return (folder / PROGRAM).is_file() or bool(versions(folder))


def opens_as_export(path: str | os.PathLike[str], backend: str | None) -> bool:
    """Whether a classifier of this folder runs an export in it, rather than a checkpoint.

    A SavedModel is code. A folder that looks like a checkpoint, such as a cloned repository, must
    not run one that happens to lie there. So a folder with a ``config.json`` is a checkpoint unless
    the caller names the backend.

    Args:
        path: the folder, or a hub id.
        backend: the chosen backend; ``"saved_model"`` runs exports.
    """
    if backend == SAVED_MODEL:
        return True
    return is_export(path) and not (Path(path).expanduser() / "config.json").exists()


def version(path: str | os.PathLike[str]) -> Path:
    """The version in a folder: the folder itself, or the highest number in it.

    Raises:
        ExportError: there is no version.
    """
    folder = Path(path).expanduser()
    if (folder / PROGRAM).is_file():
        return folder
    complete = [(number, path) for number, path in _numbered(folder) if (path / PROGRAM).is_file()]
    if not complete:
        raise ExportError(
            f"{folder} holds no SavedModel: neither a {PROGRAM} nor a numbered folder with one."
            " Write one with: diglot export CHECKPOINT"
        )
    return max(complete)[1]


def checked_name(name: str) -> str:
    """Return a model's name if a path and a URL can carry it.

    Raises:
        ExportError: they cannot.
    """
    if not _NAME.fullmatch(name):
        raise ExportError(
            f"the model's name must be letters, digits, '.', '_' and '-', and begin with a letter"
            f" or digit, not {name!r}; give one with --name"
        )
    return name


def _numbered(folder: Path) -> list[tuple[int, Path]]:
    """The entries whose name is a number. TF Serving reads 007 as 7."""
    if not folder.is_dir():
        return []
    return [(int(path.name), path) for path in folder.iterdir() if _NUMBER.fullmatch(path.name)]
