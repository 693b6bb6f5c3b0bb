"""A classifier on top of an export: a folder, or a server."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from diglot import predictions
from diglot.backends import Outputs
from diglot.classifier import TextClassifier
from diglot.errors import BackendError, ExportError, InputError
from diglot.extras import require
from diglot.preprocessing import Encoder
from diglot.serving import layout, provenance
from diglot.serving.connection import MAX_BATCH

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from diglot.backends import ScoreFunction
    from diglot.inputs import Text
    from diglot.serving.endpoint import Endpoint

# Any text will do to read off the labels and the score function.
_PROBE = "diglot"


@dataclass(frozen=True)
class ServedCheckpoint:
    """What a classifier has to know of the checkpoint behind an endpoint.

    Attributes:
        name: the endpoint's.
        labels: in the order of the logits.
        function: what turns logits into scores.
        input_names: what an encoding holds.
        max_tokens: the longest encoding that the model takes; ``None`` where nothing bounds it.
        vocabulary: the tokens by id; empty where they are not known.
    """

    name: str
    labels: tuple[str, ...]
    function: ScoreFunction
    input_names: tuple[str, ...]
    max_tokens: int | None = None
    vocabulary: tuple[str, ...] = ()

    @property
    def config(self) -> Any:
        """As much of a configuration as :func:`diglot.predictions.score_function` reads."""
        return SimpleNamespace(problem_type=None, num_labels=0, function_to_apply=self.function)


class EndpointBackend:
    """Logits from an endpoint's signature for encodings."""

    requires: ClassVar[tuple[str, ...]] = ()

    def __init__(self, name: str, endpoint: Endpoint) -> None:
        self.name = name
        self._endpoint = endpoint

    def forward(
        self, encoding: Mapping[str, NDArray[Any]], *, hidden_states: bool = False
    ) -> Outputs:
        """The logits of an encoding, each ``[batch, tokens]``; there are no hidden states."""
        return Outputs(self.answer(encoding)["logits"])

    def answer(self, encoding: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """All that the signature for encodings gives, each ``[batch, labels]``.

        The lengths are sent in place of the mask where that is the same. A server that gathers
        requests fills masks with ones, and would answer for tokens that are not there.
        """
        ids = encoding["input_ids"]
        whole = {
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
            **encoding,
        }
        mask = np.asarray(whole["attention_mask"])
        whole["length"] = length = mask.sum(-1)
        right = mask == (np.arange(mask.shape[-1]) < length[:, None])
        signature = "encoded_lengths" if right.all() and length.all() else "encoded"
        taken = self._endpoint.signatures()[signature].inputs
        inputs = {name: whole[name].astype(one.dtype) for name, one in taken.items()}
        return self._endpoint.predict(signature, inputs)

    def probabilities(self, logits: NDArray[Any], function: ScoreFunction) -> NDArray[Any]:
        """Turn logits ``[batch, labels]`` into scores of the same shape, in NumPy."""
        return predictions.scores(logits, function)


@dataclass(frozen=True)
class EndpointEncoder(Encoder):
    """The tokenizer that is part of an export, with its options as they were compiled."""

    endpoint: Endpoint

    def options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """None: they were fixed at export.

        Raises:
            InputError: one is given.
        """
        if chosen := sorted(name for name, value in given.items() if value is not None):
            raise InputError(
                f"{', '.join(chosen)}: the tokenizer is part of the export, and its options were"
                " fixed with it; leave them out"
            )
        return {}

    def encode(self, texts: Sequence[Text], options: Mapping[str, Any]) -> Any:
        """Encode all texts as one batch of NumPy arrays, each ``[batch, tokens]``."""
        if not texts:
            raise InputError("there is no text to encode; give one at least")
        encoding = self.endpoint.predict("tokenize", _columns(texts))
        return {name: value.astype(np.int64) for name, value in encoding.items()}

    def tokens(self, ids: NDArray[Any]) -> tuple[tuple[str, ...], ...]:
        """The tokens behind ids ``[batch, tokens]``; the ids where they have no names."""
        known = self.checkpoint.vocabulary  # type: ignore[attr-defined] # a ServedCheckpoint
        return tuple(
            tuple(known[one] if 0 <= one < len(known) else str(one) for one in row.tolist())
            for row in ids
        )


class ServedClassifier(TextClassifier):
    """A text classifier whose every step is taken by an export.

    It is called as any :class:`~diglot.classifier.TextClassifier`. The tokenizer's options were
    fixed at export, and there are no hidden states.
    """

    def __init__(
        self, endpoint: Endpoint, checkpoint: ServedCheckpoint, *, backend: str, **options: Any
    ) -> None:
        """Put an endpoint and what is known of it together.

        Args:
            endpoint: what answers.
            checkpoint: what is known of it.
            backend: how the classifier calls its backend.
            **options: ``batch_size``, ``top_k`` and ``function_to_apply`` for every call.
        """
        self._endpoint = endpoint
        known: Any = checkpoint
        model: Any = EndpointBackend(backend, endpoint)
        super().__init__(known, model, encoder=EndpointEncoder(known, endpoint), **options)

    @classmethod
    def open(cls, path: str | os.PathLike[str], **options: Any) -> ServedClassifier:
        """Load an exported version: TensorFlow alone runs it.

        Args:
            path: the version's folder, or that of all versions, of which the newest is taken.
            **options: as in the constructor.

        Raises:
            ExportError: there is none, or diglot did not write it.
            BackendError: it cannot be loaded.
        """
        from diglot.serving.local import SavedModel

        folder = layout.version(path)
        facts = provenance.read(folder)
        if absent := {"labels", "function_to_apply", "max_tokens"} - set(facts):
            raise ExportError(
                f"{folder / layout.PROVENANCE} lacks {', '.join(sorted(absent))}; export the"
                " checkpoint again"
            )
        tokens = folder / layout.TOKENS
        endpoint = SavedModel(folder)
        known = ServedCheckpoint(
            name=os.fspath(path),
            labels=tuple(facts["labels"]),
            function=facts["function_to_apply"],
            input_names=tuple(endpoint.signatures()["encoded"].inputs),
            max_tokens=facts["max_tokens"],
            vocabulary=tuple(json.loads(tokens.read_text("utf-8"))) if tokens.is_file() else (),
        )
        return cls(endpoint, known, backend="saved_model", **options)

    @property
    def endpoint(self) -> Endpoint:
        """What answers."""
        return self._endpoint

    def hidden_states(self, *_: Any, **__: Any) -> Any:
        """None: an export keeps only what a server is asked for.

        Raises:
            InputError: always.
        """
        raise InputError(
            f"{self._checkpoint.name} is an export, which keeps no hidden states; load its"
            " checkpoint with backend='torch' or backend='tensorflow' to see them"
        )

    def _logits(
        self, texts: Sequence[Text], options: Mapping[str, Any], size: int, start: int | None = 0
    ) -> NDArray[Any]:
        if not texts:
            return np.empty((0, len(self.labels)), np.float32)
        if "serving_default" not in self._endpoint.signatures():
            raise BackendError(
                f"{self._endpoint.name} has no signature for text, for its tokenizer could not be"
                " compiled; encode the texts yourself, and hand the encoding to logits()"
            )
        # Like lengths together, since a batch is padded to its longest.
        order = sorted(range(len(texts)), key=lambda row: len(texts[row].text))
        logits = np.empty((len(texts), len(self.labels)), np.float32)
        for first in range(0, len(order), size):
            rows = order[first : first + size]
            inputs = _columns([texts[row] for row in rows])
            logits[rows] = self._endpoint.predict("serving_default", inputs)["logits"]
        return logits


class Client(ServedClassifier):
    """A text classifier that asks a TF Serving server.

    It is called as any :class:`~diglot.classifier.TextClassifier`, and has the server's own methods
    beside. As a context manager, it gives up its connections at the end.
    """

    def __init__(
        self,
        address: str,
        model: str | None = None,
        *,
        version: int | str | None = None,
        labels: Sequence[str] | None = None,
        timeout: float = 10.0,
        retries: int = 3,
        max_batch: int = MAX_BATCH,
        **options: Any,
    ) -> None:
        """Ask a server what it has.

        Args:
            address: ``http://HOST:8501`` or ``https://…`` for REST, maybe with ``/v1/models/NAME``;
                ``grpc://HOST:8500`` or ``HOST:8500`` for gRPC.
            model: the model's name, where the address does not have it.
            version: a number or, as text, a label; the server's newest unless given.
            labels: in the order of the logits, for an export without signatures for text.
            timeout: for one attempt, in seconds.
            retries: how often an attempt is repeated that failed for no fault of the request.
            max_batch: the most rows of one request.
            **options: ``batch_size``, ``top_k`` and ``function_to_apply`` for every call.

        Raises:
            ServingError: the server cannot be reached, or has no such model.
            BackendError: diglot did not export the model, or it does not tell its labels.
            InputError: labels are given that the model tells itself, or are not as many as it has.
            BackendNotInstalledError: the extra ``serving`` is missing.
        """
        from diglot.serving.connection import connect

        rest = address.partition("://")[0] in ("http", "https")
        require("tensorflow,serving", *(("urllib3",) if rest else ("grpc", "tensorflow_serving")))
        self._connection = connect(
            address, model, version, timeout=timeout, retries=retries, max_batch=max_batch
        )
        try:
            known = _asked(self._connection, labels)
            super().__init__(self._connection, known, backend="serving", **options)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up the connections to the server."""
        self._connection.close()

    def status(self) -> list[tuple[int, str, str]]:
        """Each version's number, state (such as ``"AVAILABLE"``) and error message."""
        return self._connection.status()

    def metadata(self) -> Mapping[str, Any]:
        """What each signature takes and gives."""
        return self._connection.signatures()

    def predict(
        self, inputs: Mapping[str, Any], signature: str = "serving_default"
    ) -> dict[str, NDArray[Any]]:
        """The outputs of a signature; see :meth:`diglot.serving.endpoint.Endpoint.predict`."""
        return self._connection.predict(signature, inputs)

    def classify(self, examples: Sequence[Mapping[str, str]]) -> list[list[tuple[str, float]]]:
        """Ask the Classify API: each label and its score, of each example's features."""
        return self._connection.classify([dict(one) for one in examples])


def _columns(texts: Sequence[Text]) -> dict[str, list[str]]:
    """Texts as the inputs of a signature.

    Raises:
        InputError: some are pairs, and some are not.
    """
    seconds = [text.pair for text in texts if text.pair is not None]
    if not seconds:
        return {"text": [text.text for text in texts]}
    if len(seconds) < len(texts):
        raise InputError("some of the texts have a second one, and some have not")
    return {"text": [text.text for text in texts], "text_pair": seconds}


def _asked(endpoint: Any, labels: Sequence[str] | None) -> ServedCheckpoint:
    """What an endpoint says of itself, and by its answers to one text."""
    signatures = endpoint.signatures()
    if "encoded" not in signatures:
        raise BackendError(
            f"{endpoint.name} was not exported by diglot: it has the signatures"
            f" {', '.join(sorted(signatures))}, and no 'encoded'"
        )
    names = tuple(signatures["encoded"].inputs)
    if "serving_default" not in signatures:
        if labels is None:
            raise BackendError(
                f"{endpoint.name} has no signature for text, so that it does not tell its labels;"
                " pass them, such as labels=['NEGATIVE', 'POSITIVE']"
            )
        # Two tokens of an id that every vocabulary has, in one segment.
        ones = {"attention_mask": [[1, 1]]}
        answer = endpoint.predict("encoded", {name: ones.get(name, [[0, 0]]) for name in names})
        if isinstance(labels, str) or len(labels) != answer["logits"].shape[-1]:
            raise InputError(
                f"{endpoint.name} has {answer['logits'].shape[-1]} labels, and {labels!r} are not"
                " as many; pass a list of them all, in the order of the logits"
            )
        return ServedCheckpoint(endpoint.name, tuple(labels), _function(answer), names)
    if labels is not None:
        raise InputError(f"{endpoint.name} tells its labels itself; leave out labels")
    texts = dict.fromkeys(signatures["serving_default"].inputs, _PROBE)
    answer = endpoint.predict("serving_default", {name: [one] for name, one in texts.items()})
    (ranked,) = endpoint.classify([texts])
    own = tuple(label for label, _ in ranked)
    return ServedCheckpoint(endpoint.name, own, _function(answer), names)


def _function(answer: Mapping[str, NDArray[Any]]) -> ScoreFunction:
    """Which function made the probabilities of these logits."""
    functions: tuple[ScoreFunction, ...] = ("softmax", "sigmoid", "none")
    errors = {
        one: float(abs(predictions.scores(answer["logits"], one) - answer["probabilities"]).max())
        for one in functions
    }
    return min(functions, key=errors.__getitem__)
