"""What is compared: a checkpoint in a backend, an export, or a server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from diglot.classifier import TextClassifier
from diglot.heads import stage_arrays
from diglot.preprocessing import CheckpointEncoder

if TYPE_CHECKING:
    from diglot.backends import Backend, Model
    from diglot.checkpoints import Checkpoint
    from diglot.endpoints.model import EndpointEncoder, EndpointModel
    from diglot.heads import Task
    from diglot.inputs import Text
    from diglot.preprocessing import Encoder
    from diglot.types import Array, Encoding, Outputs

LOGITS = "logits"
PROBABILITIES = "probabilities"
LABELS = "labels"

Stages = dict[str, "Array"]
"""What a model makes of an encoding: ``"hidden state 0"`` and so on, each ``[batch, tokens,
width]``, then ``"logits"`` and ``"probabilities"``, each ``[batch, labels]``. An export that
answers to text may name the ``"labels"`` ``[batch]`` besides."""

Run = Callable[["Encoding"], Stages]

TEXTS, PAIRS, ENCODINGS = "texts", "pairs", "encodings"
"""The forms that an input may have."""


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


class ClassifierSide:
    """A text classifier, whatever answers behind it.

    Attributes:
        classifier: the classifier; its own steps are taken one by one.
        model: what answers behind it.
    """

    def __init__(
        self, task: Task, encoder: Encoder, model: Model, *, name: str | None = None
    ) -> None:
        """Take the parts of a classifier.

        Args:
            task: the head, with its labels and its score function.
            encoder: turns texts into encodings.
            model: answers to encodings.
            name: how to call the side, where the model's name says too little.
        """
        self.name = name or model.name
        self.labels = task.labels
        self.forms = frozenset({ENCODINGS, *encoder.forms})
        self.classifier = TextClassifier(task, encoder, model)
        self.model = model

    @classmethod
    def of(cls, checkpoint: Checkpoint, backend: Backend, *, name: str | None = None) -> Self:
        """A checkpoint in a backend."""
        return cls(checkpoint.task, CheckpointEncoder(checkpoint), backend, name=name)

    def encode(self, texts: Sequence[Text]) -> Encoding:
        """Through the classifier's own encoder.

        Raises:
            InputError: the tokenizer refuses, or a text has no tokens.
        """
        encoder = self.classifier.encoder
        return encoder.arrays(encoder.encode(texts, encoder.options({})))

    def run(self, encoding: Encoding) -> Stages:
        """The hidden states, and the head's stages."""
        return self._stages(self.model.run(encoding, **self._wanted))

    def answer(self, texts: Sequence[Text]) -> Stages | None:
        """None: a checkpoint answers to text step by step."""
        return None

    def ways(self) -> Mapping[str, Run]:
        """The model's other runs, with the same stages."""

        def staged(run: Callable[..., Outputs]) -> Run:
            return lambda encoding: self._stages(run(encoding, **self._wanted))

        return {name: staged(run) for name, run in self.model.other_runs().items()}

    @property
    def _wanted(self) -> dict[str, Any]:
        return {"function": self.classifier.task.function, "hidden_states": True}

    def _stages(self, outputs: Outputs) -> Stages:
        layers = {f"hidden state {index}": one for index, one in enumerate(outputs.hidden_states)}
        return {**layers, **stage_arrays(self.classifier.task.head, outputs)}


class EndpointSide(ClassifierSide):
    """An export, loaded here or behind a server."""

    def __init__(self, task: Task, encoder: EndpointEncoder, model: EndpointModel) -> None:
        super().__init__(task, encoder, model, name=encoder.name)
        self._endpoint = model.endpoint
        self._model = model

    def run(self, encoding: Encoding) -> Stages:
        """The logits and the probabilities of the signature for encodings."""
        outputs = self._model.answer(encoding)
        return {name: np.asarray(outputs[name]) for name in (LOGITS, PROBABILITIES)}

    def answer(self, texts: Sequence[Text]) -> Stages | None:
        """The answer of ``serving_default`` to texts."""
        inputs = {"text": [text.text for text in texts]}
        if texts[0].pair is not None:
            inputs["text_pair"] = [text.pair or "" for text in texts]
        outputs = self._endpoint.predict("serving_default", inputs)
        stages = {name: np.asarray(outputs[name]) for name in (LOGITS, PROBABILITIES)}
        return {**stages, LABELS: np.asarray(outputs["label"], object)}
