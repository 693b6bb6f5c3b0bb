"""Find a checkpoint: a directory, a hub id, or the default that diglot ships."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from diglot import embedded
from diglot.checkpoints import hub
from diglot.checkpoints.checkpoint import EMBEDDED, Checkpoint
from diglot.errors import CheckpointNotFoundError, InputError
from diglot.heads import SEQUENCE_CLASSIFICATION, Head


def find(
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    *,
    revision: str | None = None,
    labels: Sequence[str] | None = None,
    fresh_head: bool = False,
    trust_remote_code: bool = False,
    head: Head = SEQUENCE_CLASSIFICATION,
) -> Checkpoint:
    """Find a checkpoint; download it from the hub if it is neither a directory nor in the cache.

    Args:
        checkpoint: a directory, a hub id (``"name"`` or ``"organisation/name"``), or ``None`` for
            the small one that diglot ships. An existing directory takes precedence over a hub id. A
            checkpoint that was found before is returned as it is.
        revision: a branch, tag or commit of a hub id.
        labels: one for each row of the head, in order; they replace the configuration's labels.
        fresh_head: allow a classification head of random weights.
        trust_remote_code: run Python code that the checkpoint contains.
        head: the task that the checkpoint is for.

    Raises:
        CheckpointNotFoundError: there is no such directory, hub id or revision.
        HubUnreachableError: the checkpoint is not in the cache, and the hub does not answer.
        InputError: the labels are not distinct texts, or a directory was given a revision.
    """
    if isinstance(checkpoint, Checkpoint):
        return checkpoint
    labels_given = None if labels is None else _checked(labels)
    name = EMBEDDED if checkpoint is None else os.fspath(checkpoint)
    path = _directory(checkpoint)
    if path is None:
        path = hub.download(name, revision, code=trust_remote_code)
        revision = path.name
    elif revision is not None:
        raise InputError(
            f"a revision ({revision!r}) is for a hub id, and {name!r} is a directory. Leave it out."
        )
    return Checkpoint(name, path, revision, labels_given, fresh_head, trust_remote_code, head)


def _directory(checkpoint: str | os.PathLike[str] | None) -> Path | None:
    """The local directory of a checkpoint; ``None`` for a hub id."""
    if checkpoint is None:
        return embedded.path()
    text = os.fspath(checkpoint)
    if not text:
        raise CheckpointNotFoundError(
            "the checkpoint is an empty text; give a directory or a hub id, or None for the"
            " checkpoint that diglot ships"
        )
    path = Path(os.path.expanduser(text))
    if path.is_dir():
        return path
    if path.exists():
        raise CheckpointNotFoundError(
            f"{text} is a file. Give the folder that contains it and config.json."
        )
    looks_like_path = text.startswith((".", "/", "~", "\\")) or text.count("/") > 1
    if looks_like_path or not isinstance(checkpoint, str):
        raise CheckpointNotFoundError(f"there is no directory {text} (looked in {Path.cwd()})")
    return None


def _checked(labels: Sequence[str]) -> tuple[str, ...]:
    names = tuple(labels)
    texts = not isinstance(labels, str) and all(isinstance(name, str) for name in names)
    if not names or not texts or len(set(names)) < len(names):
        raise InputError(
            f"labels must be a list of distinct texts, one for each row of the head, not {labels!r}"
        )
    return names
