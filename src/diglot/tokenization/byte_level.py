"""The ByteLevel pre-tokenizer, which writes each byte as one printable character."""

from __future__ import annotations

from typing import Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from diglot.tokenization import characters
from diglot.tokenization.components import PreTokenizer, Spec
from diglot.tokenization.regex_matcher import Matcher
from diglot.tokenization.regex_parser import parse

GPT2_PATTERN: Final = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""The expression that ``ByteLevel`` splits by if ``use_regex`` is set, fixed by the library."""


class ByteLevel(tf.Module):  # type: ignore[misc]  # TensorFlow is untyped
    """Splits texts by GPT-2's pattern and writes each byte as one printable character."""

    uses_start = False
    keeps_start = True

    def __init__(self, *, add_prefix_space: bool, use_regex: bool) -> None:
        """Build the pre-tokenizer.

        Args:
            add_prefix_space: put a space before each text that does not begin with a space.
            use_regex: split the texts. Otherwise each text is one word.
        """
        super().__init__()
        self._prefix = add_prefix_space
        component = "pre_tokenizer ByteLevel"
        self._matcher = Matcher(parse(GPT2_PATTERN, component), component) if use_regex else None
        with tf.init_scope():
            self._alphabet = tf.constant(byte_alphabet())

    def __call__(self, texts: tf.Tensor, at_start: tf.Tensor) -> tf.RaggedTensor:
        """Cut each text: ``[n]``, string, to ``[n, words]``, string."""
        if self._prefix:
            bare = (tf.strings.length(texts) > 0) & (tf.strings.substr(texts, 0, 1) != " ")
            texts = tf.strings.join([tf.where(bare, " ", ""), texts])
        values = tf.cast(tf.io.decode_raw(tf.strings.reduce_join(texts), tf.uint8), tf.int32)
        symbols = tf.RaggedTensor.from_row_lengths(
            tf.gather(self._alphabet, values),
            tf.cast(tf.strings.length(texts), tf.int64),
            validate=False,
        )
        starts = tf.zeros_like(values, tf.bool)
        if self._matcher is not None:
            pieces = self._matcher(characters.decode(texts))
            # All bytes of a character but the first have the form 10xxxxxx.
            first_bytes = tf.bitwise.bitwise_and(values, 0xC0) != 0x80
            character = tf.cumsum(tf.cast(first_bytes, tf.int32)) - 1
            starts = first_bytes & tf.gather(pieces.starts, character)
        return characters.cut(symbols, tf.ones_like(starts), starts)


def build_byte_level(spec: Spec) -> PreTokenizer:
    """Build ``ByteLevel``. Its ``trim_offsets`` changes no ids."""
    return ByteLevel(
        add_prefix_space=spec["add_prefix_space"], use_regex=spec.get("use_regex", True)
    )


def byte_alphabet() -> NDArray[np.int32]:
    """Ask the library for the character that represents each byte.

    Returns:
        ``[256]``, code points; 0 for the bytes that do not occur in UTF-8.
    """
    from tokenizers.pre_tokenizers import ByteLevel as Reference

    # All characters of one or two bytes, and one for each first byte of a longer character.
    asked = "".join(
        map(chr, [*range(0x800), *range(0x800, 0xD800, 0x800), *range(0xE000, 0x110000, 0x1000)])
    )
    ((answer, _),) = Reference(add_prefix_space=False, use_regex=False).pre_tokenize_str(asked)
    alphabet = np.zeros(256, np.int32)
    alphabet[np.frombuffer(asked.encode(), np.uint8)] = list(map(ord, answer))
    return alphabet
