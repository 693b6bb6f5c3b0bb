"""The encodings of :mod:`diglot.parity.strategies` that the tiny models of these tests take."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from diglot.parity import strategies
from diglot.parity.strategies import Encoding

from .architectures import MAX_TOKENS, PAD, VOCABULARY


def encodings(*, types: bool = False, **options: Any) -> st.SearchStrategy[Encoding]:
    """Ids and mask, and token types where they are asked for."""
    return strategies.encodings(
        vocabulary=VOCABULARY,
        max_tokens=MAX_TOKENS,
        pad=PAD,
        types=2 if types else 0,
        **options,
    )
