"""How many results to give for one text."""

from __future__ import annotations

import operator
from enum import Enum
from typing import Any, Final

from diglot.errors import InputError


class Unset(Enum):
    """The type of an argument that was not given, where ``None`` has its own meaning."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "<unset>"


UNSET: Final = Unset.UNSET

TopK = int | None | Unset


def checked_top_k(top_k: Any) -> TopK:
    """The value as a ``top_k``.

    Raises:
        InputError: it is neither a whole number nor ``None``. transformers ignores such a value.
    """
    if top_k is None or top_k is UNSET:
        return top_k
    try:
        return operator.index(top_k)
    except TypeError as error:
        raise InputError(
            f"top_k must be a whole number, or None for all labels, not {top_k!r}"
        ) from error
