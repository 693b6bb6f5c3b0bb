"""All faults, by where they are planted."""

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
"""The faults, in the order in which a text meets what they are planted in, save the export's."""
