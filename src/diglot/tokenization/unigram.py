"""The Unigram model: the pieces of a word whose scores have the greatest sum.

The sums equal the library's to the last bit: float64, added from the start of the word. Of equal
sums the library keeps the piece that began first, which is the longest. A character that is not a
piece costs ten more than the worst piece. Neighbouring unknown characters become one piece.
"""

from __future__ import annotations

import math
from typing import Final

import tensorflow as tf

from diglot.errors import TokenizerNotSupportedError
from diglot.tokenization import characters, ragged
from diglot.tokenization.components import Model, Spec
from diglot.tokenization.trie import Trie

UNKNOWN_PENALTY: Final = 10.0
"""``K_UNK_PENALTY`` of the library's ``models/unigram/model.rs``."""

_STEPS: Final = 8
"""Characters of a word per iteration of the loop, whose own overhead takes most of the time."""


class Unigram(tf.Module):  # type: ignore[misc]  # TensorFlow is untyped
    """Finds the best pieces of all words of a batch in parallel."""

    def __init__(
        self, vocabulary: list[tuple[str, float]], unknown: int, *, byte_fallback: bool
    ) -> None:
        """Build the model.

        Args:
            vocabulary: the pieces and their scores, in the order of their ids.
            unknown: the id of unknown pieces.
            byte_fallback: write unknown pieces as bytes where the vocabulary has these bytes.
        """
        super().__init__()
        # The library keeps the last of equal pieces.
        ids = {piece: number for number, (piece, _) in enumerate(vocabulary)}
        scores = [score for _, score in vocabulary]
        self._trie = Trie({piece: number for piece, number in ids.items() if piece})
        self._unknown = unknown
        self._unknown_score = min(scores) - UNKNOWN_PENALTY
        self._byte_fallback = byte_fallback
        with tf.init_scope():
            # The number -1, no piece, is looked up at index 0.
            self._scores = tf.constant([-math.inf, *scores], tf.float64)
            self._bytes = tf.constant([ids.get(f"<0x{value:02X}>", -1) for value in range(256)])

    def __call__(self, words: tf.Tensor) -> tf.RaggedTensor:
        """Turn each word into ids: ``[n]``, string, to ``[n, pieces]``, int32."""
        code_points = characters.decode(words)
        ids, splits = self._pieces(code_points.values, tf.cast(code_points.row_splits, tf.int32))
        return tf.RaggedTensor.from_row_splits(ids, tf.cast(splits, tf.int64), validate=False)

    # The loops have many iterations, so they never run eagerly.
    @tf.function(  # type: ignore[untyped-decorator]  # TensorFlow is untyped
        input_signature=[tf.TensorSpec([None], tf.int32), tf.TensorSpec([None], tf.int32)],
        autograph=False,
    )
    def _pieces(self, code_points: tf.Tensor, splits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # An additional word of one character, so that no tensor below is empty.
        code_points = tf.concat([code_points, [0]], 0)
        splits = tf.concat([splits, splits[-1:] + 1], 0)
        size = tf.size(code_points)
        word = ragged.repeat(tf.range(tf.size(splits) - 1), splits[1:] - splits[:-1])
        places = tf.range(size)
        pieces = self._trie.matches(code_points, tf.gather(splits, word + 1) - places)
        scores = tf.gather(self._scores, pieces + 1)
        single = tf.where(pieces[:1] < 0, tf.constant(self._unknown_score, tf.float64), scores[:1])
        chosen = _last_lengths(tf.concat([single, scores[1:]], 0), splits, word)
        ends = _piece_ends(chosen, splits)
        number = tf.gather(tf.reshape(pieces, [-1]), (chosen - 1) * size + places)
        unknown = (number < 0) | (number == self._unknown)

        # An unknown piece does not end where another unknown piece of the word follows.
        end = tf.boolean_mask(places, ends)
        unknown, row = tf.gather(unknown, end), tf.gather(word, end)
        fused = unknown & ragged.following(unknown, False) & (row == ragged.following(row, -1))
        end = tf.boolean_mask(end, ~fused)
        lengths = end - ragged.previous(end, -1)
        # A fused piece can be in the vocabulary, so it is looked up again.
        short = lengths <= tf.shape(pieces)[0]
        index = (tf.where(short, lengths, 1) - 1) * size + end
        ids = tf.where(short, tf.gather(tf.reshape(pieces, [-1]), index), -1)

        if self._byte_fallback:
            ids, counts = self._with_bytes(code_points, ids, lengths)
        else:
            ids = tf.where(ids < 0, self._unknown, ids)
            counts = tf.scatter_nd(end[:, None], tf.ones_like(end), [size])
        before = tf.concat([[0], tf.cumsum(counts)], 0)
        splits = tf.gather(before, splits[:-1])
        return ids[: splits[-1]], splits

    def _with_bytes(
        self, code_points: tf.Tensor, ids: tf.Tensor, lengths: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Write each unknown piece as bytes, if the vocabulary has all of its bytes.

        Args:
            code_points: ``[chars]``, int32.
            ids: ``[pieces]``, int32; -1 for unknown pieces.
            lengths: ``[pieces]``, int32, in characters.

        Returns:
            The ids, int32, and the number of ids of each character, ``[chars]``, int32.
        """
        piece = ragged.repeat(tf.range(tf.size(ids)), lengths)
        size = characters.utf8_lengths(code_points)
        # The four columns of each character are its bytes, aligned to the right.
        sixes = [code_points // 64**power for power in range(4)]
        tail = tf.stack([sixes[power] % 64 + 0x80 for power in (3, 2, 1, 0)], 1)
        marks = tf.gather([0, 0xC0, 0xE0, 0xF0], size - 1)
        lead = tf.gather(tf.stack(sixes, 1), size - 1, batch_dims=1) + marks
        column = tf.range(4) - (4 - size)[:, None]
        values = tf.where(column == 0, lead[:, None], tail)
        byte_ids = tf.where(column < 0, 0, tf.gather(self._bytes, values % 256))
        has_bytes = tf.math.segment_min(tf.reduce_min(byte_ids, 1), piece) >= 0
        in_bytes = tf.gather((ids < 0) & has_bytes, piece)
        last = piece != ragged.following(piece, -1)
        counts = tf.where(in_bytes, size, tf.cast(last, tf.int32))
        whole = tf.gather(tf.where(ids < 0, self._unknown, ids), piece)
        emitted = (in_bytes[:, None] & (column >= 0)) | (
            (~in_bytes & last)[:, None] & (column == size[:, None] - 1)
        )
        emitted_ids = tf.where(in_bytes[:, None], byte_ids, whole[:, None])
        return tf.boolean_mask(emitted_ids, emitted), counts


def _last_lengths(scores: tf.Tensor, splits: tf.Tensor, word: tf.Tensor) -> tf.Tensor:
    """Return the length of the last of the best pieces of each prefix of each word.

    Args:
        scores: ``[lengths, chars]``, float64: the score of the piece that ends with the character,
            or -inf.
        splits: ``[words + 1]``, int32.
        word: ``[chars]``, int32: the word of each character.

    Returns:
        ``[chars]``, int32, at least 1.
    """
    best = _best_sums(tf.transpose(scores), splits, word)
    starts = tf.scatter_nd(splits[:-1, None], tf.ones_like(splits[1:]), tf.shape(word)) > 0
    before = tf.where(starts, tf.constant(0.0, tf.float64), ragged.previous(best, 0.0))
    shorter_by = tf.range(tf.shape(scores)[0])[:, None]
    # These are the same sums as before, so one of them equals the best. Of equal sums the library
    # keeps the first, which belongs to the longest piece; argmax does not guarantee an order.
    start = tf.maximum(tf.range(tf.size(word)) - shorter_by, 0)
    sums = scores + tf.gather(before, start)
    return tf.reduce_max(tf.where(sums == best, shorter_by + 1, 0), 0)


def _best_sums(scores: tf.Tensor, splits: tf.Tensor, word: tf.Tensor) -> tf.Tensor:
    """Return the greatest sum of the scores of the pieces of each prefix of each word.

    The loop processes one block of characters of all words per iteration. The words are sorted by
    length, longest first, so that the words that reach a block are its first rows, and a long word
    does not make the short words more expensive.

    Args:
        scores: ``[chars, lengths]``, float64.
        splits: ``[words + 1]``, int32.
        word: ``[chars]``, int32.

    Returns:
        ``[chars]``, float64.
    """
    lengths = tf.shape(scores)[1]
    rank = tf.math.invert_permutation(tf.argsort(splits[:-1] - splits[1:], stable=True))
    position = tf.range(tf.size(word)) - tf.gather(splits, word)
    block, within = position // _STEPS, position % _STEPS
    words = tf.math.bincount(tf.boolean_mask(block, within == 0))
    blocks = tf.size(words)
    before = _STEPS * tf.cumsum(words, exclusive=True)
    place = tf.gather(before, block) + within * tf.gather(words, block) + tf.gather(rank, word)
    shape = [_STEPS * tf.reduce_sum(words), lengths]
    scores = tf.scatter_nd(place[:, None], scores, shape)
    # Column i has the best sum of the prefix before a piece of length i + 1 that ends at the next
    # character.
    sums = tf.fill([words[0], lengths - 1], tf.constant(-math.inf, tf.float64))
    sums = tf.concat([tf.zeros([words[0], 1], tf.float64), sums], 1)
    best = tf.TensorArray(tf.float64, blocks, element_shape=[None], infer_shape=False)

    def step(
        index: tf.Tensor, sums: tf.Tensor, best: tf.TensorArray
    ) -> tuple[tf.Tensor, tf.Tensor, tf.TensorArray]:
        count, start = words[index], before[index]
        sums = sums[:count]
        ends = []
        for rows in tf.split(scores[start : start + _STEPS * count], _STEPS):
            ends.append(tf.reduce_max(sums + rows, 1, keepdims=True))
            sums = tf.concat([ends[-1], sums[:, :-1]], 1)
        return index + 1, sums, best.write(index, tf.concat(ends, 0)[:, 0])

    shapes = tf.TensorShape([]), tf.TensorShape([None, None]), tf.TensorShape(None)
    best = tf.while_loop(
        lambda index, *_: index < blocks,
        step,
        (tf.constant(0), sums, best),
        shape_invariants=shapes,
    )[2]
    return tf.gather(best.concat(), place)


def _piece_ends(chosen: tf.Tensor, splits: tf.Tensor) -> tf.Tensor:
    """Mark the characters that end a piece.

    The pieces are found backwards from the end of each word. All words go back in parallel, and
    each iteration doubles the distance.

    Args:
        chosen: ``[chars]``, int32: the length of the piece that ends with each character.
        splits: ``[words + 1]``, int32.

    Returns:
        ``[chars]``, bool.
    """
    places = tf.size(chosen) + 1
    jump = tf.concat([[0], tf.range(1, places) - chosen], 0)
    marks = tf.minimum(tf.scatter_nd(splits[:, None], tf.ones_like(splits), [places]), 1)

    def step(distance: tf.Tensor, jump: tf.Tensor, marks: tf.Tensor) -> tuple[tf.Tensor, ...]:
        marks = tf.maximum(marks, tf.math.unsorted_segment_max(marks, jump, places))
        return 2 * distance, tf.gather(jump, jump), marks

    longest = tf.reduce_max(splits[1:] - splits[:-1])
    marks = tf.while_loop(
        lambda distance, *_: distance <= longest, step, (tf.constant(1), jump, marks)
    )[2]
    return marks[1:] > 0


def build_unigram(spec: Spec) -> Model:
    """Build ``Unigram``.

    Args:
        spec: the section as the library itself writes it (``Tokenizer.to_str``). The library's JSON
            parser changes the last bit of one score in eight, and its sums use these scores.

    Raises:
        TokenizerNotSupportedError: there is no piece for unknown characters, a score is not finite,
            or pieces are sampled.
    """
    for option in ("alpha", "nbest_size"):
        if spec.get(option) is not None:
            raise TokenizerNotSupportedError(
                f"model Unigram with {option} {spec[option]!r}",
                "it samples the pieces of a word at random",
                f"remove {option} from the file",
            )
    vocabulary: list[tuple[str, float]] = [(piece, score) for piece, score in spec["vocab"]]
    unknown = spec.get("unk_id")
    if unknown is None:
        raise TokenizerNotSupportedError(
            "model Unigram without unk_id",
            "the library fails on characters that are not in the vocabulary",
            "add a piece for unknown characters to the vocabulary, and its index as unk_id",
        )
    if not all(math.isfinite(score) for _, score in vocabulary):
        raise TokenizerNotSupportedError(
            "model Unigram", "a score is not finite", "give every piece a finite score"
        )
    return Unigram(vocabulary, int(unknown), byte_fallback=bool(spec.get("byte_fallback")))
