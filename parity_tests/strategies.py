"""Encodings from :mod:`diglot.parity.strategies` in the sizes of the tiny models."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from diglot.parity import strategies
from diglot.parity.strategies import Encoding

from .architectures import MAX_TOKENS, PAD, VOCABULARY


def encodings(*, types: bool = False, **options: Any) -> st.SearchStrategy[Encoding]:
    """Draws ids and masks, each ``[batch, tokens]``.

    Args:
        types: whether to draw token types too.
        options: further options of :func:`diglot.parity.strategies.encodings`.
    """
    return strategies.encodings(
        vocabulary=VOCABULARY,
        max_tokens=MAX_TOKENS,
        pad=PAD,
        types=2 if types else 0,
        **options,
    )
