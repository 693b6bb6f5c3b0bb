"""The inputs of a call: texts in all their forms, and the names of tokenizer options."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

from diglot.errors import InputError

# Tokenizer options that a caller cannot set, because they change the form of the inputs or outputs.
_FIXED = {
    "text",
    "text_pair",
    "text_target",
    "text_pair_target",
    "is_split_into_words",
    "return_tensors",
    "return_attention_mask",
    "return_length",
    "return_offsets_mapping",
    "return_overflowing_tokens",
    "return_special_tokens_mask",
    "tokenizer_kwargs",
}


class Text(NamedTuple):
    """A text to classify, and the second text of a pair."""

    text: str
    pair: str | None = None


def read(raw: Any, index: int | None = None, pair: str | None = None) -> Text:
    """Read one input, in any form that transformers' pipeline takes.

    Args:
        raw: a ``str``; a mapping with ``"text"`` and optionally ``"text_pair"``; or the old form of
            a pair, ``[[text, text_pair]]``.
        index: the position of the input, for messages; ``None`` for a single input.
        pair: the second text for an input without one.

    Raises:
        InputError: the input has another form, or holds something that is not text.
    """
    fail = partial(InputError, index=index)
    where = "the input" if index is None else f"the input at index {index}"
    own = None
    if isinstance(raw, str):
        text = raw
    elif isinstance(raw, Mapping):
        if "text" not in raw:
            raise fail(
                f"{where} has the keys {', '.join(map(repr, raw)) or '(none)'}, but no 'text'; a"
                ' mapping has the form {"text": ..., "text_pair": ...}'
            )
        if options := (_FIXED | tokenizer_options()) & set(raw) - {"text", "text_pair"}:
            raise fail(
                f"{where} holds options of the tokenizer ({', '.join(sorted(options))}); give them"
                " as arguments of the call, for all inputs"
            )
        text, own = raw["text"], raw.get("text_pair")
    elif isinstance(raw, list) and len(raw) == 1 and isinstance(raw[0], list) and len(raw[0]) == 2:
        text, own = raw[0]
    elif isinstance(raw, list | tuple):
        raise fail(
            f"{where} is a {type(raw).__name__} of {len(raw)}, which might be a pair or several"
            ' texts; write a pair as {"text": ..., "text_pair": ...}, and several texts as one flat'
            " list"
        )
    else:
        raise fail(f"{where} {_flaw(raw)}")
    if own is not None and pair is not None:
        raise fail(f"{where} has a second text of its own, and text_pair is another; pass only one")
    second = pair if own is None else own
    if flaw := _flaw(text):
        raise fail(f"{where} {flaw}")
    if second is not None and (flaw := _flaw(second)):
        raise fail(f"the second text of {where} {flaw}")
    return Text(text, second)


def read_all(texts: str | Sequence[str], pairs: str | Sequence[str] | None = None) -> list[Text]:
    """Read a batch of texts, or of pairs.

    Args:
        texts: one text or several.
        pairs: the second text of each pair.

    Raises:
        InputError: a text is not a ``str``, or the numbers of first and second texts differ.
    """
    firsts = [texts] if isinstance(texts, str) else list(texts)
    if pairs is None:
        return [read(text, index) for index, text in enumerate(firsts)]
    seconds = [pairs] if isinstance(pairs, str) else list(pairs)
    if len(firsts) != len(seconds):
        raise InputError(f"there are {len(firsts)} texts, but {len(seconds)} second texts for them")
    return [
        read(text, index, pair)
        for index, (text, pair) in enumerate(zip(firsts, seconds, strict=True))
    ]


def streams(inputs: Any) -> bool:
    """Whether the inputs are a stream: an iterable or a dataset, which is read one by one.

    A dataset has ``__len__`` and ``__getitem__``, like PyTorch's. A list is no stream, because its
    results are a list; nor is a tuple, which may be a pair.
    """
    if isinstance(inputs, str | bytes | bytearray | tuple | list | Mapping):
        return False
    sequence = hasattr(inputs, "__getitem__") and hasattr(inputs, "__len__")
    return sequence or isinstance(inputs, Iterable)


def items(inputs: Any) -> Iterator[Any]:
    """The inputs of a stream one by one, lazily.

    Raises:
        InputError: the stream is a table, which iterates over the names of its columns.
    """
    if hasattr(inputs, "columns"):
        raise InputError(
            f"the input is a {type(inputs).__name__}, a table; hand in one column of it"
        )
    if isinstance(inputs, Iterable):
        return iter(inputs)
    return (inputs[index] for index in range(len(inputs)))


@cache
def tokenizer_options() -> frozenset[str]:
    """The options of transformers' tokenizers that a caller can set."""
    try:
        from transformers import PreTrainedTokenizerBase
    except ImportError:  # an export does not need transformers
        return frozenset()
    parameters = inspect.signature(PreTrainedTokenizerBase.__call__).parameters.values()
    names = {
        parameter.name
        for parameter in parameters
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    }
    return frozenset(names - _FIXED - {"self"} | {"split_special_tokens"})


def _flaw(text: Any) -> str | None:
    """The reason why a value cannot be classified; ``None`` if it can."""
    if not isinstance(text, str):
        shown = repr(text)
        shown = shown if len(shown) <= 40 else f"{shown[:39]}…"
        return f"is {shown}, of the type {type(text).__name__}; a text must be a str"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return (
            f"holds a lone surrogate, U+{ord(text[error.start]):04X}, at character {error.start},"
            " which is not valid text; decode it again, for example with errors='replace'"
        )
    return None
