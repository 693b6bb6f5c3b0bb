"""What it means that two frameworks say the same, and whether they do.

Each public name is fetched from its module when first used, so that the pytest plug-in, which every
run of pytest imports, costs nothing where it is not used.
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

_TOLERANCE = "diglot.equality.tolerance"
_HOMES = {
    "BUDGET": _TOLERANCE,
    "LENIENT": _TOLERANCE,
    "STRICT": _TOLERANCE,
    "Difference": _TOLERANCE,
    "Measurement": _TOLERANCE,
    "Tolerance": _TOLERANCE,
    "check": "diglot.parity.checks",
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
