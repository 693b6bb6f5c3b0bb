"""What is compared: a checkpoint in a backend, an export, or a server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from diglot import predictions
from diglot.errors import InputError
from diglot.inputs import Text
from diglot.parity.cases import Encoding
from diglot.preprocessing import Encoder

if TYPE_CHECKING:
    from diglot.backends import Backend
    from diglot.checkpoint import Checkpoint
    from diglot.serving.served import ServedClassifier

LOGITS = "logits"
PROBABILITIES = "probabilities"
LABELS = "labels"

Stages = dict[str, NDArray[Any]]
"""What a model makes of an encoding: ``"hidden state 0"`` and so on, each ``[batch, tokens,
width]``, then ``"logits"`` and ``"probabilities"``, each ``[batch, labels]``. An export that
answers to text may name the ``"labels"`` ``[batch]`` besides."""

Run = Callable[[Encoding], Stages]

TEXTS, PAIRS, ENCODINGS = "texts", "pairs", "encodings"
"""The forms that an input may have."""

# How transformers calls a framework's tensors; NumPy arrays do for any other.
_TENSORS = {"torch": "pt", "tensorflow": "tf"}


class Side(Protocol):
    """One reading of a checkpoint, stage by stage.

    Whatever it cannot take it refuses with a :class:`~diglot.errors.DiglotError`.
    """

    name: str
    """Such as ``"torch"``, or a folder or an address."""

    labels: tuple[str, ...]
    """In the order of the logits."""

    forms: frozenset[str]
    """The forms of input that it takes: some of :data:`TEXTS`, :data:`PAIRS`, :data:`ENCODINGS`."""

    def encode(self, texts: Sequence[Text]) -> Encoding:
        """The first stage: texts to one batch, each array ``[batch, tokens]``."""
        ...

    def run(self, encoding: Encoding) -> Stages:
        """The other stages, as many of them as this side shows."""
        ...

    def answer(self, texts: Sequence[Text]) -> Stages | None:
        """From text to labels in one go, where this side has such a way of its own."""
        ...

    def ways(self) -> Mapping[str, Run]:
        """Other ways to run the same program, by name, such as ``"eager"`` and ``"XLA"``."""
        ...


class ModelSide:
    """A checkpoint in a backend."""

    forms = frozenset({TEXTS, PAIRS, ENCODINGS})

    def __init__(self, found: Checkpoint, backend: Backend, *, name: str | None = None) -> None:
        """Put them together.

        Args:
            found: the tokenizer, the labels and the score function.
            backend: the same checkpoint's model.
            name: how to call the side, where the backend's name says too little.
        """
        self.name = name or backend.name
        self.labels = found.labels
        self.backend = backend
        self._found = found
        self._encoder = Encoder(found)
        self._function = predictions.score_function(found.config)

    def encode(self, texts: Sequence[Text]) -> Encoding:
        """Through the checkpoint's tokenizer, to this framework's tensors.

        Raises:
            InputError: the tokenizer refuses, or a text has no tokens.
        """
        options = self._encoder.options({})
        read = [self._encoder.within_reach(text, options) for text in texts]
        seconds = None if texts[0].pair is None else [text.pair for text in read]
        try:
            encoding = self._found.tokenizer(
                [text.text for text in read],
                seconds,
                return_attention_mask=True,
                return_tensors=_TENSORS.get(self.backend.name, "np"),
                **options,
            )
        except Exception as error:  # the fast tokenizers raise no narrower class
            raise InputError(f"the tokenizer cannot encode the texts: {error}") from error
        taken = self._found.input_names
        arrays = {name: np.asarray(encoding[name]) for name in taken if name in encoding}
        return _with_tokens(arrays)

    def run(self, encoding: Encoding) -> Stages:
        """The hidden states, the logits, and the probabilities by transformers' rule."""
        outputs = self.backend.forward(encoding, hidden_states=True)
        return self.stages(outputs.hidden_states, outputs.logits)

    def stages(self, hidden_states: Sequence[NDArray[Any]], logits: NDArray[Any]) -> Stages:
        """What a model said, by name, with the probabilities that the backend makes of it."""
        named = {f"hidden state {index}": one for index, one in enumerate(hidden_states)}
        scores = self.backend.probabilities(logits, self._function)
        return {**named, LOGITS: logits, PROBABILITIES: scores}

    def answer(self, texts: Sequence[Text]) -> Stages | None:
        """None: text is taken step by step."""
        return None

    def ways(self) -> Mapping[str, Run]:
        """The other ways to run what the backend runs; none for a backend of another package."""
        from diglot.parity import ways

        return ways.of(self)


class EndpointSide:
    """An export, loaded here or behind a server."""

    def __init__(self, classifier: ServedClassifier) -> None:
        from diglot.serving.served import EndpointBackend

        self.name = classifier.checkpoint.name
        self.labels = classifier.labels
        self._classifier = classifier
        self._endpoint = classifier.endpoint
        self._backend = EndpointBackend(self.name, self._endpoint)
        signatures = self._endpoint.signatures()
        form = set()
        if "serving_default" in signatures:
            form = {PAIRS if "text_pair" in signatures["serving_default"].inputs else TEXTS}
        self.forms = frozenset({ENCODINGS, *form})

    def encode(self, texts: Sequence[Text]) -> Encoding:
        """Through the signature ``tokenize``.

        Raises:
            InputError: a text has no tokens.
        """
        seconds = None if texts[0].pair is None else [text.pair or "" for text in texts]
        return _with_tokens(self._classifier.encode([text.text for text in texts], seconds))

    def run(self, encoding: Encoding) -> Stages:
        """The logits and the probabilities of the signature for encodings."""
        outputs = self._backend.answer(encoding)
        return {name: np.asarray(outputs[name]) for name in (LOGITS, PROBABILITIES)}

    def answer(self, texts: Sequence[Text]) -> Stages | None:
        """What ``serving_default`` says of texts."""
        inputs = {"text": [text.text for text in texts]}
        if texts[0].pair is not None:
            inputs["text_pair"] = [text.pair or "" for text in texts]
        outputs = self._endpoint.predict("serving_default", inputs)
        stages = {name: np.asarray(outputs[name]) for name in (LOGITS, PROBABILITIES)}
        return {**stages, LABELS: np.asarray(outputs["label"], object)}

    def ways(self) -> Mapping[str, Run]:
        """None: an export is run in one way."""
        return {}


def _with_tokens(encoding: Encoding) -> Encoding:
    """The encoding, once each row is known to have a token.

    Raises:
        InputError: one has none, so that there is nothing to classify.
    """
    if not encoding["input_ids"].shape[-1] or not encoding["attention_mask"].any(-1).all():
        raise InputError("a text has no tokens, so that there is nothing to classify")
    return encoding
