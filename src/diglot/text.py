"""Text from outside in a form that is safe to print, and numbers in a few digits or in JSON."""

from __future__ import annotations

import math
from unicodedata import category


def visible(text: str, limit: int | None = 4000, *, spaces: bool = False) -> str:
    """The text with a Python escape in place of each invisible character.

    Control characters, line ends, marks that change the writing direction and unassigned code
    points become escapes, so that a text can neither control a terminal nor hide in a page.

    Args:
        text: any text, lone surrogates included.
        limit: the most characters to return, ``None`` for all. A longer text is cut, and its length
            is appended.
        spaces: whether spaces other than the plain space, such as U+00A0, stay unchanged.
    """
    shown = "".join(
        character
        if character.isprintable() or (spaces and category(character) == "Zs")
        else character.encode("unicode_escape").decode()
        for character in text[:limit]
    )
    return shown if limit is None or len(text) <= limit else f"{shown}… ({len(text):,} characters)"


def short_number(value: float, digits: int = 3) -> str:
    """A number in a few digits, such as ``0.41`` and ``3.1e-6``."""
    mantissa, _, exponent = f"{value:.{digits}g}".replace("inf", "∞").partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa


def json_number(value: float) -> float | str:
    """The number, or ``"NaN"``, ``"Infinity"`` or ``"-Infinity"``, for which JSON has no number."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
