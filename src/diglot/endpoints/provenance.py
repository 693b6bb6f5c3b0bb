"""What an export was made from, and what was seen of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diglot.endpoints import layout
from diglot.errors import ExportError

SCHEMA = 1


def hashes(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file in a folder and below, by relative path, but of the record's."""
    own = folder / layout.PROVENANCE
    files = sorted(one for one in folder.rglob("*") if one.is_file() and one != own)
    return {one.relative_to(folder).as_posix(): _digest(one) for one in files}


def write(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write the facts beside what they are of, with the hash of every other file."""
    record = {"schema": SCHEMA, **facts, "files": hashes(folder)}
    path = folder / layout.PROVENANCE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", "utf-8")


def read(folder: Path) -> dict[str, Any]:
    """The facts of a version.

    Raises:
        ExportError: there are none, they cannot be read, or a newer diglot wrote them.
    """
    path = folder / layout.PROVENANCE
    try:
        record = json.loads(path.read_text("utf-8"))
        schema = record["schema"]
    except FileNotFoundError as error:
        raise ExportError(
            f"{folder} has no {layout.PROVENANCE}, so diglot did not write it; export the"
            " checkpoint again with: diglot export CHECKPOINT"
        ) from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ExportError(
            f"{path} cannot be read: {error!r}; export the checkpoint again"
        ) from error
    if schema != SCHEMA:
        raise ExportError(
            f"{path} has the schema {schema!r}, and this diglot reads {SCHEMA}; update diglot, or"
            " export the checkpoint again"
        )
    if not isinstance(record.get("files"), dict):
        raise ExportError(f"{path} lists no files; export the checkpoint again")
    return dict(record)


def operators(folder: Path) -> tuple[str, ...]:
    """The operators beyond TensorFlow's own that the tokenizer of a version needs."""
    return tuple((read(folder).get("tokenizer") or {}).get("operators", ()))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
