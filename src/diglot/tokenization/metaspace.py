"""The Metaspace pre-tokenizer, which writes spaces as a visible character that begins each word."""

from __future__ import annotations

from typing import Final

import tensorflow as tf

from diglot.errors import TokenizerNotSupportedError
from diglot.tokenization import characters, ragged
from diglot.tokenization.components import REMEDY, PreTokenizer, Spec

SCHEMES: Final = ("always", "first", "never")
"""When to put the replacement before a text that does not begin with it."""


class Metaspace(tf.Module):  # type: ignore[misc]  # TensorFlow is untyped
    """Replaces spaces, can put one before the text, and can cut before each."""

    keeps_start = True

    def __init__(self, replacement: str, scheme: str, *, split: bool) -> None:
        """Build the pre-tokenizer.

        Args:
            replacement: a single character that replaces spaces.
            scheme: one of ``SCHEMES``.
            split: cut before each replacement. Otherwise each text is one word.
        """
        super().__init__()
        self.uses_start = scheme == "first"
        self._replacement = ord(replacement)
        self._scheme = scheme
        self._split = split

    def __call__(self, texts: tf.Tensor, at_start: tf.Tensor) -> tf.RaggedTensor:
        """Cut each text: ``[n]``, string, to ``[n, words]``, string."""
        code_points = characters.decode(texts)
        values, splits = code_points.values, code_points.row_splits
        values = tf.where(values == ord(" "), self._replacement, values)
        if self._scheme != "never":
            # An empty text stays empty.
            bare = ragged.row_starts(code_points) & (values != self._replacement)
            if self._scheme == "first":
                bare &= tf.gather(at_start, ragged.row_ids(splits))
            counts = 1 + tf.cast(bare, tf.int64)
            ends = tf.cumsum(counts)
            added = tf.scatter_nd(
                tf.boolean_mask(ends - 2, bare)[:, None],
                tf.ones_like(tf.boolean_mask(values, bare)),
                [tf.reduce_sum(counts)],
            )
            values = tf.where(added > 0, self._replacement, ragged.repeat(values, counts))
            splits = tf.gather(ragged.row_splits(counts), splits)
        code_points = tf.RaggedTensor.from_row_splits(values, splits, validate=False)
        starts = (values == self._replacement) & self._split
        return characters.cut(code_points, tf.ones_like(starts), starts)


def build_metaspace(spec: Spec) -> PreTokenizer:
    """Build ``Metaspace``. Old files have ``add_prefix_space`` instead of a prepend scheme.

    Raises:
        TokenizerNotSupportedError: the prepend scheme is not supported.
    """
    scheme = spec.get("prepend_scheme")
    if scheme is None:
        scheme = "always" if spec.get("add_prefix_space", True) else "never"
    if scheme not in SCHEMES:
        raise TokenizerNotSupportedError(
            f"pre_tokenizer Metaspace with the prepend_scheme {scheme!r}",
            f"supported schemes are {', '.join(SCHEMES)}",
            REMEDY,
        )
    return Metaspace(spec["replacement"], scheme, split=spec.get("split", True))
