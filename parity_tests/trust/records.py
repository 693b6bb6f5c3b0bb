"""Results as lines of JSON, so that a long measurement can be divided and continued."""

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
        """Read the existing lines.

        Args:
            folder: the folder of the files.
            kind: the dataclass of a line, with a property ``key`` that is unique.
            name: the name of this process's file.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._kind = folder, kind
        self._prefix = kind.__name__.lower()
        self._file = folder / f"{self._prefix}-{name}.jsonl"
        self._known = {record.key for record in self}

    def __iter__(self) -> Iterator[Any]:
        for file in sorted(self._folder.glob(f"{self._prefix}-*.jsonl")):
            for line in file.read_text("utf-8").splitlines():
                yield self._kind(**json.loads(line))

    def __contains__(self, key: Any) -> bool:
        return key in self._known

    def add(self, record: Any) -> None:
        """Append a line."""
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(record), ensure_ascii=False) + "\n")
        self._known.add(record.key)
