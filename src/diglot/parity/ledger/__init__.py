"""A checkpoint's answers on disk, to hold any other backend, version or machine against."""

from diglot.parity.ledger.comparing import LedgerDiff, changes, diff
from diglot.parity.ledger.digest import compact
from diglot.parity.ledger.entries import Entry, Ledger, Recorded
from diglot.parity.ledger.format import read, write
from diglot.parity.ledger.recording import described, hashes, record

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
