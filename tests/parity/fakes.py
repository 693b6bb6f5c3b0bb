"""Sides that are wrong in one known way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from diglot.backends.torch import TorchBackend
from diglot.checkpoints import Checkpoint
from diglot.equality.sides import ClassifierSide, Stages
from diglot.inputs import Text
from diglot.preprocessing import CheckpointEncoder
from diglot.types import Encoding, Precision

Change = Callable[[Stages, Encoding], Stages]


class Faulty(ClassifierSide):
    """PyTorch once more, with a fault in what it encodes or says."""

    def __init__(
        self,
        found: Checkpoint,
        *,
        says: Change = lambda stages, encoding: stages,
        encodes: Callable[[Encoding], Encoding] = dict,
        precision: Precision = "float32",
        **options: Any,
    ) -> None:
        model = TorchBackend.load(found, precision=precision, device="cpu")
        super().__init__(found.task, CheckpointEncoder(found), model, name="faulty")
        self._says, self._encodes = says, encodes
        vars(self).update(options)

    def encode(self, texts: Sequence[Text]) -> Encoding:
        """The encoding, changed."""
        return self._encodes(super().encode(texts))

    def run(self, encoding: Encoding) -> Stages:
        """The stages, changed."""
        return self._says(super().run(encoding), encoding)


def changed(stages: Stages, name: str, values: Any) -> Stages:
    """The stages with another array in place of one."""
    return {**stages, name: np.asarray(values, stages[name].dtype)}
