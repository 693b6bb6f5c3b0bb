"""The head, the encoder and the model of an export, on top of any endpoint."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from diglot import heads
from diglot.backends import Model
from diglot.endpoints import layout
from diglot.errors import BackendError, InputError
from diglot.heads import Task
from diglot.preprocessing import EncodedText, model_inputs
from diglot.types import Outputs

if TYPE_CHECKING:
    from diglot.endpoints.endpoint import Endpoint
    from diglot.inputs import Text
    from diglot.types import Array, Encoding, ScoreFunction

METADATA = "metadata"
"""The signature, and its one output, with which an export describes itself, as JSON."""


class Description(NamedTuple):
    """What an export says of itself.

    Attributes:
        task: the head, with its labels and its score function.
        max_tokens: the longest encoding that the model takes; ``None`` where nothing bounds it.
    """

    task: Task
    max_tokens: int | None

    def to_json(self) -> str:
        """The description as :data:`METADATA` carries it."""
        return json.dumps(
            {
                "task": self.task.head.task,
                "labels": list(self.task.labels),
                "function_to_apply": self.task.function,
                "max_tokens": self.max_tokens,
            }
        )


def description(endpoint: Endpoint) -> Description:
    """The description that an export gives of itself.

    Raises:
        BackendError: a current diglot did not export the model, or it cannot be asked.
    """
    signatures = endpoint.signatures()
    if METADATA not in signatures:
        raise BackendError(
            f"{endpoint.name} has the signatures {', '.join(sorted(signatures))}, and no"
            f" {METADATA!r}: another program or an older diglot exported it. Export the checkpoint"
            " with: diglot export CHECKPOINT"
        )
    (text,) = endpoint.predict(METADATA, {"row": [0]})[METADATA]
    try:
        facts = json.loads(text)
        labels, most = facts["labels"], facts["max_tokens"]
        if not all(isinstance(label, str) for label in labels):
            raise TypeError("a label is not a text")
        if not isinstance(most, int | None):
            raise TypeError("max_tokens is not a number")
        function = heads.function_named(facts["function_to_apply"])
        return Description(Task(heads.find(facts["task"]), tuple(labels), function), most)
    except (InputError, KeyError, TypeError, ValueError) as error:
        raise BackendError(
            f"{endpoint.name} describes itself as {text!r:.200}, which this diglot cannot read:"
            f" {error}. Export the checkpoint again"
        ) from error


class EndpointEncoder:
    """The tokenizer inside an export; satisfies :class:`~diglot.preprocessing.Encoder`."""

    pads = True

    def __init__(
        self, endpoint: Endpoint, *, max_tokens: int | None, vocabulary: Sequence[str] = ()
    ) -> None:
        """Use the tokenizer behind an endpoint.

        Args:
            endpoint: the export.
            max_tokens: the longest encoding that the model takes.
            vocabulary: the tokens by id; empty where they are not known.
        """
        self._endpoint = endpoint
        self._max_tokens = max_tokens
        self._vocabulary = vocabulary

    @property
    def name(self) -> str:
        """The endpoint's name."""
        return self._endpoint.name

    @property
    def forms(self) -> frozenset[str]:
        """Texts or pairs, as the export was made for; neither without a tokenizer."""
        signatures = self._endpoint.signatures()
        if "tokenize" not in signatures:
            return frozenset()
        return frozenset({"pairs" if "text_pair" in signatures["tokenize"].inputs else "texts"})

    def options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """No options: the export fixes them.

        Raises:
            InputError: one is given.
        """
        if chosen := sorted(name for name, value in given.items() if value is not None):
            raise InputError(
                f"{', '.join(chosen)}: the tokenizer is part of the export, and its options were"
                " fixed with it; leave them out"
            )
        return {}

    def mixes(self, options: Mapping[str, Any]) -> bool:
        """Always: an export pads on the right, and ignores what lies beyond a row's length."""
        return True

    def tokenize(
        self, texts: Sequence[Text], options: Mapping[str, Any], *, start: int | None = 0
    ) -> list[EncodedText]:
        """Encode each text by itself, without padding.

        Raises:
            InputError: a text has no tokens, or has a second text where the export takes none, or
                the other way round.
            BackendError: the export has no tokenizer, or cannot answer.
        """
        arrays = self._endpoint.predict("tokenize", self._columns(texts, start))
        rows = []
        for row, mask in enumerate(np.asarray(arrays["attention_mask"]) > 0):
            if not mask.any():
                index = None if start is None else start + row
                where = "the text" if index is None else f"the text at index {index}"
                raise InputError(
                    f"{where} has no tokens, so that there is nothing to classify", index=index
                )
            inputs = {name: value[row][mask].tolist() for name, value in arrays.items()}
            rows.append(EncodedText(inputs))
        return rows

    def pad(self, rows: Sequence[EncodedText], options: Mapping[str, Any]) -> dict[str, Array]:
        """Put rows into one batch, each array ``[batch, tokens]``, with zeros on the right."""
        width = max(len(row.inputs["input_ids"]) for row in rows)
        return {
            name: np.array(
                [row.inputs[name] + [0] * (width - len(row.inputs[name])) for row in rows], np.int64
            )
            for name in rows[0].inputs
        }

    def encode(self, texts: Sequence[Text], options: Mapping[str, Any]) -> dict[str, Array]:
        """Encode all texts as one batch of NumPy arrays, each ``[batch, tokens]``.

        Raises:
            InputError: there is no text, or as :meth:`tokenize`.
        """
        if not texts:
            raise InputError("there is no text to encode; give one at least")
        encoding = self._endpoint.predict("tokenize", self._columns(texts, 0))
        return {name: value.astype(np.int64) for name, value in encoding.items()}

    def tokens(self, ids: Array) -> tuple[tuple[str, ...], ...]:
        """The tokens behind ids ``[batch, tokens]``; the ids themselves without a vocabulary."""
        known = self._vocabulary
        return tuple(
            tuple(known[one] if 0 <= one < len(known) else str(one) for one in row.tolist())
            for row in ids
        )

    def arrays(self, encoding: Mapping[str, Any]) -> dict[str, Array]:
        """The model's inputs in an encoding; see :func:`~diglot.preprocessing.model_inputs`."""
        taken = tuple(self._endpoint.signatures()["encoded"].inputs)
        return model_inputs(encoding, name=self.name, taken=taken, max_tokens=self._max_tokens)

    def _columns(self, texts: Sequence[Text], start: int | None) -> dict[str, list[str]]:
        """Texts as the inputs of a signature."""
        signatures = self._endpoint.signatures()
        if "tokenize" not in signatures:
            raise BackendError(
                f"{self.name} has no signature for text, because its tokenizer could not be"
                " compiled; encode the texts yourself, and pass the encoding to logits()"
            )
        paired = "text_pair" in signatures["tokenize"].inputs
        for row, text in enumerate(texts):
            if (text.pair is not None) != paired:
                index = None if start is None else start + row
                where = "the text" if index is None else f"the text at index {index}"
                expected = "with a second text" if paired else "without a second text"
                raise InputError(
                    f"{self.name} takes each text {expected}, and {where} is not so", index=index
                )
        columns = {"text": [text.text for text in texts]}
        return columns | ({"text_pair": [text.pair or "" for text in texts]} if paired else {})


class EndpointModel(Model):
    """The model behind an endpoint's signatures for encodings."""

    thread_safe: ClassVar[bool] = True
    shows_hidden_states: ClassVar[bool] = False

    def __init__(self, name: str, endpoint: Endpoint) -> None:
        """Use the model behind an endpoint.

        Args:
            name: what runs the model, such as ``"serving"``.
            endpoint: the export.
        """
        self.name = name
        self.endpoint = endpoint

    def run(
        self,
        encoding: Encoding,
        *,
        function: ScoreFunction | None = None,
        hidden_states: bool = False,
    ) -> Outputs:
        """Ask for an encoding, each array ``[batch, tokens]``.

        The scores are computed here, so that any function can be asked for. There are no hidden
        states.
        """
        raw = {"logits": self.answer(encoding)["logits"]}
        if function is None:
            return Outputs(raw)
        return Outputs(raw, {name: heads.scores(value, function) for name, value in raw.items()})

    def answer(self, encoding: Encoding) -> dict[str, Array]:
        """All outputs of the signature for encodings, each ``[batch, labels]``.

        Lengths are sent in place of the mask where they say the same: a server that gathers
        requests pads a mask with ones, and would answer for tokens that are not there.
        """
        ids = np.asarray(encoding["input_ids"])
        complete = {
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
            **encoding,
        }
        mask = np.asarray(complete["attention_mask"])
        complete["length"] = length = mask.sum(-1)
        right = mask == (np.arange(mask.shape[-1]) < length[:, None])
        signature = "encoded_lengths" if right.all() and length.all() else "encoded"
        taken = self.endpoint.signatures()[signature].inputs
        inputs = {name: complete[name].astype(tensor.dtype) for name, tensor in taken.items()}
        return self.endpoint.predict(signature, inputs)

    def close(self) -> None:
        """Close the endpoint."""
        self.endpoint.close()


def open_export(path: str | os.PathLike[str]) -> tuple[Task, EndpointEncoder, EndpointModel]:
    """Load an exported version: TensorFlow alone runs it.

    Args:
        path: the version's folder, or that of all versions, of which the newest is taken.

    Raises:
        ExportError: there is none.
        BackendError: it cannot be loaded, or another program wrote it.
    """
    from diglot.endpoints.saved_model import SavedModel

    folder = layout.version(path)
    endpoint = SavedModel(folder, name=os.fspath(path))
    tokens = folder / layout.TOKENS
    vocabulary = tuple(json.loads(tokens.read_text("utf-8"))) if tokens.is_file() else ()
    return parts(endpoint, "saved_model", vocabulary)


def parts(
    endpoint: Endpoint, name: str, vocabulary: Sequence[str] = ()
) -> tuple[Task, EndpointEncoder, EndpointModel]:
    """The three parts of a classifier on top of an endpoint.

    Args:
        endpoint: the export.
        name: what runs the model, such as ``"serving"``.
        vocabulary: the tokens by id, where they are known.

    Raises:
        BackendError: a current diglot did not export the model, or it cannot be asked.
    """
    task, max_tokens = description(endpoint)
    encoder = EndpointEncoder(endpoint, max_tokens=max_tokens, vocabulary=vocabulary)
    return task, encoder, EndpointModel(name, endpoint)
