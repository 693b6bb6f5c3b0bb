"""The sides of a comparison: a checkpoint in a backend, an export, or a server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from diglot.classifier import TextClassifier
from diglot.equality.cases import ENCODINGS
from diglot.equality.stages import Stages
from diglot.heads import stage_arrays
from diglot.preprocessing import CheckpointEncoder

if TYPE_CHECKING:
    from diglot.backends import Backend, Model
    from diglot.checkpoints import Checkpoint
    from diglot.endpoints.model import EndpointEncoder, EndpointModel
    from diglot.heads import Task
    from diglot.inputs import Text
    from diglot.preprocessing import Encoder
    from diglot.types import Encoding, Outputs

Run = Callable[["Encoding"], Stages]
"""A way to run a model."""

# Small, so that a handful of texts makes several batches.
_BATCH_SIZE = 2


class Steps(Protocol):
    """One implementation of a checkpoint, stage by stage, as a comparison needs it.

    Every method raises a :class:`~diglot.errors.DiglotError` for an input that it does not take.
    """

    name: str
    """The name, such as ``"torch"``, a folder or an address."""

    labels: tuple[str, ...]
    """The labels in the order of the head's outputs."""

    forms: frozenset[str]
    """The forms of input that the side takes: ``"texts"``, ``"pairs"``, ``"encodings"``."""

    def encode(self, texts: Sequence[Text]) -> Encoding:
        """Encode texts as one batch, each array ``[batch, tokens]``."""
        ...

    def run(self, encoding: Encoding) -> Stages:
        """The arrays for one batch."""
        ...

    def answer(self, texts: Sequence[Text]) -> Stages | None:
        """The direct answer to texts of a side that has one, such as an export; else ``None``."""
        ...


class Side(Steps, Protocol):
    """One implementation of a checkpoint, with all that an invariant may ask of it."""

    def call(self, texts: Sequence[Text]) -> Stages:
        """The head's outputs for texts, in the batches that a classifier's call makes."""
        ...

    def other_runs(self) -> Mapping[str, Run]:
        """Other ways to run the same model, by name, such as ``"XLA as graph"``."""
        ...

    def close(self) -> None:
        """Release what the side holds."""
        ...


class ClassifierSide:
    """A text classifier as one side; satisfies :class:`Side`.

    Attributes:
        classifier: the classifier, with small batches.
        model: the classifier's model.
    """

    def __init__(
        self, task: Task, encoder: Encoder, model: Model, *, name: str | None = None
    ) -> None:
        """Make a side of the parts of a classifier.

        Args:
            task: the head, with its labels and its score function.
            encoder: the encoder.
            model: the model.
            name: the side's name; the model's name unless given.
        """
        self.name = name or model.name
        self.labels = task.labels
        self.forms = frozenset({ENCODINGS, *encoder.forms})
        self.classifier = TextClassifier(task, encoder, model, batch_size=_BATCH_SIZE)
        self.model = model

    @classmethod
    def of(cls, checkpoint: Checkpoint, backend: Backend, *, name: str | None = None) -> Self:
        """A checkpoint in a backend."""
        return cls(checkpoint.task, CheckpointEncoder(checkpoint), backend, name=name)

    def encode(self, texts: Sequence[Text]) -> Encoding:
        """Encode texts as one batch with the classifier's encoder.

        Raises:
            InputError: the tokenizer refuses the texts, or a text has no tokens.
        """
        encoder = self.classifier.encoder
        return encoder.arrays(encoder.encode(texts, encoder.options({})))

    def run(self, encoding: Encoding) -> Stages:
        """The hidden states and the head's outputs."""
        return self._stages(self.model.run(encoding, **self._options))

    def call(self, texts: Sequence[Text]) -> Stages:
        """The head's outputs, in the batches that a classifier's call makes.

        Raises:
            InputError: a text cannot be encoded or classified.
        """
        pairs = [text.pair or "" for text in texts]
        return self._stages(
            self.classifier.outputs(
                [text.text for text in texts], None if texts[0].pair is None else pairs
            )
        )

    def answer(self, texts: Sequence[Text]) -> Stages | None:
        """None: a checkpoint answers to texts stage by stage."""
        return None

    def other_runs(self) -> Mapping[str, Run]:
        """The model's other runs."""

        def staged(run: Callable[..., Outputs]) -> Run:
            return lambda encoding: self._stages(run(encoding, **self._options))

        return {name: staged(run) for name, run in self.model.other_runs().items()}

    def close(self) -> None:
        """Close the model."""
        self.model.close()

    @property
    def _options(self) -> dict[str, Any]:
        return {"function": self.classifier.task.function, "hidden_states": True}

    def _stages(self, outputs: Outputs) -> Stages:
        return Stages(outputs.hidden_states, stage_arrays(self.classifier.task.head, outputs))


class EndpointSide(ClassifierSide):
    """An export as one side, loaded here or behind a server."""

    def __init__(self, task: Task, encoder: EndpointEncoder, model: EndpointModel) -> None:
        super().__init__(task, encoder, model, name=encoder.name)
        self._model = model

    def run(self, encoding: Encoding) -> Stages:
        """The head's outputs, from the signature for encodings."""
        return self._picked(self._model.answer(encoding))

    def answer(self, texts: Sequence[Text]) -> Stages | None:
        """The answer of the signature ``serving_default`` to texts."""
        inputs = {"text": [text.text for text in texts]}
        if texts[0].pair is not None:
            inputs["text_pair"] = [text.pair or "" for text in texts]
        outputs = self._model.endpoint.predict("serving_default", inputs)
        labels = outputs.get("label")
        return self._picked(outputs)._replace(
            labels=None if labels is None else np.asarray(labels, object)
        )

    def _picked(self, outputs: Mapping[str, Any]) -> Stages:
        stages = self.classifier.task.head.stages
        return Stages((), {stage.name: np.asarray(outputs[stage.name]) for stage in stages})
