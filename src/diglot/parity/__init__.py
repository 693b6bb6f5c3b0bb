"""What it means that two frameworks say the same, and whether they do.

Each public name is fetched from its module when first used, so that the pytest plug-in, which every
run of pytest imports, costs nothing where it is not used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from diglot import extras

if TYPE_CHECKING:
    from diglot.parity.checking import check as check
    from diglot.parity.tolerance import BUDGET as BUDGET
    from diglot.parity.tolerance import LENIENT as LENIENT
    from diglot.parity.tolerance import STRICT as STRICT
    from diglot.parity.tolerance import Difference as Difference
    from diglot.parity.tolerance import Measurement as Measurement
    from diglot.parity.tolerance import Tolerance as Tolerance
    from diglot.parity.tolerance import difference as difference
    from diglot.parity.tolerance import measure as measure

_TOLERANCE = "diglot.parity.tolerance"
_HOMES = {
    "BUDGET": _TOLERANCE,
    "LENIENT": _TOLERANCE,
    "STRICT": _TOLERANCE,
    "Difference": _TOLERANCE,
    "Measurement": _TOLERANCE,
    "Tolerance": _TOLERANCE,
    "check": "diglot.parity.checking",
    "difference": _TOLERANCE,
    "measure": _TOLERANCE,
}

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
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "check":
        extras.require("parity", "hypothesis")
    return getattr(import_module(_HOMES[name]), name)
