"""Texts to encodings: the first of the three steps."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from diglot.errors import InputError
from diglot.inputs import Text, tokenizer_options

if TYPE_CHECKING:
    from transformers import BatchEncoding, PreTrainedTokenizerBase

    from diglot.checkpoints import Checkpoint
    from diglot.types import Array

# Options of transformers' pipeline that have another name here, and the way to say them.
_RENAMED_OPTIONS = {
    "return_all_scores": "write top_k=None",
    "framework": 'write backend="torch" or backend="tensorflow"',
    "dtype": 'write precision="float16" or the like, when the classifier is loaded',
    "torch_dtype": 'write precision="float16" or the like, when the classifier is loaded',
    "tokenizer": "the checkpoint's own tokenizer is used",
    "num_workers": "leave it out: texts are tokenized as they are read",
}

# The arrays that a tokenizer may return in addition to the model's inputs.
_ADDITIONAL_ARRAYS = {
    "attention_mask",
    "token_type_ids",
    "special_tokens_mask",
    "offset_mapping",
    "length",
}

# A text of at most this many characters for each token that fits is not worth shortening.
_CHARACTERS_PER_TOKEN = 16


class EncodedText(NamedTuple):
    """One encoded text before padding.

    Attributes:
        inputs: the model's inputs by name.
        details: the words, offsets and sequences that a fast tokenizer knows; ``None`` for others.
    """

    inputs: dict[str, list[int]]
    details: Any = None


class Encoder(Protocol):
    """Turns texts into encodings, for one model. Any number of threads may share an encoder."""

    @property
    def name(self) -> str:
        """The model's name, for messages."""
        ...

    @property
    def forms(self) -> frozenset[str]:
        """The forms of text that it takes: ``"texts"``, ``"pairs"``, or both."""
        ...

    @property
    def pads(self) -> bool:
        """Whether texts of different length can share a batch."""
        ...

    def options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The tokenizer's options for a call, with the defaults filled in.

        Raises:
            InputError: an option is unknown, or fixed.
        """
        ...

    def mixes(self, options: Mapping[str, Any]) -> bool:
        """Whether texts of different length may share a batch under these options."""
        ...

    def tokenize(
        self, texts: Sequence[Text], options: Mapping[str, Any], *, start: int | None = 0
    ) -> list[EncodedText]:
        """Encode each text by itself, without padding.

        Args:
            texts: the texts, and pairs among them.
            options: from :meth:`options`.
            start: the index of the first text, for messages; ``None`` for a single input.

        Raises:
            InputError: a text cannot be encoded, or has no tokens or too many.
        """
        ...

    def pad(self, rows: Sequence[EncodedText], options: Mapping[str, Any]) -> dict[str, Array]:
        """Put rows into one batch, each array ``[batch, tokens]``.

        Raises:
            InputError: the rows differ in length, and there is no padding.
        """
        ...

    def encode(self, texts: Sequence[Text], options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Encode all texts as one batch of NumPy arrays, each ``[batch, tokens]``.

        Raises:
            InputError: there is no text, or as :meth:`tokenize` and :meth:`pad`.
        """
        ...

    def tokens(self, ids: Array) -> tuple[tuple[str, ...], ...]:
        """The tokens behind ids ``[batch, tokens]``."""
        ...

    def arrays(self, encoding: Mapping[str, Any]) -> dict[str, Array]:
        """The model's inputs in an encoding from anywhere, as NumPy arrays.

        Raises:
            InputError: the encoding holds inputs or shapes that the model does not take.
        """
        ...


def model_inputs(
    encoding: Mapping[str, Any], *, name: str, taken: Sequence[str], max_tokens: int | None
) -> dict[str, Array]:
    """The model's inputs in an encoding from anywhere, as NumPy arrays ``[batch, tokens]``.

    Args:
        encoding: arrays, tensors or nested lists by name.
        name: the model's name, for messages.
        taken: the names of the inputs that the model takes.
        max_tokens: the longest encoding that the model takes; ``None`` where nothing bounds it.

    Raises:
        InputError: the encoding holds inputs or shapes that the model does not take.
    """
    if unknown := set(encoding) - set(taken) - _ADDITIONAL_ARRAYS:
        raise InputError(
            f"the encoding holds {', '.join(sorted(unknown))}, which {name}"
            f" does not take; it takes {', '.join(taken)}"
        )
    try:
        arrays = {name: np.asarray(encoding[name]) for name in taken if name in encoding}
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the encoding cannot become NumPy arrays ({error}); pad it to one length, and"
            " bring its tensors to the CPU"
        ) from error
    for key, array in arrays.items():
        if array.dtype.kind not in "iub":
            raise InputError(f"{key} must hold whole numbers, not {array.dtype}")
    shapes = {name: list(array.shape) for name, array in arrays.items()}
    shape = shapes.get("input_ids", [])
    if len(shape) != 2 or 0 in shape or any(other != shape for other in shapes.values()):
        raise InputError(
            "an encoding needs input_ids of the shape [batch, tokens], with one text and one"
            f" token at least, and the rest of the same shape; it has {shapes or 'nothing'}"
        )
    if max_tokens is not None and shape[1] > max_tokens:
        raise InputError(
            f"the encoding is {shape[1]} tokens long, and {name} takes {max_tokens}"
            " at most; encode the texts with truncation"
        )
    return arrays


class CheckpointEncoder:
    """The tokenizer of a checkpoint, with the limits of its model; satisfies :class:`Encoder`.

    A fast tokenizer keeps truncation and padding as state, so an encoder has a tokenizer of its
    own, and one thread at a time uses it.

    Attributes:
        checkpoint: the checkpoint.
    """

    forms = frozenset({"texts", "pairs"})

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self._lock = RLock()

    @property
    def name(self) -> str:
        """The checkpoint's name."""
        return self.checkpoint.name

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The encoder's own copy of the checkpoint's tokenizer.

        Change its settings, such as ``truncation_side``, before other threads use the encoder.
        """
        with self._lock:
            return copy.deepcopy(self.checkpoint.tokenizer)

    @cached_property
    def pads(self) -> bool:
        """Whether texts of different length can share a batch; see ``Checkpoint.pad_token``."""
        return self.checkpoint.pad_token is not None

    def options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The tokenizer's options, by default with truncation to the model's limit.

        Raises:
            InputError: an option is unknown, or fixed.
        """
        allowed = tokenizer_options()
        for name in given:
            if name not in allowed:
                hint = _RENAMED_OPTIONS.get(name, f"the options are {', '.join(sorted(allowed))}")
                raise InputError(f"{name!r} is not an option here; {hint}")
        options = {"verbose": False, **given}
        if options.get("truncation") is None:
            options["truncation"] = True
        if options.get("padding") is None:
            options["padding"] = self.pads
        truncates = options["truncation"] not in (False, "do_not_truncate")
        if options.get("max_length") is None and (truncates or options["padding"] == "max_length"):
            options["max_length"] = self.checkpoint.max_tokens
        return options

    def mixes(self, options: Mapping[str, Any]) -> bool:
        """Whether texts of different length may share a batch under these options.

        Padding on the left moves a text to later positions, which changes the answer of a model
        with absolute positions, such as GPT-2.
        """
        if options["padding"] == "max_length":
            return True
        side = options.get("padding_side") or self.tokenizer.padding_side
        return options["padding"] not in (False, "do_not_pad") and side == "right"

    def tokenize(
        self, texts: Sequence[Text], options: Mapping[str, Any], *, start: int | None = 0
    ) -> list[EncodedText]:
        """Encode each text by itself, without padding.

        Args:
            texts: the texts, and pairs among them.
            options: from :meth:`options`; :meth:`pad` uses those about padding.
            start: the index of the first text, for messages; ``None`` for a single input.

        Raises:
            InputError: the tokenizer refuses a text, or a text has no tokens or too many.
        """
        single = [index for index, text in enumerate(texts) if text.pair is None]
        paired = [index for index, text in enumerate(texts) if text.pair]
        # transformers may ignore the empty second text of a single pair, which is how the pipeline
        # passes pairs; it never ignores one among several.
        empty = [[index] for index, text in enumerate(texts) if text.pair == ""]
        rows: dict[int, EncodedText] = {}
        for indices in filter(None, (single, paired, *empty)):
            encoding = self._call([texts[index] for index in indices], options)
            names = [name for name in self.checkpoint.input_names if name in encoding]
            for place, index in enumerate(indices):
                inputs = {name: encoding[name][place] for name in names}
                rows[index] = EncodedText(inputs, encoding.encodings and encoding.encodings[place])
                where = None if start is None else start + index
                self._check_length(len(inputs["input_ids"]), where)
        return [rows[index] for index in range(len(texts))]

    def pad(self, rows: Sequence[EncodedText], options: Mapping[str, Any]) -> dict[str, Array]:
        """Put rows into one encoding, each array ``[batch, tokens]``.

        Args:
            rows: from :meth:`tokenize`.
            options: the options for which they were tokenized.

        Raises:
            InputError: the rows differ in length, and padding is off or impossible.
        """
        if options["padding"] in (False, "do_not_pad"):
            if len({len(row.inputs["input_ids"]) for row in rows}) > 1:
                reason = "padding is off" if self.pads else "the model has no pad token"
                raise InputError(
                    f"the {len(rows)} texts differ in length, and {reason}; encode them one by one"
                )
            return {name: np.array([row.inputs[name] for row in rows]) for name in rows[0].inputs}
        try:
            with self._lock:
                padded = self.tokenizer.pad(
                    [row.inputs for row in rows],
                    padding=options["padding"],
                    max_length=options.get("max_length"),
                    pad_to_multiple_of=options.get("pad_to_multiple_of"),
                    padding_side=options.get("padding_side"),
                    return_tensors="np",
                    verbose=False,
                )
        except ValueError as error:
            raise InputError(f"the tokenizer cannot pad the texts: {error}") from error
        return dict(padded)

    def encode(self, texts: Sequence[Text], options: Mapping[str, Any]) -> BatchEncoding:
        """Encode all texts as one batch of NumPy arrays, each ``[batch, tokens]``.

        Raises:
            InputError: there is no text, or as :meth:`tokenize` and :meth:`pad`.
        """
        from transformers import BatchEncoding

        if not texts:
            raise InputError("there is no text to encode; give one at least")
        rows = self.tokenize(texts, options)
        arrays = self.pad(rows, options)
        details = [row.details for row in rows]
        if None in details:
            return BatchEncoding(arrays)
        tokenizer = self.tokenizer
        for detail in details:
            detail.pad(
                arrays["input_ids"].shape[1],
                direction=options.get("padding_side") or tokenizer.padding_side,
                pad_id=tokenizer.pad_token_id or 0,
                pad_type_id=tokenizer.pad_token_type_id,
                pad_token=tokenizer.pad_token or "",
            )
        return BatchEncoding(arrays, encoding=details)

    def tokens(self, ids: Array) -> tuple[tuple[str, ...], ...]:
        """The tokens behind ids ``[batch, tokens]``."""
        names = self.tokenizer.convert_ids_to_tokens
        return tuple(tuple(names(row.tolist())) for row in ids)

    def arrays(self, encoding: Mapping[str, Any]) -> dict[str, Array]:
        """The model's inputs in an encoding from anywhere; see :func:`model_inputs`."""
        taken, limit = self.checkpoint.input_names, self.checkpoint.max_tokens
        return model_inputs(encoding, name=self.name, taken=taken, max_tokens=limit)

    def _call(self, texts: Sequence[Text], options: Mapping[str, Any]) -> BatchEncoding:
        """Encode texts that are all single or all pairs, without padding."""
        options = {name: options[name] for name in options if not name.startswith("pad")}
        firsts: Any = [text.text for text in texts]
        seconds: Any = None
        if texts[0].pair is not None:
            shortened = [self._shortened(text, options) for text in texts]
            firsts, seconds = [text.text for text in shortened], [text.pair for text in shortened]
        alone = seconds == [""]
        if alone:
            firsts, seconds = firsts[0], ""
        try:
            with self._lock:
                encoding = self.tokenizer(firsts, seconds, return_attention_mask=True, **options)
        except Exception as error:  # the fast tokenizers raise no narrower class
            raise InputError(f"the tokenizer cannot encode the texts: {error}") from error
        if alone:
            encoding.data = {name: [value] for name, value in encoding.items()}
        return encoding

    def _shortened(self, text: Text, options: Mapping[str, Any]) -> Text:
        """Cut the ends of an over-long pair before tokenizing, if the tokens provably stay.

        To truncate a pair, the tokenizers library combines every overflowing part of one text with
        every part of the other, and then drops them: two texts of 8,000 tokens, cut to 32, take
        8 GB.
        """
        limit = options.get("max_length") or 0
        both = text.text, text.pair or ""
        if (
            max(map(len, both)) <= _CHARACTERS_PER_TOKEN * limit
            or options["truncation"] in (False, "do_not_truncate")
            or self.tokenizer.truncation_side != "right"
            # With room for less than the special tokens, the library does not truncate at all.
            or limit <= self.tokenizer.num_special_tokens_to_add(pair=True)
        ):
            return text
        whole = [self._tokenized_alone(each, options) for each in both]
        if not whole[0].is_fast:
            return text
        ids = [encoding["input_ids"] for encoding in whole]
        # The longer of the two loses the last token if the room is odd.
        first_longer = len(ids[0]) > len(ids[1])
        kept = (2 * limit + first_longer, 2 * limit)
        starts = [
            each[: encoding.encodings[0].offsets[most - 1][1]]
            if len(encoding["input_ids"]) > most
            else each
            for each, encoding, most in zip(both, whole, kept, strict=True)
        ]
        new_ids = [self._tokenized_alone(start, options)["input_ids"] for start in starts]
        same = all(old[:limit] == new[:limit] for old, new in zip(ids, new_ids, strict=True))
        same_order = first_longer == (len(new_ids[0]) > len(new_ids[1]))
        return Text(*starts) if same and same_order else text

    def _tokenized_alone(self, text: str, options: Mapping[str, Any]) -> BatchEncoding:
        """One text without truncation and special tokens."""
        alone = {**options, "truncation": False, "add_special_tokens": False}
        with self._lock:
            return self.tokenizer(text, **alone)

    def _check_length(self, tokens: int, index: int | None) -> None:
        where = "the text" if index is None else f"the text at index {index}"
        if tokens == 0:
            raise InputError(f"{where} has no tokens, so there is nothing to classify", index=index)
        limit = self.checkpoint.max_tokens
        if limit is not None and tokens > limit:
            raise InputError(
                f"{where} has {tokens} tokens, and {self.checkpoint.name} takes {limit} at most;"
                " shorten it, or leave truncation on",
                index=index,
            )
