"""Byte-pair merges of very long words, by windows that are joined again.

A step of ``Merger`` does one rank of each word. A word of thousands of symbols, such as a text
without spaces, would need thousands of steps. Such a word is cut into overlapping windows, which
are merged like words. Where two windows agree on a token in their overlap, the tokens of the second
window follow. The result equals the merge of the whole word:

Call two neighbouring tokens *stable* if merging only the symbols of these two gives these two
tokens. All neighbours in the tokens of a merged stretch are stable, because nothing was merged
across the outer ends of the two, so that everything between these ends happened as if the two were
alone. Conversely, a row of tokens whose neighbours are all stable is the result of merging:
consider the first merge across the boundary of two of them. Until then, everything in these two
happened as if they were alone, so the same merge would happen if they were alone. The tokens that
are joined here are all neighbours in one of the windows.
"""

from __future__ import annotations

from typing import Final

import tensorflow as tf

from diglot.tokenization import ragged
from diglot.tokenization.bpe_merges import Merger, Symbols

STRIDE: Final = 128
"""The number of symbols from the start of a window to the start of the next."""

OVERLAP: Final = 64
"""The number of symbols that two windows share; at most ``STRIDE``, so that no three share one."""


class LongWordMerger(tf.Module):  # type: ignore[misc]  # TensorFlow is untyped
    """Merges words, long words by windows."""

    def __init__(self, merger: Merger) -> None:
        """Store the merger of whole words."""
        super().__init__()
        self._merger = merger

    def __call__(self, ids: tf.RaggedTensor) -> tf.RaggedTensor:
        """Merge the symbols of each word: ``[words, symbols]``, int64, to the same shape."""
        return tf.cond(
            tf.reduce_any(ids.row_lengths() > STRIDE + OVERLAP),
            lambda: self._by_windows(ids),
            lambda: self._whole(ids),
        )

    def _whole(self, ids: tf.RaggedTensor) -> tf.RaggedTensor:
        merged = self._merger(ids)
        return _rows(merged.ids, merged.words, ids.nrows())

    def _by_windows(self, ids: tf.RaggedTensor) -> tf.RaggedTensor:
        count = ids.nrows()
        windows = tf.maximum(-((OVERLAP - ids.row_lengths()) // STRIDE), 1)
        word = ragged.repeat(tf.range(count), windows)
        number = tf.ragged.range(windows).values
        begin = tf.gather(ids.row_starts(), word) + number * STRIDE
        limit = tf.gather(ids.row_limits(), word)
        end = tf.minimum(begin + STRIDE + OVERLAP, limit)
        final = end == limit

        source = tf.ragged.range(begin, end)
        merged = self._merger(source.with_values(tf.gather(ids.values, source.values)))
        window = merged.words
        start, stop = _spans(merged, source)
        # A place in an overlap belongs to exactly two windows. Find the tokens that both have.
        size = tf.size(ids.values, tf.int64)
        head = (tf.gather(number, window) > 0) & (stop <= tf.gather(begin, window) + OVERLAP)
        stop_in_second = tf.scatter_nd(
            tf.where(head, start, size)[:, None], tf.where(head, stop, 0), [size + 1]
        )
        in_tail = start >= tf.gather(begin, window) + STRIDE
        shared = in_tail & (tf.gather(stop_in_second, start) == stop)
        agreed = tf.math.unsorted_segment_max(
            tf.where(shared, stop, -1), window, tf.size(word, tf.int64)
        )
        # Each window contributes its tokens from `enter` to `leave`.
        leave = tf.where(final, limit, agreed)
        enter = tf.where(number > 0, ragged.previous(leave, 0), begin)
        kept = (start >= tf.gather(enter, window)) & (stop <= tf.gather(leave, window))
        joined = _rows(
            tf.boolean_mask(merged.ids, kept),
            tf.gather(word, tf.boolean_mask(window, kept)),
            count,
        )
        # Words with windows that share no token are merged as a whole.
        failed = tf.math.unsorted_segment_max(tf.cast(leave < 0, tf.int32), word, count) == 1
        return ragged.interleave(
            failed,
            self._whole(tf.ragged.boolean_mask(ids, failed)),
            tf.ragged.boolean_mask(joined, ~failed),
        )


def _spans(merged: Symbols, source: tf.RaggedTensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the first place and the end of each token among all symbols: ``[tokens]``, int64."""
    start = tf.gather(source.values, merged.places)
    after = ragged.following(merged.places, tf.size(source.values, tf.int64))
    return start, start + after - merged.places


def _rows(ids: tf.Tensor, words: tf.Tensor, count: tf.Tensor) -> tf.RaggedTensor:
    return tf.RaggedTensor.from_value_rowids(ids, words, nrows=count, validate=False)
