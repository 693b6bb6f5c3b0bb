"""Byte-pair merges, on all words of a batch at once.

In each word, the ``tokenizers`` library merges the pair that is first in the list of merges, and of
several equal pairs the leftmost, until no pair is in the list. A step here merges all occurrences
of the first pair of each word at once. The result is the same unless a merge creates a pair that
precedes the merge in the list, because the library would merge that pair before the next
occurrence. Trained lists rarely have such merges. They follow from the list alone, and only their
leftmost occurrence is merged in a step.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
import tensorflow as tf

from diglot.tokenization import ragged

# The rank of a pair that is not in the list: higher than all others.
_NEVER = np.iinfo(np.int64).max


class Merge(NamedTuple):
    """Two symbols that are replaced by one."""

    left: int
    right: int
    result: int


class Symbols(NamedTuple):
    """The symbols of words that are being merged, in the order of the text."""

    ids: tf.Tensor
    """``[symbols]``, int64."""
    words: tf.Tensor
    """``[symbols]``, int64: the index of the word, in ascending order."""
    places: tf.Tensor
    """``[symbols]``, int64: the index of its first symbol before any merge."""
    ranks: tf.Tensor
    """``[symbols]``, int64: the rank of the merge with the next symbol of the word."""


class Merger(tf.Module):  # type: ignore[misc]  # TensorFlow is untyped
    """Merges the symbols of words until no two neighbours can be merged."""

    def __init__(self, merges: list[Merge], size: int) -> None:
        """Build the table of merges.

        Args:
            merges: in the order of their ranks, without duplicate pairs.
            size: greater than all ids.
        """
        super().__init__()
        self._size = size
        pairs = np.array([merge.left * size + merge.right for merge in merges], np.int64)
        # A table needs at least one entry. The key -1 is no pair.
        keys, ranks = np.append(pairs, -1), np.append(np.arange(len(merges)), _NEVER)
        single = leftmost_only(merges)
        self._any_single = any(single)
        with tf.init_scope():
            self._ranks = tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(keys, ranks, tf.int64, tf.int64), _NEVER
            )
            self._results = tf.constant([*(merge.result for merge in merges), -1], tf.int64)
            self._single = tf.constant([*single, False])

    def __call__(self, ids: tf.RaggedTensor) -> Symbols:
        """Merge the symbols of each word: ``[words, symbols]``, int64."""
        count = ids.nrows()
        places = tf.range(tf.size(ids.values, tf.int64))
        start = Symbols(
            ids.values,
            ragged.row_ids(ids.row_splits),
            places,
            tf.fill(tf.shape(places), _NEVER),
        )
        vector = tf.TensorShape([None])
        (merged,) = tf.while_loop(
            lambda symbols: tf.reduce_any(symbols.ranks != _NEVER),
            lambda symbols: (self._step(symbols, count),),
            (self._rank(start, tf.range(tf.size(places))),),
            shape_invariants=(Symbols(vector, vector, vector, vector),),
        )
        return cast(Symbols, merged)

    def _step(self, symbols: Symbols, count: tf.Tensor) -> Symbols:
        """Merge all occurrences of the first pair of each word."""
        ids, words, places, ranks = symbols
        index = tf.range(tf.size(ids))
        lowest = tf.math.unsorted_segment_min(ranks, words, count)
        chosen = (ranks == tf.gather(lowest, words)) & (ranks != _NEVER)
        # In a run of equal symbols, merge every second pair, from the first.
        begins = chosen & ~ragged.previous(chosen, False)
        run = tf.maximum(tf.cumsum(tf.cast(begins, tf.int32)) - 1, 0)
        offset = index - tf.cast(tf.gather(tf.where(begins)[:, 0], run), tf.int32)
        chosen &= offset % 2 == 0
        last = tf.size(self._results) - 1
        merge = tf.cast(tf.minimum(ranks, tf.cast(last, tf.int64)), tf.int32)
        if self._any_single:
            chosen_index = tf.where(chosen, index, tf.size(index))
            leftmost = tf.gather(tf.math.unsorted_segment_min(chosen_index, words, count), words)
            chosen &= ~tf.gather(self._single, merge) | (index == leftmost)
        ids = tf.where(chosen, tf.gather(self._results, merge), ids)
        kept = tf.where(~ragged.previous(chosen, False))[:, 0]
        ids, words, places, ranks, chosen = (
            tf.gather(vector, kept) for vector in (ids, words, places, ranks, chosen)
        )
        changed = tf.where(chosen | ragged.following(chosen, False))[:, 0]
        return self._rank(Symbols(ids, words, places, ranks), tf.cast(changed, tf.int32))

    def _rank(self, symbols: Symbols, places: tf.Tensor) -> Symbols:
        """Look up the ranks of the symbols at these places again: ``[changed]``, int32."""
        after = tf.minimum(places + 1, tf.size(symbols.ids) - 1)
        left, right = tf.gather(symbols.ids, places), tf.gather(symbols.ids, after)
        pair = (after > places) & (
            tf.gather(symbols.words, places) == tf.gather(symbols.words, after)
        )
        ranks = tf.where(pair, self._ranks.lookup(left * self._size + right), _NEVER)
        return symbols._replace(
            ranks=tf.tensor_scatter_nd_update(symbols.ranks, places[:, None], ranks)
        )


def leftmost_only(merges: list[Merge]) -> list[bool]:
    """Return, for each merge, whether its result is part of a merge that precedes it."""
    first: dict[int, int] = {}
    for rank, merge in enumerate(merges):
        first.setdefault(merge.left, rank)
        first.setdefault(merge.right, rank)
    return [first.get(merge.result, rank) < rank for rank, merge in enumerate(merges)]
