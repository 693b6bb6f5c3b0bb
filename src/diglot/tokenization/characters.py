"""Code points: conversion from and to strings, and tables over all code points.

The properties of a code point (letter, white space, capital) differ between versions of Unicode,
and the ``tokenizers`` library contains several versions at once. Therefore no table is written down
here or computed from Python's own Unicode data: at compile time, the library shows what it does to
each scalar value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from diglot.tokenization import ragged

CODE_POINTS = 0x110000
"""The number of entries of a table over all code points."""

_BLOCK = 256

# A starter that composes with nothing and that no normalizer changes or drops.
_SEPARATOR = "~"

# The entry of a replacement table that keeps the character.
_SAME = -1


def blocks() -> Iterator[list[str]]:
    """Yield all characters that a string can contain, in blocks. Surrogates are not among them.

    The separator ``~`` has a block of its own, so that all other blocks can be joined with it.
    """
    yield [_SEPARATOR]
    for start in range(0, CODE_POINTS, _BLOCK):
        if not 0xD800 <= start < 0xE000:
            block = map(chr, range(start, start + _BLOCK))
            yield [character for character in block if character != _SEPARATOR]


def decode(texts: tf.Tensor) -> tf.RaggedTensor:
    """Decode valid UTF-8: ``[n]``, string, to code points ``[n, chars]``, int32."""
    return tf.strings.unicode_decode(texts, "UTF-8", errors="strict")


def encode(code_points: tf.RaggedTensor) -> tf.Tensor:
    """Encode code points in UTF-8: ``[n, chars]``, int32, to ``[n]``, string."""
    return tf.strings.unicode_encode(code_points, "UTF-8", errors="strict")


def utf8_lengths(code_points: tf.Tensor) -> tf.Tensor:
    """Return the number of UTF-8 bytes of each character, 1 to 4: ``[chars]``, int32."""
    bounds = np.array([0x80, 0x800, 0x10000], np.int32)
    return 1 + tf.reduce_sum(tf.cast(code_points[:, None] >= bounds, tf.int32), 1)


def mask(code_points: Iterable[int]) -> NDArray[np.bool_]:
    """Return a set of code points as a table: ``[0x110000]``, bool."""
    table = np.zeros(CODE_POINTS, np.bool_)
    table[list(code_points)] = True
    return table


def cut(code_points: tf.RaggedTensor, keep: tf.Tensor, starts: tf.Tensor) -> tf.RaggedTensor:
    """Cut texts into words.

    Args:
        code_points: ``[n, chars]``, int32.
        keep: ``[total chars]``, bool. The other characters are dropped and separate words.
        starts: ``[total chars]``, bool. A kept character that is marked here begins a word; so does
            the first character of a text.

    Returns:
        ``[n, words]``, string, without empty words.
    """
    begins = keep & (starts | ~ragged.previous(keep, False) | ragged.row_starts(code_points))
    word_starts = tf.where(tf.boolean_mask(begins, keep))[:, 0]
    words = tf.RaggedTensor.from_row_starts(
        tf.boolean_mask(code_points.values, keep), word_starts, validate=False
    )
    return tf.RaggedTensor.from_row_splits(
        encode(words),
        tf.gather(ragged.row_splits(begins), code_points.row_splits),
        validate=False,
    )


class CodePointTable(tf.Module):  # type: ignore[misc]  # TensorFlow is untyped
    """One number for each code point.

    The table has two levels: an index of blocks of 256 entries, and the distinct blocks. Most
    blocks of a table over Unicode are equal.
    """

    def __init__(self, values: NDArray[np.generic]) -> None:
        """Store the values: ``[0x110000]``, bool or integer."""
        super().__init__()
        numbers: dict[bytes, int] = {}
        rows = values.reshape(-1, _BLOCK)
        index = [numbers.setdefault(row.tobytes(), len(numbers)) for row in rows]
        _, firsts = np.unique(index, return_index=True)
        with tf.init_scope():
            self._blocks = tf.constant(np.multiply(index, _BLOCK), tf.int32)
            self._values = tf.constant(rows[firsts].reshape(-1))

    def __call__(self, code_points: tf.Tensor) -> tf.Tensor:
        """Look up each code point: int32 of any shape, to values of the same shape."""
        block = tf.gather(self._blocks, code_points // _BLOCK)
        return tf.gather(self._values, block + code_points % _BLOCK)


class ReplacementStrings(tf.Module):  # type: ignore[misc]  # TensorFlow is untyped
    """Numbered strings that replace characters. Number 0 keeps the character."""

    def __init__(self, strings: Iterable[str]) -> None:
        """Store the strings, numbered from 1. A string may be empty."""
        super().__init__()
        sequences = [[_SAME], *(list(map(ord, string)) for string in strings)]
        with tf.init_scope():
            self._values = tf.constant(
                [code_point for sequence in sequences for code_point in sequence], tf.int32
            )
            self._splits = tf.constant(np.cumsum([0, *map(len, sequences)]), tf.int64)

    def __call__(self, code_points: tf.RaggedTensor, numbers: tf.Tensor) -> tf.RaggedTensor:
        """Replace each character by the string of its number.

        Args:
            code_points: ``[n, chars]``, int32.
            numbers: ``[total chars]``, int32.

        Returns:
            ``[n, chars]``, int32.
        """
        old = code_points.values
        table = tf.RaggedTensor.from_row_splits(self._values, self._splits, validate=False)
        strings = tf.gather(table, numbers)
        kept = tf.gather(old, ragged.row_ids(strings.row_splits))
        return tf.RaggedTensor.from_row_splits(
            tf.where(strings.values == _SAME, kept, strings.values),
            tf.gather(strings.row_splits, code_points.row_splits),
            validate=False,
        )


class ReplacementTable(tf.Module):  # type: ignore[misc]  # TensorFlow is untyped
    """One string for each code point. A code point without a replacement stays as it is."""

    def __init__(self, replacements: Mapping[int, str]) -> None:
        """Store the replacements. A replacement may be empty."""
        super().__init__()
        numbers: dict[str, int] = {}
        index = np.zeros(CODE_POINTS, np.int32)
        for code_point, replacement in replacements.items():
            if replacement != chr(code_point):
                index[code_point] = numbers.setdefault(replacement, len(numbers) + 1)
        self._index = CodePointTable(index)
        self._strings = ReplacementStrings(numbers)

    def __call__(self, code_points: tf.RaggedTensor) -> tf.RaggedTensor:
        """Replace each character: ``[n, chars]``, int32, to ``[n, chars]``, int32."""
        return self._strings(code_points, self._index(code_points.values))


def ask(normalizer: Any) -> Mapping[int, str]:
    """Ask one of the library's normalizers what each character becomes on its own.

    Args:
        normalizer: changes each character independently of its neighbours and of the ends of the
            text, and does not change ``~``.

    Returns:
        The characters that change, by code point. The mapping is read-only.
    """
    return _answers(_Question(normalizer.__getstate__(), normalizer))


@dataclass(frozen=True)
class _Question:
    """A normalizer that is hashed by its JSON, because its own hash is its identity."""

    json: bytes
    normalizer: Any = field(compare=False)


@lru_cache(maxsize=16)
def _answers(question: _Question) -> Mapping[int, str]:
    normalize = question.normalizer.normalize_str
    changed: dict[int, str] = {}
    for block in blocks():
        answers = normalize(_SEPARATOR.join(block)).split(_SEPARATOR)
        # A character of the block has become a separator, so the answers are ambiguous.
        if len(answers) != len(block):
            answers = [normalize(character) for character in block]
        for character, answer in zip(block, answers, strict=True):
            if character != answer:
                changed[ord(character)] = answer
    return MappingProxyType(changed)


@cache
def members(pattern: str) -> NDArray[np.bool_]:
    r"""Ask the library which code points match a regular expression such as ``\p{L}``.

    Args:
        pattern: matches single characters only.

    Returns:
        ``[0x110000]``, bool, read-only.
    """
    from tokenizers import Regex
    from tokenizers.normalizers import Replace

    remove = Replace(Regex(pattern), "")
    matched: list[int] = []
    for block in blocks():
        rest = set(remove.normalize_str("".join(block)))
        matched += (ord(character) for character in block if character not in rest)
    table = mask(matched)
    table.setflags(write=False)
    return table
