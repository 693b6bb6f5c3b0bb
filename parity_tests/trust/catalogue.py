"""All faults."""

from __future__ import annotations

from collections.abc import Mapping

from . import backend, export, program, tokenizer, weights
from .fault import Fault

FAULTS: Mapping[str, tuple[Fault, ...]] = {
    "program": program.FAULTS,
    "weights": weights.FAULTS,
    "tokenizer": tokenizer.FAULTS,
    "export": export.FAULTS,
    "backend": backend.FAULTS,
}
"""The faults by the part of diglot in which they are planted."""
