"""Atomic writes: new files are written in a hidden sibling folder, and renamed into place."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EISDIR
from pathlib import Path

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)


@contextmanager
def beside(target: Path) -> Iterator[Path]:
    """Creates a hidden, empty sibling folder of a path, and removes it at the end.

    Parent folders that were created for it, and that are still empty at the end, are removed too.
    """
    created = _create(target.parent)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        for folder in created:
            if any(folder.iterdir()):
                break
            folder.rmdir()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a lock on a folder, which one process at a time can hold; waits for it.

    The lock leaves no file behind, and ends with the process. A file system without locks is used
    without one, after a warning.
    """
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            log.warning("cannot lock %s (%s); let one process write there", folder, error)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def replacing_file(target: Path) -> Iterator[Path]:
    """Yields a path to write to, which becomes ``target`` at the end; an error changes nothing.

    If the target is a link, the file that it points to is replaced; its permissions stay. A device
    or a pipe is written to directly.

    Raises:
        IsADirectoryError: the target is a folder.
    """
    target = target.resolve()
    if target.is_dir():
        raise IsADirectoryError(EISDIR, "it is a folder", str(target))
    if target.exists() and not target.is_file():
        yield target
        return
    with beside(target) as scratch:
        written = scratch / target.name
        yield written
        if target.exists():
            shutil.copymode(target, written)
        os.replace(written, target)


@contextmanager
def filling_directory(target: Path) -> Iterator[Path]:
    """Yields a folder to write in, whose files are moved to ``target`` at the end, one by one.

    A new target appears with all its files at once. In a target that exists, each file of the same
    name is replaced atomically, and other files stay.
    """
    with beside(target) as scratch:
        written = scratch / target.name
        written.mkdir()
        yield written
        if not target.exists():
            os.replace(written, target)
        else:
            for file in sorted(written.iterdir()):
                os.replace(file, target / file.name)


def _create(folder: Path) -> list[Path]:
    """Create a folder with its parents; returns the new folders, the innermost first."""
    missing = []
    for parent in (folder, *folder.parents):
        if parent.exists():
            break
        missing.append(parent)
    folder.mkdir(parents=True, exist_ok=True)
    return missing
