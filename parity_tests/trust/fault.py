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
"""Plants a fault within a context, and gives the faulty side."""


@runtime_checkable
class Traceable(Protocol):
    """A fault in an operator or a weight, which the trace must name."""

    def is_at(self, step: Step) -> bool:
        """Whether a step is the place of the fault."""
        ...


@dataclass(frozen=True)
class Fault:
    """One fault of the TensorFlow side, which is otherwise sound.

    Attributes:
        name: the fault in words.
        architecture: the architecture of the checkpoint in which it is planted.
        plant: plants it.
        missed: the reason why the check cannot find it; empty if it must.
    """

    name: str
    architecture: str
    plant: Plant
    missed: str = ""
