"""Added tokens: strings that are cut out of a text before the model sees the rest.

The library first searches the raw text for some of the tokens, then the normalized rest for the
others. From the left, it takes the longest token that starts first. Only then does it check whether
the token is a word by itself (``single_word``) and extend it over the white space at its sides
(``lstrip``, ``rstrip``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from diglot.errors import TokenizerNotSupportedError
from diglot.tokenization import characters, ragged
from diglot.tokenization.components import REMEDY, Normalizer, Spec

TEXT: Final = -1
"""The id of a part that is not an added token."""

# This byte does not occur in UTF-8, so it can separate tokens from the text around them.
_MARK: Final = b"\xff"

_FLAGS: Final = ("single_word", "lstrip", "rstrip")


class Parts(NamedTuple):
    """Texts divided into added tokens and the text between them. No part is empty."""

    texts: tf.Tensor
    """``[parts]``, string."""
    ids: tf.Tensor
    """``[parts]``, int32: the id of the added token, or ``TEXT``."""
    at_start: tf.Tensor
    """``[parts]``, bool: the part is at offset 0 of the original text."""
    row_splits: tf.Tensor
    """``[n + 1]``, int64: the parts of each text."""


class _Occurrences(NamedTuple):
    """Occurrences of tokens in texts, ``[tokens]`` each, in the order of the texts."""

    starts: tf.Tensor
    """int64: the first character of the token."""
    stops: tf.Tensor
    """int64: the end of the token."""
    rows: tf.Tensor
    """int64: the text."""
    tokens: tf.Tensor
    """int32: the index of the token."""

    def where(self, keep: tf.Tensor) -> _Occurrences:
        """Keep the marked occurrences: ``[tokens]``, bool."""
        return _Occurrences(*(tf.boolean_mask(vector, keep) for vector in self))


class TokenFinder(tf.Module):  # type: ignore[misc]  # TensorFlow is untyped
    """Divides texts at the added tokens that are searched for in one pass."""

    def __init__(self, tokens: Sequence[Spec], contents: Sequence[str]) -> None:
        """Build the search expression and the tables.

        Args:
            tokens: entries of the section ``added_tokens``.
            contents: the string to search for, for each token.

        Raises:
            TokenizerNotSupportedError: two strings are equal, one is empty, or one both contains
                white space at its end and extends over white space.
        """
        super().__init__()
        _check(tokens, contents)
        # RE2 prefers the first of its alternatives, so the longest token comes first.
        by_length = sorted(contents, key=lambda content: len(content.encode()), reverse=True)
        self._pattern = f"({'|'.join(map(re.escape, by_length))})"
        self._rewrite = _MARK + rb"\1" + _MARK
        keys = tf.lookup.KeyValueTensorInitializer(
            tf.constant(list(contents), tf.string), tf.range(len(contents))
        )
        self._tokens = tf.lookup.StaticHashTable(keys, -1)
        self._flagged = any(token[flag] for token in tokens for flag in _FLAGS)
        with tf.init_scope():
            self._ids = tf.constant([token["id"] for token in tokens], tf.int32)
            self._flags = {
                flag: tf.constant([token[flag] for token in tokens], tf.bool) for flag in _FLAGS
            }
        if self._flagged:
            self._word = characters.CodePointTable(_word_characters())
            self._space = characters.CodePointTable(_white_space())
        # RE2 rejects a pattern that is too large only when it is used.
        try:
            self(tf.constant(["x"]), tf.constant([True]))
        except tf.errors.InvalidArgumentError as error:
            raise TokenizerNotSupportedError(
                f"added_tokens ({len(tokens)} of them)",
                f"TensorFlow's regular expressions cannot search for them: {error.message}",
                f"remove the tokens that are never used, or {REMEDY}",
            ) from error

    def __call__(self, texts: tf.Tensor, at_start: tf.Tensor) -> Parts:
        """Divide each text.

        Args:
            texts: ``[n]``, string.
            at_start: ``[n]``, bool: the text is at offset 0 of the original text.
        """
        marked = tf.strings.regex_replace(texts, self._pattern, self._rewrite)
        pieces = tf.strings.split(marked, _MARK)
        # Texts and tokens alternate. The first and the last piece are texts, which may be empty.
        rows = ragged.row_ids(pieces.row_splits)
        place = tf.range(tf.size(pieces.values, tf.int64)) - tf.gather(pieces.row_starts(), rows)
        is_token = place % 2 == 1
        if self._flagged:
            occurrences = self._occurrences(pieces).where(is_token)
            return self._with_flags(texts, at_start, occurrences)
        keep = is_token | (pieces.values != b"")
        tokens = tf.boolean_mask(self._tokens.lookup(pieces.values), keep)
        is_token = tf.boolean_mask(is_token, keep)
        ids = tf.where(is_token, tf.gather(self._ids, tf.maximum(tokens, 0)), TEXT)
        parts = ragged.select(pieces, keep)
        text = ragged.row_ids(parts.row_splits)
        part_at_start = ragged.row_starts(parts) & tf.gather(at_start, text)
        return Parts(parts.values, ids, part_at_start, parts.row_splits)

    def _occurrences(self, pieces: tf.RaggedTensor) -> _Occurrences:
        """Locate the pieces, both texts and tokens, among all characters of the texts."""
        stops = tf.cumsum(tf.cast(tf.strings.length(pieces.values, "UTF8_CHAR"), tf.int64))
        return _Occurrences(
            ragged.previous(stops, 0),
            stops,
            ragged.row_ids(pieces.row_splits),
            self._tokens.lookup(pieces.values),
        )

    def _with_flags(
        self, texts: tf.Tensor, at_start: tf.Tensor, occurrences: _Occurrences
    ) -> Parts:
        """Apply the flags of the tokens and divide the texts."""
        code_points = characters.decode(texts)
        values = code_points.values
        left = tf.gather(code_points.row_starts(), occurrences.rows)
        right = tf.gather(code_points.row_limits(), occurrences.rows)
        word = tf.concat([self._word(values), [False]], 0)
        word_before = tf.gather(word, tf.maximum(occurrences.starts - 1, 0))
        word_after = tf.gather(word, occurrences.stops)
        in_word = (word_before & (occurrences.starts > left)) | (
            word_after & (occurrences.stops < right)
        )
        occurrences = occurrences.where(
            ~(tf.gather(self._flags["single_word"], occurrences.tokens) & in_word)
        )
        starts, stops, rows, tokens = occurrences
        left = tf.gather(code_points.row_starts(), rows)
        right = tf.gather(code_points.row_limits(), rows)

        # The number of characters before each place that are not white space gives the ends of the
        # run of white space at that place.
        solid = ~self._space(values)
        count = tf.concat([[0], tf.cumsum(tf.cast(solid, tf.int32))], 0)
        solids = tf.where(solid)[:, 0]
        size = tf.size(values, tf.int64)
        run_start = tf.gather(tf.concat([[tf.constant(-1, tf.int64)], solids], 0) + 1, count)
        run_stop = tf.gather(tf.concat([solids, [size]], 0), count)
        stops = tf.where(
            tf.gather(self._flags["rstrip"], tokens),
            tf.minimum(tf.gather(run_stop, stops), right),
            stops,
        )
        # If the token before has taken the same white space, no text is left between the two: the
        # text would end before it starts.
        same_text = rows == ragged.previous(rows, -1)
        text_starts = tf.where(same_text, ragged.previous(stops, 0), left)
        starts = tf.where(
            tf.gather(self._flags["lstrip"], tokens), tf.gather(run_start, starts), starts
        )
        occurrences = _Occurrences(starts, stops, rows, tokens)
        return self._assembled(code_points, at_start, text_starts, occurrences)

    def _assembled(
        self,
        code_points: tf.RaggedTensor,
        at_start: tf.Tensor,
        text_starts: tf.Tensor,
        occurrences: _Occurrences,
    ) -> Parts:
        """Put the parts in their order.

        Args:
            code_points: ``[n, chars]``, int32.
            at_start: ``[n]``, bool.
            text_starts: ``[tokens]``, int64: the start of the text before each token.
            occurrences: the tokens.
        """
        starts, stops, rows, tokens = occurrences
        count = code_points.nrows()
        tokens_of_row = tf.math.unsorted_segment_sum(tf.ones_like(rows), rows, count)
        last = tf.cumsum(tokens_of_row) - 1
        limits = code_points.row_limits()
        padded = tf.concat([stops, [tf.constant(0, tf.int64)]], 0)
        rest = tf.where(
            tokens_of_row > 0,
            tf.gather(padded, tf.maximum(last, 0)),
            code_points.row_starts(),
        )
        # Two parts for each token (the text before it and the token) and one for the rest of each
        # text. `order` is the place of each part.
        begins = tf.concat([tf.reshape(tf.stack([text_starts, starts], 1), [-1]), rest], 0)
        ends = tf.concat([tf.reshape(tf.stack([starts, stops], 1), [-1]), limits], 0)
        ids = tf.gather(self._ids, tokens)
        ids = tf.reshape(tf.stack([tf.fill(tf.shape(ids), TEXT), ids], 1), [-1])
        ids = tf.concat([ids, tf.fill(tf.shape(rest), TEXT)], 0)
        row = tf.concat([tf.reshape(tf.stack([rows, rows], 1), [-1]), tf.range(count)], 0)
        pairs = 2 * tf.range(tf.size(rows, tf.int64)) + rows
        order = tf.concat(
            [
                tf.reshape(tf.stack([pairs, pairs + 1], 1), [-1]),
                2 * (last + 1) + tf.range(count),
            ],
            0,
        )
        order = tf.math.invert_permutation(order)
        keep = tf.gather((ids != TEXT) | (begins < ends), order)
        order = tf.boolean_mask(order, keep)
        begins, ends, ids, row = (tf.gather(vector, order) for vector in (begins, ends, ids, row))
        parts = characters.encode(ragged.slices(code_points.values, begins, ends))
        starts_text = begins == tf.gather(code_points.row_starts(), row)
        parts_of_row = tf.math.unsorted_segment_sum(tf.ones_like(row), row, count)
        return Parts(
            parts, ids, starts_text & tf.gather(at_start, row), ragged.row_splits(parts_of_row)
        )


class AddedTokens(tf.Module):  # type: ignore[misc]  # TensorFlow is untyped
    """Normalizes texts and divides them at their added tokens."""

    def __init__(self, tokens: Sequence[Spec], normalizer: Normalizer | None, library: Any) -> None:
        """Build the finders.

        Args:
            tokens: the section ``added_tokens``.
            normalizer: the compiled normalizer.
            library: the library's normalizer, which normalizes the tokens, or None.
        """
        super().__init__()
        plain = [token for token in tokens if not token["normalized"]]
        normalized = [token for token in tokens if token["normalized"]]
        contents = [token["content"] for token in normalized]
        if library is not None:
            contents = [library.normalize_str(content) for content in contents]
        self._normalizer = normalizer
        self._plain = TokenFinder(plain, [token["content"] for token in plain]) if plain else None
        self._normalized = TokenFinder(normalized, contents) if normalized else None

    def __call__(self, texts: tf.Tensor) -> Parts:
        """Normalize and divide each text: ``[n]``, string."""
        count = tf.size(texts, tf.int64)
        whole = Parts(
            texts,
            tf.fill(tf.shape(texts), TEXT),
            tf.ones_like(texts, tf.bool),
            tf.range(count + 1),
        )
        parts = self._plain(texts, whole.at_start) if self._plain else whole
        # Only the text between the tokens is normalized.
        is_text = parts.ids == TEXT
        between = tf.boolean_mask(parts.texts, is_text)
        if self._normalizer:
            between = self._normalizer(between)
        at_start = tf.boolean_mask(parts.at_start, is_text)
        if self._normalized:
            inner = self._normalized(between, at_start)
        else:
            not_empty = between != ""
            inner = Parts(
                tf.boolean_mask(between, not_empty),
                tf.fill(tf.shape(tf.where(not_empty))[:1], TEXT),
                tf.boolean_mask(at_start, not_empty),
                ragged.row_splits(not_empty),
            )
        return _nested(parts, is_text, inner)


def _nested(parts: Parts, is_text: tf.Tensor, inner: Parts) -> Parts:
    """Replace each text among ``parts`` by its own parts, ``inner``."""
    tokens = tf.boolean_mask(parts.ids, ~is_text)
    text_lengths = inner.row_splits[1:] - inner.row_splits[:-1]
    lengths = tf.tensor_scatter_nd_update(
        tf.ones_like(parts.ids, tf.int64), tf.where(is_text), text_lengths
    )
    splits = ragged.row_splits(lengths)
    of_text = tf.gather(is_text, ragged.row_ids(splits))
    text_places, token_places = tf.where(of_text), tf.where(~of_text)
    size = tf.shape(of_text)
    texts = tf.tensor_scatter_nd_update(tf.fill(size, ""), text_places, inner.texts)
    ids = tf.tensor_scatter_nd_update(tf.fill(size, TEXT), text_places, inner.ids)
    ids = tf.tensor_scatter_nd_update(ids, token_places, tokens)
    at_start = tf.tensor_scatter_nd_update(tf.zeros_like(of_text), text_places, inner.at_start)
    return Parts(texts, ids, at_start, tf.gather(splits, parts.row_splits))


def _check(tokens: Sequence[Spec], contents: Sequence[str]) -> None:
    for token, content in zip(tokens, contents, strict=True):
        if not content:
            raise TokenizerNotSupportedError(
                f"added_tokens with {token['content']!r}",
                "the normalizer removes all of its characters, and an empty string matches"
                " everywhere",
                "make it a token that is not normalized",
            )
        if any(token[flag] for flag in ("lstrip", "rstrip")) and content != content.strip():
            raise TokenizerNotSupportedError(
                f"added_tokens with {token['content']!r}",
                "it has white space at its ends, and its lstrip or rstrip takes white space as"
                " well",
                f"set its lstrip and rstrip to false, or {REMEDY}",
            )
    duplicates = [content for content, count in Counter(contents).items() if count > 1]
    if duplicates:
        raise TokenizerNotSupportedError(
            f"added_tokens that are {duplicates[0]!r} once normalized",
            "there are several, and the library finds an arbitrary one of them",
            "keep one of them",
        )


@cache
def _word_characters() -> NDArray[np.bool_]:
    r"""Return the library's ``\w``. A ``single_word`` token next to it is not a token."""
    return characters.mask(_characters_that_change_a_start(single_word=True))


@cache
def _white_space() -> NDArray[np.bool_]:
    r"""Return the library's ``\s``, over which ``lstrip`` and ``rstrip`` extend a token."""
    return characters.mask(_characters_that_change_a_start(lstrip=True))


def _characters_that_change_a_start(**flags: bool) -> Iterator[int]:
    """Yield the characters after which a token with these flags does not start at its own text."""
    from tokenizers import AddedToken, Tokenizer
    from tokenizers.models import WordPiece

    token = "~@~"
    tokenizer = Tokenizer(WordPiece({"?": 0}, unk_token="?"))
    tokenizer.add_tokens([AddedToken(token, normalized=False, **flags)])
    for block in characters.blocks():
        encoding = tokenizer.encode("".join(f"{character}{token}-" for character in block))
        starts = {
            start for id_, (start, _) in zip(encoding.ids, encoding.offsets, strict=True) if id_
        }
        for index, character in enumerate(block):
            if index * (len(token) + 2) + 1 not in starts:
                yield ord(character)
