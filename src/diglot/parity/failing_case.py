"""A failing case as a file: the two sides, the rule, and the input."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from diglot import files
from diglot.equality.cases import Case
from diglot.equality.tolerance import Tolerance
from diglot.errors import InputError

SCHEMA = 1
_KIND = "diglot failing case"


@dataclass(frozen=True)
class FailingCase:
    """All that is needed to see a failure again.

    Attributes:
        checkpoint: a directory or a hub id; ``None`` for the checkpoint that diglot ships.
        reference: the backend that is taken to be right.
        against: the tested side: a backend, a folder, an address or a ledger.
        precision: the dtype of the parameters.
        tolerance: the largest allowed error.
        stage: the name of the stage or the invariant that failed.
        explanation: how it failed.
        case: the input.
    """

    checkpoint: str | None
    reference: str
    against: str
    precision: str
    tolerance: Tolerance
    stage: str
    explanation: str
    case: Case

    def write(self, folder: Path) -> Path:
        """Write the case into a folder, under a name that depends on its content."""
        facts = {"kind": _KIND, "schema": SCHEMA, **asdict(self), "case": self.case.facts()}
        text = json.dumps(facts, ensure_ascii=False, indent=1) + "\n"
        # UTF-8 has no lone surrogates; Python's escape of one is JSON's as well.
        content = text.encode("utf-8", "backslashreplace")
        stage = re.sub(r"[^a-z0-9]+", "-", self.stage.lower()).strip("-")
        target = folder / f"{stage}-{hashlib.sha256(content).hexdigest()[:8]}.json"
        with files.replacing_file(target) as file:
            file.write_bytes(content)
        return target

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read the case that :meth:`write` wrote.

        Raises:
            InputError: the file is missing, is of another kind, or needs a newer diglot.
        """
        try:
            facts: Any = json.loads(Path(path).read_text("utf-8"))
            if facts.pop("kind") != _KIND:
                raise ValueError("it is of another kind")
            if (schema := facts.pop("schema")) > SCHEMA:
                raise InputError(
                    f"{os.fspath(path)} was written by a newer diglot (schema {schema}; this one"
                    f" reads up to {SCHEMA}); upgrade diglot to replay it"
                )
            facts["tolerance"] = Tolerance(**facts["tolerance"])
            facts["case"] = Case.from_facts(facts["case"])
            return cls(**facts)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{os.fspath(path)} is not a failing case of diglot check: {error}; give a file"
                " that a failed check wrote"
            ) from error


def command(file: Path) -> str:
    """The command that replays the case in a file."""
    return f"diglot check --replay {shlex.quote(str(file))}"
