"""What it means that two frameworks say the same, and whether they do."""

from typing import TYPE_CHECKING, Any

from diglot.parity.tolerance import (
    BUDGET,
    LENIENT,
    STRICT,
    Difference,
    Measurement,
    Tolerance,
    difference,
    measure,
)

if TYPE_CHECKING:
    from diglot.parity.checking import check

__all__ = [
    "BUDGET",
    "LENIENT",
    "STRICT",
    "Difference",
    "Measurement",
    "Tolerance",
    "check",
    "difference",
    "measure",
]


def __getattr__(name: str) -> Any:
    if name == "check":  # it needs Hypothesis, which whoever only measures need not have
        from diglot.parity.checking import check

        return check
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
