"""Texts to encodings: the first of the three steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from diglot.errors import InputError
from diglot.inputs import Text, tokenizer_options

if TYPE_CHECKING:
    from transformers import BatchEncoding

    from diglot.checkpoint import Checkpoint

# Habits from transformers that have another name here, and what to write instead.
_OTHERWISE = {
    "return_all_scores": "write top_k=None",
    "framework": 'write backend="torch" or backend="tensorflow"',
    "dtype": 'write precision="float16" or the like, when the classifier is loaded',
    "torch_dtype": 'write precision="float16" or the like, when the classifier is loaded',
    "tokenizer": "the checkpoint's own tokenizer is used",
    "num_workers": "leave it out: texts are tokenized as they are read",
}

# What a tokenizer may return beside the model's inputs.
_BESIDE = {"attention_mask", "token_type_ids", "special_tokens_mask", "offset_mapping", "length"}


# A text of no more characters than this for each token that is wanted is not worth shortening.
_LONG = 16


class Row(NamedTuple):
    """One encoded text before padding.

    Attributes:
        inputs: by name of the model's input.
        details: what a fast tokenizer knows beside: words, offsets, sequences.
    """

    inputs: dict[str, list[int]]
    details: Any


@dataclass(frozen=True)
class Encoder:
    """A checkpoint's tokenizer, with the limits of its model."""

    checkpoint: Checkpoint

    @cached_property
    def pads(self) -> bool:
        """Whether texts of different length can share a batch.

        They cannot where the tokenizer has no pad token, nor where the model does not know that
        token as padding: decoders look for the last token that is not padding, and RoBERTa's kin
        count positions by it.
        """
        known = self.checkpoint.config.get_text_config().pad_token_id
        return known is not None and self.checkpoint.tokenizer.pad_token_id == known

    def options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The tokenizer's options: those given, and truncation to what the model takes.

        Raises:
            InputError: an option is not known, or not open to choice.
        """
        allowed = tokenizer_options()
        for name in given:
            if name not in allowed:
                hint = _OTHERWISE.get(name, f"the options are {', '.join(sorted(allowed))}")
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
        that counts positions absolutely, such as GPT-2. Texts of one length need none.
        """
        if options["padding"] == "max_length":
            return True
        side = options.get("padding_side") or self.checkpoint.tokenizer.padding_side
        return options["padding"] not in (False, "do_not_pad") and side == "right"

    def tokenize(
        self, texts: Sequence[Text], options: Mapping[str, Any], *, start: int | None = 0
    ) -> list[Row]:
        """Encode each text by itself, without padding.

        Args:
            texts: the texts, and pairs among them.
            options: from :meth:`options`; those that concern padding are left for :meth:`pad`.
            start: the index of the first text, for messages; ``None`` for a single input.

        Raises:
            InputError: the tokenizer refuses, or a text has no tokens or too many.
        """
        single = [index for index, text in enumerate(texts) if text.pair is None]
        paired = [index for index, text in enumerate(texts) if text.pair]
        # Given one pair alone, as the pipeline gives it, transformers may take an empty second text
        # for none; given several at once, it never does.
        empty = [[index] for index, text in enumerate(texts) if text.pair == ""]
        rows: dict[int, Row] = {}
        for indices in filter(None, (single, paired, *empty)):
            encoding = self._call([texts[index] for index in indices], options)
            names = [name for name in self.checkpoint.input_names if name in encoding]
            for place, index in enumerate(indices):
                inputs = {name: encoding[name][place] for name in names}
                rows[index] = Row(inputs, encoding.encodings and encoding.encodings[place])
                where = None if start is None else start + index
                self._check_length(len(inputs["input_ids"]), where)
        return [rows[index] for index in range(len(texts))]

    def pad(self, rows: Sequence[Row], options: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """Put rows into one encoding, each array ``[batch, tokens]``.

        Args:
            rows: from :meth:`tokenize`.
            options: the options that they were tokenized with.

        Raises:
            InputError: the rows differ in length, and padding is off or cannot be had.
        """
        if options["padding"] in (False, "do_not_pad"):
            if len({len(row.inputs["input_ids"]) for row in rows}) > 1:
                why = "padding is off" if self.pads else "the model knows no pad token"
                raise InputError(
                    f"the {len(rows)} texts differ in length, and {why}; encode them one at a time"
                )
            return {name: np.array([row.inputs[name] for row in rows]) for name in rows[0].inputs}
        try:
            padded = self.checkpoint.tokenizer.pad(
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
        tokenizer = self.checkpoint.tokenizer
        for each in details:
            each.pad(
                arrays["input_ids"].shape[1],
                direction=options.get("padding_side") or tokenizer.padding_side,
                pad_id=tokenizer.pad_token_id or 0,
                pad_type_id=tokenizer.pad_token_type_id,
                pad_token=tokenizer.pad_token or "",
            )
        return BatchEncoding(arrays, encoding=details)

    def tokens(self, ids: NDArray[Any]) -> tuple[tuple[str, ...], ...]:
        """The tokens behind ids ``[batch, tokens]``."""
        spell = self.checkpoint.tokenizer.convert_ids_to_tokens
        return tuple(tuple(spell(row.tolist())) for row in ids)

    def arrays(self, encoding: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """The model's inputs in an encoding from anywhere, as NumPy arrays.

        Raises:
            InputError: it holds what the model does not take, or in a shape that it does not.
        """
        taken = self.checkpoint.input_names
        if unknown := set(encoding) - set(taken) - _BESIDE:
            raise InputError(
                f"the encoding holds {', '.join(sorted(unknown))}, which {self.checkpoint.name}"
                f" does not take; it takes {', '.join(taken)}"
            )
        try:
            arrays = {name: np.asarray(encoding[name]) for name in taken if name in encoding}
        except (TypeError, ValueError) as error:
            raise InputError(
                f"the encoding cannot become NumPy arrays ({error}); pad it to one length, and"
                " bring its tensors to the CPU"
            ) from error
        for name, array in arrays.items():
            if array.dtype.kind not in "iub":
                raise InputError(f"{name} must hold whole numbers, not {array.dtype}")
        shapes = {name: list(array.shape) for name, array in arrays.items()}
        shape = shapes.get("input_ids", [])
        if len(shape) != 2 or 0 in shape or any(other != shape for other in shapes.values()):
            raise InputError(
                "an encoding needs input_ids of the shape [batch, tokens], with one text and one"
                f" token at least, and the rest of the same shape; it has {shapes or 'nothing'}"
            )
        most = self.checkpoint.max_tokens
        if most is not None and shape[1] > most:
            raise InputError(
                f"the encoding is {shape[1]} tokens long, and {self.checkpoint.name} takes {most}"
                " at most; encode the texts with truncation"
            )
        return arrays

    def _call(self, texts: Sequence[Text], options: Mapping[str, Any]) -> BatchEncoding:
        """Lists, not padded, of texts that are all single or all pairs."""
        options = {name: options[name] for name in options if not name.startswith("pad")}
        firsts: Any = [text.text for text in texts]
        seconds: Any = None
        if texts[0].pair is not None:
            within = [self.within_reach(text, options) for text in texts]
            firsts, seconds = [text.text for text in within], [text.pair for text in within]
        alone = seconds == [""]
        if alone:
            firsts, seconds = firsts[0], ""
        try:
            encoding = self.checkpoint.tokenizer(
                firsts, seconds, return_attention_mask=True, **options
            )
        except Exception as error:  # the fast tokenizers raise no narrower class
            raise InputError(f"the tokenizer cannot encode the texts: {error}") from error
        if alone:
            encoding.data = {name: [value] for name, value in encoding.items()}
        return encoding

    def within_reach(self, text: Text, options: Mapping[str, Any]) -> Text:
        """As much of a pair of long texts as truncation looks at, if it is surely all the same.

        The tokenizers library puts every part that it cuts from the one text of a pair together
        with every part of the other, only to drop them: two texts of 8,000 tokens, cut to 32, take
        8 GB. Here their ends are left out beforehand.
        """
        tokenizer = self.checkpoint.tokenizer
        limit = options.get("max_length") or 0
        both = text.text, text.pair or ""
        if (
            max(map(len, both)) <= _LONG * limit
            or options["truncation"] in (False, "do_not_truncate")
            or tokenizer.truncation_side != "right"
            # Room for less than the special tokens makes the library truncate nothing at all.
            or limit <= tokenizer.num_special_tokens_to_add(pair=True)
        ):
            return text
        alone = {**options, "truncation": False, "add_special_tokens": False}
        whole = [tokenizer(each, **alone) for each in both]
        if not whole[0].is_fast:
            return text
        before = [encoding["input_ids"] for encoding in whole]
        # Which of the two is longer decides on the last token that there is room for.
        longer = len(before[0]) > len(before[1])
        starts = [
            each[: encoding.encodings[0].offsets[most - 1][1]] if len(ids) > most else each
            for each, encoding, ids, most in zip(
                both, whole, before, (2 * limit + longer, 2 * limit), strict=True
            )
        ]
        after = [tokenizer(start, **alone)["input_ids"] for start in starts]
        same = all(x[:limit] == y[:limit] for x, y in zip(before, after, strict=True))
        return Text(*starts) if same and longer == (len(after[0]) > len(after[1])) else text

    def _check_length(self, tokens: int, index: int | None) -> None:
        where = "the text" if index is None else f"the text at index {index}"
        if tokens == 0:
            raise InputError(
                f"{where} has no tokens, so that there is nothing to classify", index=index
            )
        most = self.checkpoint.max_tokens
        if most is not None and tokens > most:
            raise InputError(
                f"{where} has {tokens} tokens, and {self.checkpoint.name} takes {most} at most;"
                " shorten it, or leave truncation on",
                index=index,
            )
