"""The check of two sides of a checkpoint, with all that is around it.

Public names are imported at their first use, because every run of pytest imports this package.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from diglot import extras

if TYPE_CHECKING:
    from diglot.equality.tolerance import BUDGET as BUDGET
    from diglot.equality.tolerance import LENIENT as LENIENT
    from diglot.equality.tolerance import STRICT as STRICT
    from diglot.equality.tolerance import Difference as Difference
    from diglot.equality.tolerance import Measurement as Measurement
    from diglot.equality.tolerance import Tolerance as Tolerance
    from diglot.equality.tolerance import difference as difference
    from diglot.equality.tolerance import measure as measure
    from diglot.parity.checks import check as check

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
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "check":
        extras.require("parity", "hypothesis")
        return import_module("diglot.parity.checks").check
    return getattr(import_module("diglot.equality.tolerance"), name)
