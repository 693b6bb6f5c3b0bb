"""The head, the encoder and the model of an export, on top of any endpoint.

They are the three parts of a :class:`~diglot.classifier.TextClassifier`, so an export takes the
same way from text to answer as a checkpoint.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from diglot import heads
from diglot.backends import SAVED_MODEL, Model
from diglot.endpoints import layout
from diglot.errors import BackendError, ExportError, InputError
from diglot.heads import Task
from diglot.preprocessing import EncodedText, model_inputs
from diglot.types import Outputs

if TYPE_CHECKING:
    from diglot.endpoints.endpoint import Endpoint
    from diglot.heads import Head
    from diglot.inputs import Text
    from diglot.types import Array, Encoding, ScoreFunction

METADATA = "metadata"
"""The signature, and its only output, that describes the export as JSON."""


class Description(NamedTuple):
    """The facts about an export that a classifier needs.

    Attributes:
        task: the head, with its labels and its score function.
        max_tokens: the longest encoding that the model takes; ``None`` for no limit.
    """

    task: Task
    max_tokens: int | None

    def to_json(self) -> str:
        """The text of the output :data:`METADATA`."""
        return json.dumps(
            {
                "task": self.task.head.task,
                "labels": list(self.task.labels),
                "function_to_apply": self.task.function,
                "max_tokens": self.max_tokens,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Description:
        """The description in the text of the output :data:`METADATA`.

        Raises:
            ValueError: the text is no description; InputError for an unknown task or function.
            KeyError: a field is missing.
            TypeError: a field has another type.
        """
        facts = json.loads(text)
        labels, most = facts["labels"], facts["max_tokens"]
        if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
            raise TypeError(f"labels must be a list of texts, not {labels!r:.60}")
        if most is not None and (not isinstance(most, int) or isinstance(most, bool)):
            raise TypeError(f"max_tokens must be a whole number or null, not {most!r:.60}")
        function = heads.function_named(facts["function_to_apply"])
        return cls(Task(heads.find(facts["task"]), tuple(labels), function), most)


def description(endpoint: Endpoint) -> Description:
    """Ask an export for its description.

    Raises:
        BackendError: no current diglot exported the model, or the endpoint cannot be reached.
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
        return Description.from_json(text)
    except (KeyError, TypeError, ValueError) as error:
        raise BackendError(
            f"{endpoint.name} describes itself as {text!r:.200}, which this diglot cannot read:"
            f" {error}. Export the checkpoint again"
        ) from error


class EndpointEncoder:
    """The tokenizer of an export; satisfies :class:`~diglot.preprocessing.Encoder`."""

    pads = True

    def __init__(
        self, endpoint: Endpoint, *, max_tokens: int | None, vocabulary: Sequence[str] = ()
    ) -> None:
        """Use the tokenizer behind an endpoint.

        Args:
            endpoint: the export.
            max_tokens: the longest encoding that the model takes; ``None`` for no limit.
            vocabulary: the tokens by id; empty if they are unknown.
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
        """``"texts"`` or ``"pairs"``, as the export was made; empty without a tokenizer."""
        signatures = self._endpoint.signatures()
        if "tokenize" not in signatures:
            return frozenset()
        return frozenset({"pairs" if "text_pair" in signatures["tokenize"].inputs else "texts"})

    def options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """An empty dictionary: the export fixes all options.

        Raises:
            InputError: an option is given.
        """
        if chosen := sorted(name for name, value in given.items() if value is not None):
            raise InputError(
                f"{', '.join(chosen)}: the tokenizer is part of the export, and its options were"
                " fixed with it; leave them out"
            )
        return {}

    def mixes(self, options: Mapping[str, Any]) -> bool:
        """True: an export pads on the right, and ignores the tokens beyond a row's length."""
        return True

    def tokenize(
        self, texts: Sequence[Text], options: Mapping[str, Any], *, start: int | None = 0
    ) -> list[EncodedText]:
        """Encode each text by itself, without padding.

        Args:
            texts: the texts; all of them pairs if the export takes pairs, none otherwise.
            options: ignored; see :meth:`options`.
            start: the index of the first text, for messages; ``None`` for a single input.

        Raises:
            InputError: a text has no tokens, has a second text that the export does not take, or
                lacks one that it takes.
            BackendError: the export has no tokenizer, or cannot answer.
        """
        columns = self._columns(texts, start)
        try:
            arrays = self._endpoint.predict("tokenize", columns)
        except InputError as error:
            if error.index is None or not start:
                raise
            raise InputError(str(error), index=start + error.index) from error
        rows = []
        for row, mask in enumerate(np.asarray(arrays["attention_mask"]) > 0):
            if not mask.any():
                index, where = _position(row, start)
                raise InputError(
                    f"{where} has no tokens, so that there is nothing to classify", index=index
                )
            inputs = {name: value[row][mask].tolist() for name, value in arrays.items()}
            rows.append(EncodedText(inputs))
        return rows

    def pad(self, rows: Sequence[EncodedText], options: Mapping[str, Any]) -> dict[str, Array]:
        """Put rows into one batch, each array ``[batch, tokens]``, with zeros on the right.

        The signatures replace the zeros by the model's own padding.
        """
        width = max(len(row.inputs["input_ids"]) for row in rows)
        return {
            name: np.array(
                [row.inputs[name] + [0] * (width - len(row.inputs[name])) for row in rows], np.int64
            )
            for name in rows[0].inputs
        }

    def encode(self, texts: Sequence[Text], options: Mapping[str, Any]) -> dict[str, Array]:
        """Encode all texts as one batch of NumPy arrays, each ``[batch, tokens]``.

        The export pads them, with the model's own padding.

        Raises:
            InputError: there is no text, or as :meth:`tokenize`.
            BackendError: as :meth:`tokenize`.
        """
        if not texts:
            raise InputError("there is no text to encode; give one at least")
        encoding = self._endpoint.predict("tokenize", self._columns(texts, 0))
        lengths = np.asarray(encoding["attention_mask"]).sum(-1)
        if not lengths.all():
            index, where = _position(int(lengths.argmin()), 0)
            raise InputError(
                f"{where} has no tokens, so that there is nothing to classify", index=index
            )
        return {name: value.astype(np.int64) for name, value in encoding.items()}

    def tokens(self, ids: Array) -> tuple[tuple[str, ...], ...]:
        """The tokens of ids ``[batch, tokens]``; the number itself for an unknown id."""
        known = self._vocabulary
        return tuple(
            tuple(known[token] if 0 <= token < len(known) else str(token) for token in row)
            for row in ids.tolist()
        )

    def arrays(self, encoding: Mapping[str, Any]) -> dict[str, Array]:
        """The model's inputs in an encoding; see :func:`~diglot.preprocessing.model_inputs`."""
        taken = tuple(self._endpoint.signatures()["encoded"].inputs)
        return model_inputs(encoding, name=self.name, taken=taken, max_tokens=self._max_tokens)

    def _columns(self, texts: Sequence[Text], start: int | None) -> dict[str, list[str]]:
        """The inputs of a text signature."""
        signatures = self._endpoint.signatures()
        if "tokenize" not in signatures:
            raise BackendError(
                f"{self.name} has no signature for text, because its tokenizer could not be"
                " compiled; encode the texts yourself, and pass the encoding to logits()"
            )
        paired = "text_pair" in signatures["tokenize"].inputs
        for row, text in enumerate(texts):
            if (text.pair is not None) != paired:
                index, where = _position(row, start)
                expected, actual = ("needs a", "has none") if paired else ("takes no", "has one")
                raise InputError(
                    f"{self.name} {expected} second text, and {where} {actual}; use an export that"
                    f" was made {'without' if paired else 'with'} --pairs",
                    index=index,
                )
        columns = {"text": [text.text for text in texts]}
        return columns | ({"text_pair": [text.pair or "" for text in texts]} if paired else {})


class EndpointModel(Model):
    """The model behind an endpoint's signatures for encodings."""

    thread_safe: ClassVar[bool] = True
    shows_hidden_states = False

    def __init__(self, name: str, endpoint: Endpoint, head: Head) -> None:
        """Use the model behind an endpoint.

        Args:
            name: the backend's name, such as ``"serving"``.
            endpoint: the export.
            head: the export's head.
        """
        self.name = name
        self.endpoint = endpoint
        self._head = head

    def run(
        self,
        encoding: Encoding,
        *,
        function: ScoreFunction | None = None,
        hidden_states: bool = False,
    ) -> Outputs:
        """Ask for an encoding; see :meth:`diglot.backends.Model.run`.

        The scores are computed here, so any function can be applied. There are no hidden states.

        Raises:
            InputError: the inputs do not fit the signature.
            BackendError: the endpoint could not answer.
        """
        answer = self.answer(encoding)
        stages = [stage for stage in self._head.stages if stage.source == "raw"]
        raw = {stage.output: answer[stage.name] for stage in stages}
        return Outputs(raw, {} if function is None else self._head.scores(raw, function))

    def answer(self, encoding: Encoding) -> dict[str, Array]:
        """All outputs of the signature for encodings, each ``[batch, labels]``.

        Lengths replace the mask if they say the same: a server that gathers requests pads a mask
        with ones, and would answer for tokens that do not exist.

        Args:
            encoding: the model's inputs by name, each ``[batch, tokens]``.

        Raises:
            InputError: as :meth:`run`.
            BackendError: as :meth:`run`.
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
        inputs = {
            name: _cast(name, np.asarray(complete[name]), tensor.dtype)
            for name, tensor in taken.items()
        }
        return self.endpoint.predict(signature, inputs)

    def close(self) -> None:
        """Close the endpoint."""
        self.endpoint.close()


def open_export(path: str | os.PathLike[str]) -> tuple[Task, EndpointEncoder, EndpointModel]:
    """Load an exported version, with TensorFlow alone, as the parts of a classifier.

    A SavedModel is code: load only versions that you trust.

    Args:
        path: the version's folder; or the folder of all versions, which stands for the newest.

    Raises:
        ExportError: there is no version.
        BackendError: TensorFlow cannot load it, or no current diglot exported it.
    """
    from diglot.endpoints.saved_model import SavedModel

    folder = layout.version(path)
    endpoint = SavedModel(folder, name=os.fspath(path))
    try:
        return parts(endpoint, SAVED_MODEL, _vocabulary(folder / layout.TOKENS))
    except BaseException:
        endpoint.close()
        raise


def parts(
    endpoint: Endpoint, name: str, vocabulary: Sequence[str] = ()
) -> tuple[Task, EndpointEncoder, EndpointModel]:
    """The three parts of a classifier on top of an endpoint.

    Args:
        endpoint: the export.
        name: the backend's name, such as ``"serving"``.
        vocabulary: the tokens by id; empty if they are unknown.

    Raises:
        BackendError: as :func:`description`.
    """
    task, max_tokens = description(endpoint)
    encoder = EndpointEncoder(endpoint, max_tokens=max_tokens, vocabulary=vocabulary)
    return task, encoder, EndpointModel(name, endpoint, task.head)


def _position(row: int, start: int | None) -> tuple[int | None, str]:
    """The index of a row among all inputs, and its name in a message."""
    if start is None:
        return None, "the text"
    return start + row, f"the text at index {start + row}"


def _cast(name: str, value: Array, dtype: str) -> Array:
    """The same numbers in a signature's dtype."""
    limits = np.iinfo(dtype)
    low, high = int(value.min(initial=0)), int(value.max(initial=0))
    if low < limits.min or high > limits.max:
        raise InputError(
            f"{name} ranges from {low} to {high}, and the export takes {dtype}; use the tokenizer"
            " of its checkpoint"
        )
    return value.astype(dtype)


def _vocabulary(file: Path) -> tuple[str, ...]:
    """The tokens by id; empty if there is no such file.

    Raises:
        ExportError: the file is no list of texts.
    """
    if not file.is_file():
        return ()
    try:
        tokens = json.loads(file.read_text("utf-8"))
        if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
            raise TypeError("it is not a list of texts")
    except (OSError, TypeError, ValueError) as error:
        raise ExportError(f"{file} cannot be read: {error}; export the checkpoint again") from error
    return tuple(tokens)
