"""A failing case as a file: what was compared, how, and on which input."""

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
class Replay:
    """What it takes to see a failure again.

    Attributes:
        checkpoint: a directory or a hub id; ``None`` for the one that diglot ships.
        reference: the backend that is held to be right.
        against: a backend, a folder, an address or a ledger.
        precision: the dtype of the parameters.
        tolerance: how large an error may be.
        stage: what failed, a stage or an invariant.
        explanation: how it failed then.
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
        """Keep it in a folder, under a name that its content gives."""
        facts = {
            "kind": _KIND,
            "schema": SCHEMA,
            **asdict(self),
            "case": self.case.facts(),
        }
        text = json.dumps(facts, ensure_ascii=False, indent=1) + "\n"
        stage = re.sub(r"[^a-z0-9]+", "-", self.stage.lower()).strip("-")
        digest = hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:8]
        target = folder / f"{stage}-{digest}.json"
        with files.replacing_file(target) as written:
            written.write_text(text, "utf-8")
        return target

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """What :meth:`write` has kept.

        Raises:
            InputError: the file is missing or is none, or a newer diglot has written it.
        """
        try:
            facts: Any = json.loads(Path(path).read_text("utf-8"))
            if facts.pop("kind") != _KIND:
                raise ValueError("it is of another kind")
            if (schema := facts.pop("schema")) > SCHEMA:
                raise InputError(
                    f"{os.fspath(path)} was written by a newer diglot (schema {schema}, and this"
                    f" one knows {SCHEMA}); upgrade diglot to replay it"
                )
            facts["tolerance"] = Tolerance(**facts["tolerance"])
            facts["case"] = Case.from_facts(facts["case"])
            return cls(**facts)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{os.fspath(path)} is not a failing case that diglot check has kept: {error}"
            ) from error


def command(file: Path) -> str:
    """What replays the case in a file."""
    return f"diglot check --replay {shlex.quote(str(file))}"
