"""Checkpoints on disk: find one, describe it, and read its tokenizer and weights."""

from diglot.checkpoints.checkpoint import EMBEDDED, Checkpoint
from diglot.checkpoints.find import find

__all__ = ["EMBEDDED", "Checkpoint", "find"]
