"""The record of an export: its source, its options, its proof, and the hashes of its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from diglot.endpoints import layout
from diglot.errors import ExportError

SCHEMA = 1


def hashes(folder: Path, patterns: Iterable[str] = ()) -> dict[str, str]:
    """The SHA-256 of files by relative path, without the record itself.

    Args:
        folder: the folder.
        patterns: the names of the files, such as ``"*.json"``, directly in the folder; all files,
            in subfolders too, if there is no pattern.
    """
    own = folder / layout.PROVENANCE
    paths = {path for pattern in patterns for path in folder.glob(pattern)} or set(
        () if patterns else folder.rglob("*")
    )
    files = sorted(path for path in paths if path.is_file() and path != own)
    return {path.relative_to(folder).as_posix(): _digest(path) for path in files}


def write(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write the record of a version, with the hash of every other file in it."""
    record = {"schema": SCHEMA, **facts, "files": hashes(folder)}
    path = folder / layout.PROVENANCE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", "utf-8")


def read(folder: Path) -> dict[str, Any]:
    """The record of a version.

    Anyone may have written the file, so the values that other code relies on are checked here:
    ``files`` maps names to hashes; ``parity`` is absent, or holds the result of a proof, and then
    ``checkpoint`` holds a name.

    Raises:
        ExportError: there is no record, it cannot be read, or another schema was used.
    """
    path = folder / layout.PROVENANCE
    try:
        record = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ExportError(
            f"{folder} has no {layout.PROVENANCE}, so diglot did not write it; export the"
            " checkpoint again with: diglot export CHECKPOINT"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ExportError(
            f"{path} cannot be read: {error!r}; export the checkpoint again"
        ) from error
    schema = record.get("schema") if isinstance(record, dict) else None
    if schema != SCHEMA:
        raise ExportError(
            f"{path} has the schema {schema!r}, and this diglot reads {SCHEMA}; update diglot, or"
            " export the checkpoint again"
        )
    if problem := _problem(record):
        raise ExportError(
            f"{path} is not a record of diglot: {problem}; export the checkpoint again"
        )
    return dict(record)


def _problem(record: Mapping[str, Any]) -> str:
    """The first value of a record that has another type than expected; empty if there is none."""
    files = record.get("files")
    if not isinstance(files, dict) or not _all_text(files.values()):
        return "'files' must map the name of each file to its hash"
    parity = record.get("parity")
    if parity is None:
        return ""
    if not isinstance(parity, dict):
        return "'parity' must be an object"
    differences = parity.get("differences")
    if not isinstance(differences, list) or not _all_text(differences):
        return "'parity' must list its differences as texts"
    for name, kind in (("texts", int), ("warmups", int), ("worst_error", int | float)):
        value = parity.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            return f"'parity' must hold a number {name!r}, not {value!r:.60}"
    checkpoint = record.get("checkpoint")
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("name"), str):
        return "'checkpoint' must hold the name of the checkpoint that was compared"
    return ""


def _all_text(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
