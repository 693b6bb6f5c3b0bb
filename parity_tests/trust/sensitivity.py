"""The measurement of whether the check finds each planted fault."""

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

# The traced input if none fails: a wrong weight is named on any input.
_PLAIN = Case("plain", texts=("a plain text",))


@dataclass(frozen=True)
class Outcome:
    """The check's result for one fault.

    Attributes:
        place: the part of diglot in which the fault was planted.
        fault: the fault's name.
        architecture: the architecture of the checkpoint.
        missed: the reason why the fault cannot be found; empty if it must be.
        found: the first stage or invariant that failed; empty if none did.
        explanation: the explanation of the failure.
        traced: whether the trace named the fault's operator or weight; ``None`` if the fault is in
            neither, no input shows it, or the input is refused.
        named: the step that the trace named.
        seconds: the duration of the check.
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
        """The key of this outcome among others."""
        return self.place, self.fault

    @property
    def expected(self) -> bool:
        """Whether the fault was found if it must be, and not found if it cannot be."""
        return bool(self.found) != bool(self.missed) and self.traced is not False


def look_for(place: str, fault: Fault, grounds: Grounds) -> Outcome:
    """Plant one fault, and check with the defaults.

    Args:
        place: the part of diglot in which the fault is planted.
        fault: the fault.
        grounds: the checkpoints.
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
    """Whether the trace of a failing input names the fault's place, and the step that it names."""
    if not isinstance(fault.plant, Traceable):
        return None, ""
    case = found[0].case if found else _PLAIN
    encoding = case.encoding if case.encoding is not None else ground.side().encode(case.read())
    try:
        step = ground.trace(encoding).first_divergent
    except DiglotError:  # the difference is that TensorFlow refuses the input
        return None, ""
    if step is None:
        return (None if fault.missed else False), ""
    return fault.plant.is_at(step), f"{step.module}: {step.operator}"
