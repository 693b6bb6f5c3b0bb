"""Whether the check finds each planted fault."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from unittest import mock

from diglot.backends.torch import TorchBackend
from diglot.equality.cases import Case
from diglot.errors import DiglotError
from diglot.parity import check, failures, shrinking
from diglot.parity.result import Failure

from .fault import Fault, Traceable
from .ground import Ground, Grounds

# What is traced where no input fails: a weight that differs is named on any.
_PLAIN = Case("plain", texts=("a plain text",))


@dataclass(frozen=True)
class Outcome:
    """What the check said of one fault.

    Attributes:
        place: where the fault was planted.
        fault: its name.
        architecture: whose checkpoint it was planted in.
        missed: why it cannot be found; empty where it must be.
        found: the first stage or invariant that failed; empty where none did.
        explanation: how it failed.
        traced: whether the trace named the operator or the weight in which the fault was planted;
            ``None`` where it has no such place, or no input shows it, or the input is refused.
        named: what the trace named.
        seconds: how long the check took.
    """

    place: str
    fault: str
    architecture: str
    missed: str
    found: str
    explanation: str
    traced: bool | None
    named: str
    seconds: float

    @property
    def key(self) -> tuple[str, str]:
        """What tells outcomes apart."""
        return self.place, self.fault

    @property
    def expected(self) -> bool:
        """Whether the fault was found where it must be, and was not where it cannot be."""
        return bool(self.found) != bool(self.missed) and self.traced is not False


def look_for(place: str, fault: Fault, grounds: Grounds) -> Outcome:
    """Plant one fault, and check with the defaults.

    Args:
        place: where the fault is planted.
        fault: the fault.
        grounds: what it is planted in.
    """
    ground = grounds[fault.architecture]
    started = time.monotonic()
    # Three parts take most of the time and decide nothing here: shrinking the failing input,
    # tracing it, and recording PyTorch's model, which is sound.
    with (
        mock.patch.object(failures, "first_divergent", return_value=""),
        mock.patch.object(shrinking, "smallest", lambda case, fails: case),
        mock.patch.object(TorchBackend, "other_runs", return_value={}),
        fault.plant(ground) as side,
    ):
        found = check(ground.checkpoint, side).failures
        traced, named = _traced(fault, ground, found)
    first = found[0] if found else None
    return Outcome(
        place,
        fault.name,
        fault.architecture,
        fault.missed,
        "" if first is None else first.stage,
        "" if first is None else first.explanation,
        traced,
        named,
        time.monotonic() - started,
    )


def _traced(fault: Fault, ground: Ground, found: Sequence[Failure]) -> tuple[bool | None, str]:
    """Whether the trace names the fault's place, on an input that failed, and what it names."""
    if not isinstance(fault.plant, Traceable):
        return None, ""
    case = found[0].case if found else _PLAIN
    encoding = case.encoding if case.encoding is not None else ground.side().encode(case.read())
    try:
        born = ground.trace(encoding).born
    except DiglotError:  # TensorFlow refuses the input, which is the difference
        return None, ""
    if born is None:
        return (None if fault.missed else False), ""
    return fault.plant.is_at(born), f"{born.module}: {born.operator}"
