"""Ledgers: a checkpoint's answers on disk, to compare other backends, versions or machines with."""

from diglot.parity.ledger.differences import LedgerDiff, changes, diff
from diglot.parity.ledger.entries import Entry, Ledger, Recorded
from diglot.parity.ledger.format import read, write
from diglot.parity.ledger.records import described, hashes, record
from diglot.parity.ledger.sketch import compact

__all__ = [
    "Entry",
    "Ledger",
    "LedgerDiff",
    "Recorded",
    "changes",
    "compact",
    "described",
    "diff",
    "hashes",
    "read",
    "record",
    "write",
]
