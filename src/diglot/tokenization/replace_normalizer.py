r"""The Replace normalizer: replaces each match of a string or regular expression by a string.

TensorFlow runs the regular expressions of RE2, the library those of Oniguruma. Both find the same
matches of alternatives whose items are characters and classes, each optionally repeated but never
empty. Only such expressions are accepted. The members of ``\s`` are written out.
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np
import tensorflow as tf

from diglot.errors import TokenizerNotSupportedError
from diglot.tokenization import characters
from diglot.tokenization.components import REMEDY, Normalizer, Spec

_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t"}
_ATOM: Final = r"\\[nrts]|\\[^\w\s]|[^\\.^$|?*+()\[\]{}]"
# No negation, no ranges, no classes in classes.
_ITEM: Final = r"\\[nrts]|\\[^\w\s]|[^\\^\-&\[\]:]"
# "+?" and "++" would be lazy and possessive. RE2 unrolls counts, so they must be small.
_TERM: Final = re.compile(
    rf"(?:(?P<atom>{_ATOM})|\[(?P<items>(?:{_ITEM})+)\])"
    r"(?P<repeat>\+|\{[1-9]\d?(?:,(?:[1-9]\d?)?)?\})?(?![?*+{])"
)


class Replaced(tf.Module):  # type: ignore[misc]  # TensorFlow is untyped
    """Replaces each match of a pattern by a literal string."""

    def __init__(self, pattern: str, content: str) -> None:
        """Store the pattern, in RE2's syntax, and the string."""
        super().__init__()
        self.keeps_start = content != ""
        self.expands = len(content) > 1
        self._pattern, self._content = pattern, content.replace("\\", r"\\")

    def __call__(self, texts: tf.Tensor) -> tf.Tensor:
        """Normalize each text: ``[n]``, string, to ``[n]``, string."""
        return tf.strings.regex_replace(texts, self._pattern, self._content)


def build_replace(spec: Spec) -> Normalizer:
    """Build ``Replace``.

    Raises:
        TokenizerNotSupportedError: TensorFlow's regular expressions may find other matches.
    """
    ((kind, pattern),) = spec["pattern"].items()
    if kind == "String" and pattern:
        return Replaced(_quote(pattern), spec["content"])
    translated = to_re2(pattern) if kind == "Regex" else None
    if translated is None:
        raise TokenizerNotSupportedError(
            f"normalizer Replace with the {kind} pattern {pattern!r}",
            "TensorFlow's regular expressions may find other matches of it",
            f"use a String pattern instead, or {REMEDY}",
        )
    return Replaced(translated, spec["content"])


def to_re2(pattern: str) -> str | None:
    """Translate an expression to one for which RE2 finds exactly the library's matches.

    Args:
        pattern: in Oniguruma's syntax.

    Returns:
        The expression in RE2's syntax, or None if no exact translation is known.
    """
    terms: list[str] = []
    position = 0
    bar_allowed = False
    while position < len(pattern):
        if pattern[position] == "|" and bar_allowed:
            terms.append("|")
            position += 1
            bar_allowed = False
            continue
        term = _TERM.match(pattern, position)
        if term is None:
            return None
        repeat = term["repeat"] or ""
        least, _, most = repeat.strip("{}").partition(",")
        if most and int(most) < int(least):
            return None
        items = re.findall(_ITEM, term["items"]) if term["items"] else [term["atom"]]
        terms.append("[" + "".join(map(_members, items)) + "]" + repeat)
        position = term.end()
        bar_allowed = True
    return "".join(terms) if bar_allowed else None


def _members(item: str) -> str:
    """Return the characters of an item, in RE2's syntax within brackets."""
    if item == r"\s":
        return "".join(map(_code, map(int, np.flatnonzero(characters.members(r"\s")))))
    return _code(ord(_ESCAPED.get(item[-1], item[-1]) if len(item) > 1 else item))


def _quote(text: str) -> str:
    return "".join(_code(ord(character)) for character in text)


def _code(code_point: int) -> str:
    return rf"\x{{{code_point:X}}}"
