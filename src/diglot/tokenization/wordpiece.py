"""The WordPiece model: the longest piece at each place, from the left, or an unknown word."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from diglot.errors import TokenizerNotSupportedError
from diglot.tokenization import characters, ragged
from diglot.tokenization.components import Model, Spec
from diglot.tokenization.trie import Trie


class WordPiece(tf.Module):  # type: ignore[misc]  # TensorFlow is untyped
    """Finds the longest piece at each place in parallel, then follows the pieces from the left."""

    def __init__(
        self, vocabulary: Mapping[str, int], *, unknown: int, prefix: str, max_chars: int
    ) -> None:
        """Build the model.

        Args:
            vocabulary: the id of each piece.
            unknown: the id of a word that is not a sequence of pieces.
            prefix: begins the pieces that are not the first of a word.
            max_chars: longer words are unknown.
        """
        super().__init__()
        self._unknown, self._max_chars = unknown, max_chars
        # A word can itself begin with the prefix, so pieces with the prefix can be first pieces.
        self._firsts = Trie({piece: number for piece, number in vocabulary.items() if piece})
        self._others = Trie(
            {
                piece.removeprefix(prefix): number
                for piece, number in vocabulary.items()
                if piece.startswith(prefix) and piece != prefix
            }
        )

    def __call__(self, words: tf.Tensor) -> tf.RaggedTensor:
        """Turn each word into ids: ``[n]``, string, to ``[n, pieces]``, int32."""
        code_points = characters.decode(words)
        splits = tf.cast(code_points.row_splits, tf.int32)
        starts, ends = splits[:-1], splits[1:]
        rows = ragged.row_ids(code_points.row_splits)
        limits = tf.gather(ends, rows)
        places = tf.range(tf.size(limits))

        lengths, ids = self._others.longest(code_points.values, places, limits)
        at_start = tf.reshape(starts, [-1, 1])
        first_lengths, first_ids = self._firsts.longest(code_points.values, starts, ends)
        lengths = tf.tensor_scatter_nd_update(lengths, at_start, first_lengths)
        ids = tf.tensor_scatter_nd_update(ids, at_start, first_ids)

        known = ends - starts <= self._max_chars
        used, known = _follow(lengths, starts, ends, known)
        ids = tf.tensor_scatter_nd_update(
            ids, at_start, tf.where(known, tf.gather(ids, starts), self._unknown)
        )
        used &= tf.gather(known, rows)
        used = tf.tensor_scatter_nd_update(used, at_start, tf.ones_like(known))
        return ragged.select(code_points.with_values(ids), used)


def _follow(
    lengths: tf.Tensor, starts: tf.Tensor, ends: tf.Tensor, known: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Follow the pieces of each word from its start.

    Args:
        lengths: ``[chars]``, int32: the length of the longest piece that starts at each place, or
            0.
        starts: ``[words]``, int32: the first place of each word.
        ends: ``[words]``, int32: the place after each word.
        known: ``[words]``, bool: the words to follow.

    Returns:
        The places where a piece starts (``[chars]``, bool), and the words whose pieces reach the
        end of the word (``[words]``, bool).
    """

    def unfinished(words: tf.Tensor, *_: tf.Tensor) -> tf.Tensor:
        return tf.size(words) > 0

    def step(
        words: tf.Tensor, place: tf.Tensor, used: tf.Tensor, known: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        index = tf.reshape(place, [-1, 1])
        used = tf.tensor_scatter_nd_update(used, index, tf.ones_like(place, tf.bool))
        length = tf.gather(lengths, place)
        failed = tf.reshape(tf.boolean_mask(words, length == 0), [-1, 1])
        known = tf.tensor_scatter_nd_update(known, failed, tf.zeros_like(failed[:, 0], tf.bool))
        place += length
        goes_on = (length > 0) & (place < tf.gather(ends, words))
        return tf.boolean_mask(words, goes_on), tf.boolean_mask(place, goes_on), used, known

    words = tf.cast(tf.where(known)[:, 0], tf.int32)
    state = (words, tf.gather(starts, words), tf.zeros_like(lengths, tf.bool), known)
    shapes = (tf.TensorShape([None]),) * len(state)
    *_, used, known = tf.while_loop(unfinished, step, state, shape_invariants=shapes)
    return used, known


def build_wordpiece(spec: Spec) -> Model:
    """Build ``WordPiece``.

    Raises:
        TokenizerNotSupportedError: the token for unknown words is not in the vocabulary.
    """
    vocabulary, unknown = spec["vocab"], spec["unk_token"]
    if unknown not in vocabulary:
        raise TokenizerNotSupportedError(
            f"model WordPiece with the unk_token {unknown!r}",
            "the vocabulary lacks it, so the library fails at the first unknown word",
            "add it to the vocabulary",
        )
    return WordPiece(
        vocabulary,
        unknown=vocabulary[unknown],
        prefix=spec["continuing_subword_prefix"],
        max_chars=spec["max_input_chars_per_word"],
    )
