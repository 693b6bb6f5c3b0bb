"""Proof that the check can be trusted: it finds planted faults, and raises no false alarm."""
