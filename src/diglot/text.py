"""Text from outside, made safe to print; and numbers in few digits."""

from __future__ import annotations

import math
from unicodedata import category


def visible(text: str, limit: int | None = 4000, *, spaces: bool = False) -> str:
    """The text with a Python escape in place of each character that does not show.

    Control characters, line ends, marks that change the direction of writing and unassigned code
    points become escapes, so that a text can neither act on a terminal nor hide in a page.

    Args:
        text: any text.
        limit: the most characters to show, ``None`` for all; the length of a longer text is
            appended.
        spaces: whether to leave white space other than the plain space as it is.
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
    """The number for JSON: ``"NaN"``, ``"Infinity"`` and ``"-Infinity"`` where it is not finite."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
