"""What was found, one line of JSON a run, so that a long run can be parted and taken up again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any


class Records:
    """The lines of all files of one kind in a folder.

    Several processes may write at once, each to a file of its own.
    """

    def __init__(self, folder: Path, kind: Any, name: str) -> None:
        """Find what is there already.

        Args:
            folder: where the files are.
            kind: the dataclass of a line, with a property ``key`` that tells lines apart.
            name: what tells this process's file from those of others.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._kind = folder, kind
        self._prefix = kind.__name__.lower()
        self._file = folder / f"{self._prefix}-{name}.jsonl"
        self._known = {one.key for one in self}

    def __iter__(self) -> Iterator[Any]:
        for file in sorted(self._folder.glob(f"{self._prefix}-*.jsonl")):
            for line in file.read_text("utf-8").splitlines():
                yield self._kind(**json.loads(line))

    def __contains__(self, key: Any) -> bool:
        return key in self._known

    def add(self, record: Any) -> None:
        """Write one line more."""
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(record), ensure_ascii=False) + "\n")
        self._known.add(record.key)
