"""Export targets, one file per target.

A target is everything that depends on the format of an export: how to write, load and check it, and
whether it takes strings and dynamic shapes. A new target is one file here and one entry below.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from diglot.errors import ExportError
from diglot.serving.targets.saved_model import SavedModelTarget
from diglot.serving.targets.target import Choices, Contents, Finding, Source, Target

_SAVED_MODEL: Target = SavedModelTarget()

TARGETS: Mapping[str, Target] = MappingProxyType({_SAVED_MODEL.name: _SAVED_MODEL})
"""The targets by name."""

DEFAULT = _SAVED_MODEL.name
"""The target of an export that names none."""


def find(name: str) -> Target:
    """The target of that name.

    Raises:
        ExportError: there is no such target.
    """
    if name not in TARGETS:
        raise ExportError(
            f"there is no export target {name!r}; the targets are {', '.join(TARGETS)}"
        )
    return TARGETS[name]


def of(folder: Path) -> Target:
    """The target that wrote a version.

    Raises:
        ExportError: the folder holds no version of any target.
    """
    for target in TARGETS.values():
        if (folder / target.program).is_file():
            return target
    programs = ", ".join(target.program for target in TARGETS.values())
    raise ExportError(
        f"{folder} is no version of an export: it has none of the files {programs}. Write one with:"
        " diglot export CHECKPOINT"
    )


__all__ = [
    "DEFAULT",
    "TARGETS",
    "Choices",
    "Contents",
    "Finding",
    "Source",
    "Target",
    "find",
    "of",
]
