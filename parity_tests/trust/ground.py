"""The ground for faults: a tiny checkpoint on disk, and its TensorFlow model."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from shutil import copytree
from typing import TYPE_CHECKING, Any
from unittest import mock

import torch

from diglot.backends.tensorflow import TensorFlowBackend
from diglot.checkpoints import Checkpoint, find, torch_model
from diglot.equality.sides import ClassifierSide, Side
from diglot.lowering import Program
from diglot.lowering.model import LoweredModel
from diglot.parity.trace import Trace, trace_models
from diglot.parity.trace.graph import Graph
from diglot.quiet import transformers_muted

from .. import checkpoints

if TYPE_CHECKING:
    from diglot.types import Encoding

# One head of keys, or one for each head of queries, would hide how keys are shared.
_CHANGES: Mapping[str, Mapping[str, int]] = {
    "qwen2": {"num_attention_heads": 4, "num_key_value_heads": 2, "hidden_size": 32}
}
# Architectures whose own tokenizers give token types; a plain fast tokenizer does not.
_TYPES = frozenset({"albert", "bert", "electra"})


@dataclass(frozen=True)
class Ground:
    """One architecture's checkpoint, recorded once for all of its faults.

    Attributes:
        architecture: the model's architecture.
        path: the folder of the checkpoint.
    """

    architecture: str
    path: Path
    _graphs: dict[tuple[str, ...], Graph] = field(default_factory=dict)

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint as diglot finds it."""
        return find(self.path)

    @cached_property
    def backend(self) -> TensorFlowBackend:
        """The sound TensorFlow model."""
        return TensorFlowBackend.load(self.checkpoint, precision="float32", device="cpu")

    @property
    def model(self) -> LoweredModel:
        """The lowered model of the backend."""
        return self.backend.model

    @property
    def program(self) -> Program:
        """The lowered program for the tokenizer's inputs."""
        return self.model.program(self.checkpoint.input_names)

    def variable(self, name: str) -> Any:
        """The one variable whose name ends with ``name``."""
        variables = self.model.variables.items()
        (variable,) = [value for full_name, value in variables if full_name.endswith(name)]
        return variable

    def trace(self, encoding: Encoding) -> Trace:
        """Trace an input through the sound PyTorch model and the present TensorFlow model."""
        names = tuple(encoding)
        if names not in self._graphs:
            self._graphs[names] = Graph(self._sound, names)
        return trace_models(self._sound, self.model, encoding, graph=self._graphs[names])

    @cached_property
    def _sound(self) -> torch.nn.Module:
        return torch_model.load(self.checkpoint)

    def sow(self, seed: int) -> None:
        """Write new weights into the checkpoint's folder."""
        changes = _CHANGES.get(self.architecture, {})
        with transformers_muted():
            checkpoints.model(self.architecture, seed=seed, **changes).save_pretrained(self.path)

    def side(self) -> Side:
        """The TensorFlow side, with the faults that are planted now."""
        return ClassifierSide.of(self.checkpoint, self.backend)

    @contextmanager
    def retraced(self) -> Iterator[None]:
        """Build new ``tf.function``s within the context, and use the old ones after it."""
        with mock.patch.dict(self.model._functions, clear=True):
            yield

    @contextmanager
    def copied(self) -> Iterator[Path]:
        """A copy of the checkpoint's folder, to be damaged."""
        with tempfile.TemporaryDirectory() as scratch:
            yield Path(copytree(self.path, Path(scratch, self.path.name)))


@dataclass(frozen=True)
class Grounds:
    """The checkpoints by architecture, each made at its first use.

    Attributes:
        folder: the folder of the checkpoints.
    """

    folder: Path
    _known: dict[str, Ground] = field(default_factory=dict)

    def __getitem__(self, architecture: str) -> Ground:
        if architecture not in self._known:
            path = self.folder / architecture
            ground = Ground(architecture, path)
            ground.sow(seed=0)
            checkpoints.tokenizer(architecture).save_pretrained(path)
            if architecture in _TYPES:
                names = ["input_ids", "token_type_ids", "attention_mask"]
                edit(path / "tokenizer_config.json", model_input_names=names)
            self._known[architecture] = ground
        return self._known[architecture]


def edit(file: Path, **changes: Any) -> None:
    """Change some settings of a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | changes), "utf-8")
