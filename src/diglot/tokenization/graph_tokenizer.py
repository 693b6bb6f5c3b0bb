"""The whole tokenizer as a ``tf.Module``."""

from __future__ import annotations

import tensorflow as tf

from diglot.errors import InputError
from diglot.tokenization import postprocessing, ragged
from diglot.tokenization.added_tokens import TEXT, AddedTokens
from diglot.tokenization.components import Model, PreTokenizer
from diglot.tokenization.postprocessing import Padding, Template, Truncation

Encoding = dict[str, tf.Tensor]
"""``input_ids``, ``attention_mask`` and ``token_type_ids``: ``[batch, tokens]`` each, int32."""


class GraphTokenizer(tf.Module):  # type: ignore[misc]  # TensorFlow is untyped
    """A tokenizer that is a TensorFlow graph; :func:`compile_tokenizer` creates it.

    ``encode`` and ``encode_pair`` are ``tf.function``s with a dynamic batch size. A SavedModel of
    the tokenizer contains both; a call selects one of them. The tokenizer has no mutable state, so
    several threads can call it at the same time.

    Attributes:
        versions: the versions of the libraries that its tables and operators come from.
        encode: single texts, ``[batch]``, string, to an encoding.
        encode_pair: pairs of texts, ``[batch]``, string each, to an encoding; None if the special
            tokens of a pair alone exceed the maximum length.
    """

    def __init__(
        self,
        *,
        added: AddedTokens,
        pre_tokenizer: PreTokenizer,
        model: Model,
        templates: tuple[Template, Template],
        truncation: Truncation | None,
        padding: Padding,
        versions: dict[str, str],
    ) -> None:
        """Store the components; ``templates`` are those of single texts and of pairs."""
        super().__init__()
        self._added, self._pre_tokenizer, self._model = added, pre_tokenizer, model
        self._templates, self._truncation, self._padding = templates, truncation, padding
        self.versions = versions
        text = tf.TensorSpec([None], tf.string, name="text")
        text_pair = tf.TensorSpec([None], tf.string, name="text_pair")
        # No Python statement below depends on data, so AutoGraph has nothing to convert.
        self.encode = tf.function(self._encode, input_signature=[text], autograph=False)
        self.encode_pair = None
        reserved = postprocessing.special_tokens(templates[1])
        if truncation is None or reserved <= truncation.max_length:
            self.encode_pair = tf.function(
                self._encode, input_signature=[text, text_pair], autograph=False
            )

    def __call__(self, text: tf.Tensor, text_pair: tf.Tensor | None = None) -> Encoding:
        """Tokenize a batch.

        Args:
            text: ``[batch]``, string, UTF-8.
            text_pair: ``[batch]``, string, UTF-8: the second texts of pairs.

        Returns:
            ``input_ids``, ``attention_mask`` and ``token_type_ids``: ``[batch, tokens]`` each,
            int32.

        Raises:
            InputError: the special tokens of a pair exceed ``max_length``.
            tf.errors.InvalidArgumentError: a text is not valid UTF-8, the numbers of texts differ,
                or the truncation strategy cannot cut a pair enough.
        """
        text = tf.convert_to_tensor(text, tf.string)
        if text_pair is None:
            return dict(self.encode(text))
        if self.encode_pair is None:
            raise InputError(
                "max_length is smaller than the number of special tokens of a pair; compile the"
                " tokenizer with a larger max_length"
            )
        return dict(self.encode_pair(text, tf.convert_to_tensor(text_pair, tf.string)))

    def _encode(self, *texts: tf.Tensor) -> Encoding:
        if len(texts) == 2:
            tf.debugging.assert_equal(
                tf.size(texts[0]), tf.size(texts[1]), "each text needs exactly one text_pair"
            )
        template = self._templates[len(texts) - 1]
        # Both texts of pairs go through the components together, because the cost of a component
        # depends more on the number of calls than on the number of texts.
        count = tf.size(texts[0], tf.int64)
        both = self._ids(_valid(tf.concat(texts, 0)))
        parts = [both[index * count : (index + 1) * count] for index in range(len(texts))]
        if self._truncation:
            reserved = postprocessing.special_tokens(template)
            parts = postprocessing.truncate(parts, self._truncation, reserved)
        ids, types = postprocessing.fill(parts, template)
        names = ("input_ids", "attention_mask", "token_type_ids")
        return dict(zip(names, postprocessing.pad(ids, types, self._padding), strict=True))

    def _ids(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Return the ids of each text: ``[n]``, string, to ``[n, tokens]``, int32."""
        parts = self._added(texts)
        is_text = parts.ids == TEXT
        words = self._pre_tokenizer(
            tf.boolean_mask(parts.texts, is_text), tf.boolean_mask(parts.at_start, is_text)
        )
        pieces = self._model(words.values)
        text_splits = tf.gather(pieces.row_splits, words.row_splits)
        lengths = tf.tensor_scatter_nd_update(
            tf.ones_like(parts.ids, tf.int64), tf.where(is_text), text_splits[1:] - text_splits[:-1]
        )
        splits = ragged.row_splits(lengths)
        of_text = tf.gather(is_text, ragged.row_ids(splits))
        ids = tf.zeros_like(of_text, tf.int32)
        ids = tf.tensor_scatter_nd_update(ids, tf.where(of_text), pieces.values)
        added = tf.boolean_mask(parts.ids, ~is_text)
        ids = tf.tensor_scatter_nd_update(ids, tf.where(~of_text), added)
        return tf.RaggedTensor.from_row_splits(
            ids, tf.gather(splits, parts.row_splits), validate=False
        )


def _valid(texts: tf.Tensor) -> tf.Tensor:
    """Return the texts, ``[n]``, string, after a check that they are valid UTF-8."""
    transcoded = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
    message = "the texts at these indices are not valid UTF-8 (it has no lone surrogates):"
    invalid = tf.where(transcoded != texts)[:, 0]
    check = tf.debugging.Assert(tf.size(invalid) == 0, [message, invalid])
    with tf.control_dependencies([check]):
        return tf.identity(texts)
