"""Truncation, special tokens, token types and padding of the ids of texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import tensorflow as tf

from diglot.errors import TokenizerNotSupportedError
from diglot.tokenization import ragged
from diglot.tokenization.components import REMEDY, Spec

Side = Literal["left", "right"]
Strategy = Literal["longest_first", "only_first", "only_second", "do_not_truncate"]


class Insertion(NamedTuple):
    """One entry of a template: a text, or special tokens."""

    ids: tuple[int, ...]
    """The ids of the special tokens; empty for a text."""
    text: Literal["A", "B", ""]
    """The first or the second text; empty for special tokens."""
    type_id: int
    """The token type of the entry."""


Template = tuple[Insertion, ...]

_PLAIN: Final[tuple[Template, Template]] = (
    (Insertion((), "A", 0),),
    (Insertion((), "A", 0), Insertion((), "B", 1)),
)


@dataclass(frozen=True)
class Truncation:
    """The truncation of long rows.

    Attributes:
        max_length: the largest number of tokens of a row, special tokens included.
        strategy: which text of a pair is cut.
        side: the side of the text that is cut off.
    """

    max_length: int
    strategy: Strategy
    side: Side


@dataclass(frozen=True)
class Padding:
    """The padding of short rows.

    Attributes:
        length: the smallest number of tokens of a row; None means the longest row of the batch.
        multiple: the number of tokens is a multiple of this.
        side: the side of the row that is padded.
        id: the id that pads ``input_ids``.
        type_id: the id that pads ``token_type_ids``.
    """

    length: int | None
    multiple: int | None
    side: Side
    id: int
    type_id: int


def templates(spec: Spec | None) -> tuple[Template, Template]:
    """Return the templates for a single text and for a pair.

    Args:
        spec: the section ``post_processor``.

    Raises:
        TokenizerNotSupportedError: the type is not supported, or several processors add tokens.
    """
    # ByteLevel changes only the offsets, which the graph does not have.
    if spec is None or spec["type"] == "ByteLevel":
        return _PLAIN
    kind = spec["type"]
    if kind == "Sequence":
        adding = [step for step in spec["processors"] if step["type"] != "ByteLevel"]
        if len(adding) < 2:
            return templates(adding[0] if adding else None)
        raise TokenizerNotSupportedError(
            f"post_processor Sequence of {', '.join(step['type'] for step in adding)}",
            "more than one of them adds tokens",
            "replace them by one TemplateProcessing",
        )
    if kind in ("BertProcessing", "RobertaProcessing"):
        cls, sep, text = (spec["cls"][1],), (spec["sep"][1],), Insertion((), "A", 0)
        first = (Insertion(cls, "", 0), text, Insertion(sep, "", 0))
        if kind == "BertProcessing":
            return first, (*first, Insertion((), "B", 1), Insertion(sep, "", 1))
        doubled = Insertion(sep * 2, "", 0)
        return first, (*first[:2], doubled, Insertion((), "B", 0), Insertion(sep, "", 0))
    if kind == "TemplateProcessing":
        single, pair = (
            tuple(_insertion(entry, spec["special_tokens"]) for entry in spec[name])
            for name in ("single", "pair")
        )
        if all(insertion.text != "B" for insertion in single):
            return single, pair
    raise TokenizerNotSupportedError(
        f"post_processor {kind}", "the tokens that it adds to texts are not known", REMEDY
    )


def _insertion(entry: dict[str, Any], special_tokens: dict[str, Any]) -> Insertion:
    ((kind, content),) = entry.items()
    if kind == "Sequence":
        return Insertion((), content["id"], content["type_id"])
    return Insertion(tuple(special_tokens[content["id"]]["ids"]), "", content["type_id"])


def without_special_tokens(template: Template) -> Template:
    """Return only the texts of a template."""
    return tuple(insertion for insertion in template if insertion.text)


def special_tokens(template: Template) -> int:
    """Return the number of special tokens of a template."""
    return sum(len(insertion.ids) for insertion in template)


def truncate(
    texts: list[tf.RaggedTensor], truncation: Truncation, reserved: int
) -> list[tf.RaggedTensor]:
    """Cut single texts or pairs so that the special tokens have room as well.

    Args:
        texts: the ids of one text or of two, ``[n, tokens]`` each, int32.
        truncation: the way to cut.
        reserved: the number of special tokens that will be added.

    Returns:
        The remaining ids, in the same form. If the strategy cannot cut a row enough, the graph
        raises InvalidArgumentError, where the library raises an error as well.
    """
    if truncation.strategy == "do_not_truncate":
        return texts
    limit = truncation.max_length - reserved
    lengths = [text.row_lengths() for text in texts]
    remaining = _remaining(lengths, limit, truncation.strategy)
    cut = []
    for text, length, keep in zip(texts, lengths, remaining, strict=True):
        skipped = length - keep if truncation.side == "left" else tf.zeros_like(keep)
        begins = text.row_starts() + skipped
        cut.append(ragged.slices(text.values, begins, begins + keep))
    return cut


def _remaining(lengths: list[tf.Tensor], limit: int, strategy: Strategy) -> list[tf.Tensor]:
    """Return the number of tokens of each text that remain: ``[n]``, int64, for each."""
    if limit == 0:
        return [tf.zeros_like(length) for length in lengths]
    total = tf.add_n(lengths)
    excess = tf.maximum(total - limit, 0)
    if strategy != "longest_first":
        chosen = 0 if strategy == "only_first" else 1
        enough = (
            (excess == 0) | (lengths[chosen] > excess) if chosen < len(lengths) else excess == 0
        )
        message = (
            f"truncation {strategy} to {limit} tokens without the special tokens: the text that is"
            " to be cut is shorter than the number of tokens to remove"
        )
        with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(enough), [message])]):
            excess = tf.identity(excess)
        return [
            length - excess if index == chosen else length for index, length in enumerate(lengths)
        ]
    if len(lengths) == 1:
        return [total - excess]
    shorter, longer = tf.minimum(*lengths), tf.maximum(*lengths)
    rest = tf.where(shorter > limit, shorter, tf.maximum(shorter, limit - shorter))
    both = shorter + rest > limit
    # An odd token goes to the longer text, and to the second of two texts of the same length.
    half = tf.constant(limit // 2, tf.int64)
    other_half = tf.constant(limit - limit // 2, tf.int64)
    shorter_kept = tf.where(both, half, shorter)
    longer_kept = tf.minimum(tf.where(both, other_half, rest), longer)
    swapped = lengths[0] > lengths[1]
    remaining = [
        tf.where(swapped, longer_kept, shorter_kept),
        tf.where(swapped, shorter_kept, longer_kept),
    ]
    return [
        tf.where(excess > 0, keep, length) for keep, length in zip(remaining, lengths, strict=True)
    ]


def fill(
    texts: list[tf.RaggedTensor], template: Template
) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """Put texts and special tokens in the order of a template.

    Args:
        texts: the ids of one text or of two, ``[n, tokens]`` each, int32.
        template: of the same number of texts.

    Returns:
        The ids and token types: ``[n, tokens]`` each, int32.
    """
    count = texts[0].nrows()
    ids, types = [], []
    for insertion in template:
        if insertion.text:
            part = texts["AB".index(insertion.text)]
        else:
            repeated = tf.tile(tf.constant(insertion.ids, tf.int32), [count])
            splits = tf.range(count + 1) * len(insertion.ids)
            part = tf.RaggedTensor.from_row_splits(repeated, splits, validate=False)
        ids.append(part)
        types.append(part.with_values(tf.fill(tf.shape(part.values), insertion.type_id)))
    return tf.concat(ids, 1), tf.concat(types, 1)


def pad(
    ids: tf.RaggedTensor, types: tf.RaggedTensor, padding: Padding
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Pad all rows to the same length.

    Args:
        ids: ``[n, tokens]``, int32.
        types: ``[n, tokens]``, int32.
        padding: the length and the ids of the padding.

    Returns:
        The ids, mask and token types: ``[n, width]`` each, int32.
    """
    lengths = ids.row_lengths()
    longest = tf.reduce_max(tf.concat([lengths, [0]], 0))
    width = longest if padding.length is None else tf.constant(padding.length, tf.int64)
    if padding.multiple:
        width = -(-width // padding.multiple) * padding.multiple
    width = tf.maximum(width, longest)
    place = tf.range(width)[None, :]
    if padding.side == "left":
        place -= width - lengths[:, None]
    mask = (place >= 0) & (place < lengths[:, None])
    index = tf.where(mask, ids.row_starts()[:, None] + place, tf.size(ids.values, tf.int64))
    padded = [
        tf.gather(tf.concat([ragged.values, [filler]], 0), index)
        for ragged, filler in ((ids, padding.id), (types, padding.type_id))
    ]
    return padded[0], tf.cast(mask, tf.int32), padded[1]
