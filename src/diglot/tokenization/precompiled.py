"""The Precompiled normalizer: SentencePiece's character map, as the library applies it.

The library differs from SentencePiece. It first looks up each grapheme cluster of less than six
bytes. If any beginning of the cluster is in the map, the replacement of the shortest such beginning
replaces the whole cluster, and the rest of the cluster is dropped. Otherwise, and in larger
clusters, each character is looked up on its own.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

import tensorflow as tf

from diglot.errors import TokenizerNotSupportedError
from diglot.tokenization import characters, ragged
from diglot.tokenization.charsmap import LONGEST_KEY, read_charsmap
from diglot.tokenization.components import REMEDY, Normalizer, Spec
from diglot.tokenization.graphemes import Clusters
from diglot.tokenization.normalizers import CodePointNormalizer
from diglot.tokenization.trie import Trie

# Numbers of replacements: the character itself, and the empty string.
_SAME, _EMPTY = 0, 1


class Precompiled(CodePointNormalizer):
    """Replaces characters and short grapheme clusters by strings."""

    # A text can lose its first characters, but the library does not count characters that are
    # dropped here: the next character is still at offset 0.
    keeps_start = True

    def __init__(self, replacements: Mapping[str, str]) -> None:
        """Store the replacement of each string."""
        super().__init__()
        numbers = {"": _EMPTY}
        keys = {
            key: numbers.setdefault(replacement, len(numbers) + 1)
            for key, replacement in replacements.items()
        }
        self.expands = any(len(replacement) > 1 for replacement in replacements.values())
        self._trie = Trie(keys)
        self._clusters = Clusters()
        self._strings = characters.ReplacementStrings(numbers)

    def rewrite(self, code_points: tf.RaggedTensor) -> tf.RaggedTensor:
        """Rewrite each text: ``[n, chars]``, int32, to ``[n, chars]``, int32."""
        values = code_points.values
        numbers = tf.cond(tf.size(values) > 0, lambda: self._numbers(code_points), lambda: values)
        return self._strings(code_points, numbers)

    def _numbers(self, code_points: tf.RaggedTensor) -> tf.Tensor:
        """Return the number of the replacement of each character: ``[total chars]``, int32."""
        values = code_points.values
        count = tf.size(values)
        starts = self._clusters(code_points)
        cluster = tf.cumsum(tf.cast(starts, tf.int32)) - 1
        sizes = tf.math.segment_sum(characters.utf8_lengths(values), cluster)
        small = sizes <= LONGEST_KEY
        first = tf.cast(tf.where(starts)[:, 0], tf.int32)
        limit = ragged.following(first, count)
        places = tf.range(count)
        remaining = tf.where(tf.gather(small, cluster), tf.gather(limit, cluster) - places, 1)
        matches = self._trie.matches(values, remaining)
        # The matches are stored where they end. Find those that begin a cluster, and take the
        # shortest of each cluster.
        longest = tf.shape(matches)[0]
        lengths = tf.range(longest)[:, None]
        ends = first + lengths
        from_start = tf.gather(
            tf.reshape(matches, [-1]), lengths * count + tf.minimum(ends, count - 1)
        )
        from_start = tf.where((ends < limit) & (small | (lengths == 0)), from_start, -1)
        shortest = tf.reduce_min(tf.where(from_start >= 0, lengths, longest), 0)
        of_cluster = tf.reduce_max(tf.where(lengths == shortest, from_start, -1), 0)
        of_cluster = tf.gather(tf.where(small, of_cluster, -1), cluster)
        of_character = tf.maximum(matches[0], _SAME)
        return tf.where(of_cluster < 0, of_character, tf.where(starts, of_cluster, _EMPTY))


def build_precompiled(spec: Spec) -> Normalizer:
    """Build ``Precompiled``.

    Raises:
        TokenizerNotSupportedError: the map is malformed.
    """
    try:
        return Precompiled(read_charsmap(base64.b64decode(spec["precompiled_charsmap"])))
    except ValueError as error:
        raise TokenizerNotSupportedError(
            "normalizer Precompiled", f"its precompiled_charsmap cannot be read: {error}", REMEDY
        ) from error
