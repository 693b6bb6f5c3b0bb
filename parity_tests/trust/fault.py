"""A fault: what is wrong, where it is planted, and whether the check can find it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from diglot.equality.sides import Side
from diglot.parity.trace import Step

from .ground import Ground

Plant = Callable[[Ground], AbstractContextManager[Side | Path]]
"""Plants a fault for as long as the context lasts, and gives the side that has it."""


@runtime_checkable
class Traceable(Protocol):
    """A plant whose place is an operator or a weight, which the trace must name."""

    def is_at(self, step: Step) -> bool:
        """Whether a step is that place."""
        ...


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong on the TensorFlow side, and nothing else.

    Attributes:
        name: what is wrong.
        architecture: whose checkpoint it is planted in.
        plant: how.
        missed: why the check cannot find it; empty where it must.
    """

    name: str
    architecture: str
    plant: Plant
    missed: str = ""
