"""The BPE model of byte-level tokenizers and of tokenizers converted from SentencePiece."""

from __future__ import annotations

import json
from typing import Any, Final

import numpy as np
import tensorflow as tf

from diglot.errors import TokenizerNotSupportedError
from diglot.tokenization import characters, ragged
from diglot.tokenization.bpe_long_words import LongWordMerger
from diglot.tokenization.bpe_merges import Merge, Merger
from diglot.tokenization.components import REMEDY, Model, Spec

_MISSING: Final = -1


class Bpe(tf.Module):  # type: ignore[misc]  # TensorFlow is untyped
    """Splits words into characters and merges these by rank."""

    def __init__(
        self,
        vocabulary: dict[str, int],
        merges: list[Merge],
        *,
        whole: dict[str, int],
        unknown: int | None = None,
        fuse_unknown: bool = False,
        byte_ids: list[int] | None = None,
    ) -> None:
        """Build the model.

        Args:
            vocabulary: the id of each piece.
            merges: in the order of their ranks.
            whole: the ids of the words that are one piece and need no merging.
            unknown: the id of a character that is not in the vocabulary; None drops the character.
            fuse_unknown: use one id for several unknown characters in a row.
            byte_ids: the ids of the 256 bytes, if unknown characters are written as bytes.
        """
        super().__init__()
        self._unknown = unknown
        self._fuse_unknown = fuse_unknown
        initial = np.full(characters.CODE_POINTS, _MISSING, np.int32)
        for piece, number in vocabulary.items():
            if len(piece) == 1:
                initial[ord(piece)] = number
        self._initial = characters.CodePointTable(initial)
        self._merger = LongWordMerger(Merger(merges, max(vocabulary.values(), default=0) + 1))
        with tf.init_scope():
            self._bytes = None if byte_ids is None else tf.constant(byte_ids, tf.int32)
            # A table needs at least one entry. No word is empty.
            keys, values = ["", *whole], [_MISSING, *whole.values()]
            self._whole = tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(keys, values, tf.string, tf.int32), _MISSING
            )

    def __call__(self, words: tf.Tensor) -> tf.RaggedTensor:
        """Turn each word into ids: ``[n]``, string, to ``[n, pieces]``, int32."""
        words, index = tf.unique(words, tf.int64)
        whole = self._whole.lookup(words)
        known = whole != _MISSING
        merged = self._merge(tf.boolean_mask(words, ~known))
        whole = tf.RaggedTensor.from_tensor(tf.boolean_mask(whole, known)[:, None])
        return tf.gather(ragged.interleave(known, whole, merged), index)

    def _merge(self, words: tf.Tensor) -> tf.RaggedTensor:
        """Return the ids of words that are not one piece."""
        code_points = characters.decode(words)
        rows = ragged.row_ids(code_points.row_splits)
        ids = self._initial(code_points.values)
        if self._bytes is not None:
            ids, rows = self._with_bytes(code_points.values, ids, rows)
        missing = ids == _MISSING
        if self._unknown is None:
            keep = ~missing
        else:
            keep = tf.ones_like(missing)
            if self._fuse_unknown:
                same_word = rows == ragged.previous(rows, -1)
                keep = ~(missing & ragged.previous(missing, False) & same_word)
            ids = tf.where(missing, self._unknown, ids)
        symbols = tf.RaggedTensor.from_value_rowids(
            tf.boolean_mask(ids, keep),
            tf.boolean_mask(rows, keep),
            nrows=code_points.nrows(),
            validate=False,
        )
        return tf.cast(self._merger(tf.cast(symbols, tf.int64)), tf.int32)

    def _with_bytes(
        self, code_points: tf.Tensor, ids: tf.Tensor, rows: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Write the characters without an id as bytes.

        Args:
            code_points: ``[chars]``, int32.
            ids: ``[chars]``, int32.
            rows: ``[chars]``, int64: the word of each character.

        Returns:
            The ids and rows, with one entry for each byte of such a character.
        """
        missing = ids == _MISSING
        text = characters.encode(tf.boolean_mask(code_points, missing)[:, None])
        values = tf.io.decode_raw(tf.strings.reduce_join(text), tf.uint8)
        byte_ids = tf.gather(self._bytes, tf.cast(values, tf.int32))
        lengths = tf.tensor_scatter_nd_update(
            tf.ones_like(ids), tf.where(missing), tf.strings.length(text)
        )
        ids = tf.tensor_scatter_nd_update(
            ragged.repeat(ids, lengths), tf.where(ragged.repeat(missing, lengths)), byte_ids
        )
        return ids, ragged.repeat(rows, lengths)


def build_bpe(spec: Spec) -> Model:
    """Build ``BPE``.

    Raises:
        TokenizerNotSupportedError: an option is not supported.
    """
    vocabulary: dict[str, int] = spec["vocab"]
    _check_options(spec)
    unknown = spec.get("unk_token")
    merges = _merges(spec["merges"], vocabulary)
    whole = vocabulary if spec.get("ignore_merges", False) else _whole(spec, vocabulary)
    return Bpe(
        vocabulary,
        merges,
        whole=whole,
        unknown=None if unknown is None else vocabulary[unknown],
        fuse_unknown=spec.get("fuse_unk", False),
        byte_ids=_byte_ids(vocabulary) if spec.get("byte_fallback", False) else None,
    )


def _check_options(spec: Spec) -> None:
    def refusal(option: str, reason: str) -> TokenizerNotSupportedError:
        return TokenizerNotSupportedError(f"model BPE with {option}", reason, REMEDY)

    for option in ("continuing_subword_prefix", "end_of_word_suffix"):
        if spec.get(option):
            raise refusal(f"{option} {spec[option]!r}", "only BPE without this option is supported")
    if spec.get("dropout"):
        raise refusal(f"dropout {spec['dropout']}", "it tokenizes at random")
    vocabulary = spec["vocab"]
    unknown = spec.get("unk_token")
    if unknown is not None and unknown not in vocabulary:
        raise refusal(f"unk_token {unknown!r}", "it is not in the vocabulary")
    if "" in vocabulary:
        raise refusal("an empty piece", "no text contains it")
    if len(set(vocabulary.values())) != len(vocabulary):
        raise refusal("several pieces with the same id", "the piece of the id is ambiguous")


def _merges(entries: list[Any], vocabulary: dict[str, int]) -> list[Merge]:
    """Read both formats, ``["a b"]`` and ``[["a", "b"]]``. The last of equal entries counts."""
    ranks: dict[tuple[str, str], int] = {}
    for rank, entry in enumerate(entries):
        if isinstance(entry, str) and entry.startswith("#version"):
            continue
        left, right = entry.split(" ") if isinstance(entry, str) else entry
        ranks[left, right] = rank
    return [
        Merge(vocabulary[left], vocabulary[right], vocabulary[left + right])
        for left, right in sorted(ranks, key=ranks.__getitem__)
    ]


def _whole(spec: Spec, vocabulary: dict[str, int]) -> dict[str, int]:
    """Return the pieces that the library, given the piece as a word, leaves in one piece."""
    from tokenizers import Tokenizer

    model = Tokenizer.from_str(json.dumps({"model": spec})).model
    return {
        piece: number
        for piece, number in vocabulary.items()
        if [token.id for token in model.tokenize(piece)] == [number]
    }


def _byte_ids(vocabulary: dict[str, int]) -> list[int] | None:
    """Return the ids of ``<0x00>`` to ``<0xFF>``, or None if the vocabulary has none of them."""
    pieces = [f"<0x{value:02X}>" for value in range(256)]
    ids = [vocabulary[piece] for piece in pieces if piece in vocabulary]
    if ids and len(ids) < len(pieces):
        raise TokenizerNotSupportedError(
            "model BPE with byte_fallback", "only some bytes are in the vocabulary", REMEDY
        )
    return ids or None
