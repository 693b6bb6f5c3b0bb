"""Sides with one known fault."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from diglot.backends import Model
from diglot.backends.torch import TorchBackend
from diglot.checkpoints import Checkpoint
from diglot.equality.sides import ClassifierSide
from diglot.equality.stages import Stages
from diglot.preprocessing import CheckpointEncoder, EncodedText
from diglot.types import Outputs

if TYPE_CHECKING:
    from diglot.types import Encoding, Precision

Change = Callable[[Stages, "Encoding"], Stages]


class FaultyModel(Model):
    """PyTorch with a change to its results."""

    name = "faulty"

    def __init__(self, model: Model, change: Change) -> None:
        self._model, self._change = model, change

    def run(
        self, encoding: Encoding, *, function: Any = None, hidden_states: bool = False
    ) -> Outputs:
        """The changed results, always with scores and hidden states."""
        outputs = self._model.run(encoding, function="softmax", hidden_states=True)
        arrays = {"logits": outputs.raw["logits"], "probabilities": outputs.scores["logits"]}
        layers, arrays, _ = self._change(Stages(outputs.hidden_states, arrays), encoding)
        return Outputs({"logits": arrays["logits"]}, {"logits": arrays["probabilities"]}, layers)


class FaultyEncoder(CheckpointEncoder):
    """The checkpoint's encoder with a change to each batch."""

    def __init__(self, checkpoint: Checkpoint, change: Callable[[Encoding], Encoding]) -> None:
        super().__init__(checkpoint)
        self._change = change

    def pad(self, rows: Sequence[EncodedText], options: Any) -> Any:
        """The changed batch."""
        return dict(self._change(super().pad(rows, options)))


class Faulty(ClassifierSide):
    """PyTorch once more, with a fault in its results or in its encodings."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        answers: Change = lambda stages, encoding: stages,
        encodes: Callable[[Encoding], Encoding] = dict,
        precision: Precision = "float32",
        **attributes: Any,
    ) -> None:
        model = TorchBackend.load(checkpoint, precision=precision, device="cpu")
        encoder = FaultyEncoder(checkpoint, encodes)
        super().__init__(checkpoint.task, encoder, FaultyModel(model, answers))
        vars(self).update(attributes)


def changed(stages: Stages, name: str, values: Any) -> Stages:
    """The stages with other values of one of the head's outputs."""
    array = np.asarray(values, stages.outputs[name].dtype)
    return stages._replace(outputs={**stages.outputs, name: array})


def changed_layer(stages: Stages, index: int, values: Any) -> Stages:
    """The stages with other values of one hidden state."""
    layers = list(stages.hidden_states)
    layers[index] = np.asarray(values, layers[index].dtype)
    return stages._replace(hidden_states=tuple(layers))
