"""Grapheme clusters, exact for the clusters of less than six bytes.

``Precompiled`` looks up such clusters as a whole. The rules are those of Unicode's UAX #29. The
characters that each rule applies to differ between versions of Unicode, so the library is asked: a
``Precompiled`` normalizer with a few keys shows where its clusters end by what it drops.

The rules about regional indicators (GB12, GB13) are left out. A regional indicator has four bytes,
and each character that can join it has at least two, so such a cluster is never below six bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from diglot.tokenization.characters import CODE_POINTS, CodePointTable
from diglot.tokenization.charsmap import write_charsmap
from diglot.tokenization.ragged import previous, row_starts

LEFT: Final = 1 << 0
"""Joins the character before it (GB9, GB9a)."""
PREPEND: Final = 1 << 1
"""Joins the character after it (GB9b)."""
CONTROL: Final = 1 << 2
"""Joins nothing (GB4, GB5)."""
PICTOGRAPH: Final = 1 << 3
EXTEND: Final = 1 << 4
JOINER: Final = 1 << 5
"""Joins pictographs (GB11)."""
CONSONANT: Final = 1 << 6
LINKER: Final = 1 << 7
"""Joins consonants (GB9c)."""
BETWEEN_CONSONANTS: Final = 1 << 8
RETURN: Final = 1 << 9
NEWLINE: Final = 1 << 10
HANGUL_L: Final = 1 << 11
HANGUL_V: Final = 1 << 12
HANGUL_T: Final = 1 << 13
HANGUL_LV: Final = 1 << 14
HANGUL_LVT: Final = 1 << 15

_ZWJ: Final = "\u200d"
_GRAVE, _ACUTE = "\u0300", "\u0301"
_SELECTOR: Final = "\U000e0100"
_VIRAMA: Final = "\u094d"
_KA: Final = "\u0915"
_TRADE_MARK: Final = "\u2122"
_FACE: Final = "\U0001f600"

_VOWEL, _FINAL = "\u1161", "\u11a8"
# Unicode has all possible syllables of Hangul. Every 28th has no last consonant.
_SYLLABLES: Final = slice(0xAC00, 0xD7A4)
_OPEN_SYLLABLES: Final = slice(0xAC00, 0xD7A4, 28)
# The other planes contain only private use and unassigned code points.
_ASKED: Final = (range(0xD800), range(0xE000, 0x40000), range(0xE0000, 0xE1000))


class Clusters(tf.Module):  # type: ignore[misc]  # TensorFlow is untyped
    """Cuts texts into grapheme clusters."""

    def __init__(self) -> None:
        super().__init__()
        self._classes = CodePointTable(classes())

    def __call__(self, code_points: tf.RaggedTensor) -> tf.Tensor:
        """Mark the characters that begin a cluster.

        Args:
            code_points: ``[n, chars]``, int32.

        Returns:
            ``[total chars]``, bool. A boundary is exact if one of the clusters at its sides has
            less than six bytes and more than one character.
        """
        here = tf.cast(self._classes(code_points.values), tf.int32)
        starts = row_starts(code_points)

        def have(classes: tf.Tensor, flags: int) -> tf.Tensor:
            return tf.bitwise.bitwise_and(classes, flags) != 0

        before = previous(here, 0)
        joined = have(here, LEFT) & ~have(before, CONTROL)
        joined |= have(before, PREPEND) & ~have(here, CONTROL)
        joined |= have(before, RETURN) & have(here, NEWLINE)
        syllable = HANGUL_LV | HANGUL_LVT
        joined |= have(before, HANGUL_L) & have(here, HANGUL_L | HANGUL_V | syllable)
        joined |= have(before, HANGUL_LV | HANGUL_V) & have(here, HANGUL_V | HANGUL_T)
        joined |= have(before, HANGUL_LVT | HANGUL_T) & have(here, HANGUL_T)
        # GB11: the character before a joiner, not counting the characters that extend it.
        base = tf.gather(here, _last(starts | ~have(here, EXTEND)))
        base_before_joiner = previous(previous(base, 0), 0)
        joiner = have(before, JOINER) & ~previous(starts, False)
        joined |= have(here, PICTOGRAPH) & joiner & have(base_before_joiner, PICTOGRAPH)
        # GB9c: the character before a row of linkers and of characters that can be among them. At
        # least one of the row must be a linker.
        last = _last(starts | ~have(here, LINKER | BETWEEN_CONSONANTS))
        linkers = tf.cumsum(tf.cast(have(here, LINKER), tf.int32))
        linked = have(tf.gather(here, last), CONSONANT) & (linkers > tf.gather(linkers, last))
        joined |= have(here, CONSONANT) & previous(linked, False)
        return starts | ~joined


def _last(flags: tf.Tensor) -> tf.Tensor:
    """Return the last marked place up to each place. The first place must be marked."""
    return tf.gather(tf.where(flags)[:, 0], tf.cumsum(tf.cast(flags, tf.int32)) - 1)


@cache
def classes() -> NDArray[np.int32]:
    """Return the flags of each code point: ``[0x110000]``, int32, read-only.

    Each question is a text that ends with a mark after a letter. The mark and the letter form a
    short cluster, in which the library drops the mark, unless the character in question makes the
    letter part of a cluster of six bytes or more.
    """
    from tokenizers.normalizers import Precompiled

    keys = dict.fromkeys((_GRAVE, _TRADE_MARK, _KA, _VOWEL, _FINAL), "+")
    normalizer = Precompiled(write_charsmap({"a": "A", **keys}))
    flags = np.zeros(CODE_POINTS, np.int32)

    def ask(flag: int, before: str, after: str, mark: str, asked: Iterable[int]) -> None:
        order = list(asked)
        text = "\n".join(f"{before}{chr(code_point)}{after}" for code_point in order)
        answers = normalizer.normalize_str(text).split("\n")
        for code_point, answer in zip(order, answers, strict=True):
            if answer.endswith(mark) == (flag != CONTROL):
                flags[code_point] |= flag

    everything = [code_point for part in _ASKED for code_point in part if code_point != ord("\n")]
    # The letters "a" and "A" occur in the answers themselves. Neither joins anything.
    letters = [code_point for code_point in everything if chr(code_point) not in "aA"]
    ask(LEFT, "a", "", "A", letters)
    ask(PREPEND, "", f"a{_SELECTOR}", _SELECTOR, everything)
    # Here the grave drops the acute, unless both join another character.
    not_a = [code_point for code_point in everything if chr(code_point) != "a"]
    ask(CONTROL, "", _GRAVE + _ACUTE, _ACUTE, not_a)
    ask(PICTOGRAPH, "", _ZWJ + _TRADE_MARK + _ACUTE, _ACUTE, everything)
    ask(CONSONANT, "", _VIRAMA + _KA + _ACUTE, _ACUTE, everything)
    # The characters that join a vowel are first consonants, vowels and open syllables. The
    # characters that join a last consonant are last consonants, vowels and syllables.
    not_prepended = [code_point for code_point in everything if not flags[code_point] & PREPEND]
    ask(HANGUL_L, "", _VOWEL + _ACUTE, _ACUTE, not_prepended)
    ask(HANGUL_T, "", _FINAL + _ACUTE, _ACUTE, not_prepended)
    vowels = flags & (HANGUL_L | HANGUL_T) == HANGUL_L | HANGUL_T
    flags[vowels] ^= HANGUL_L | HANGUL_V | HANGUL_T
    flags[_SYLLABLES] = HANGUL_LVT
    flags[_OPEN_SYLLABLES] = HANGUL_LV
    left = [code_point for code_point in everything if flags[code_point] & LEFT]
    ask(EXTEND, _FACE, _ZWJ + _TRADE_MARK + _ACUTE, _ACUTE, left)
    ask(JOINER, _FACE, _TRADE_MARK + _ACUTE, _ACUTE, left)
    ask(LINKER, _KA, _KA + _ACUTE, _ACUTE, left)
    ask(BETWEEN_CONSONANTS, _KA, _VIRAMA + _KA + _ACUTE, _ACUTE, left)
    flags[ord("\n")] = CONTROL | NEWLINE
    flags[ord("\r")] |= RETURN
    flags.setflags(write=False)
    return flags
