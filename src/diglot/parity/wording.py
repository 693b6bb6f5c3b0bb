"""What comes from a checkpoint or a text, written so that it can neither act nor hide."""

from __future__ import annotations


def visible(text: str, limit: int = 4000) -> str:
    """The text with an escape, as Python writes it, for every character that does not show.

    Those are control characters, line ends, marks that turn the direction of writing, white space
    other than the plain space, and what Unicode has not assigned.

    Args:
        text: anything.
        limit: how many of its characters to show at most; of a longer text the length is told.
    """
    said = "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text[:limit]
    )
    return said if len(text) <= limit else f"{said}… ({len(text):,} characters)"


def number(value: float, digits: int = 3) -> str:
    """A number in a few digits, such as ``0.41`` and ``3.1e-6``."""
    mantissa, _, exponent = f"{value:.{digits}g}".replace("inf", "∞").partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa
