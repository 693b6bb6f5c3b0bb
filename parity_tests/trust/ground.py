"""What faults are planted in: a tiny checkpoint on disk, and its TensorFlow model."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from shutil import copytree
from typing import Any
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
from diglot.types import Encoding

from .. import checkpoints

# One head of keys and values, or one for each of queries, would hide how they are shared out.
_CHANGES: Mapping[str, Mapping[str, int]] = {
    "qwen2": {"num_attention_heads": 4, "num_key_value_heads": 2, "hidden_size": 32}
}
# What these architectures' own tokenizers give, and what a plain fast tokenizer leaves out.
_TYPES = frozenset({"albert", "bert", "electra"})


@dataclass(frozen=True)
class Ground:
    """One architecture's checkpoint, recorded once for all faults that are planted in it.

    Attributes:
        architecture: of the model.
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
        """The lowered program for what the tokenizer gives."""
        return self.model.program(self.checkpoint.input_names)

    def variable(self, name: str) -> Any:
        """The one variable whose name ends with ``name``."""
        variables = self.model.variables.items()
        (variable,) = [value for full_name, value in variables if full_name.endswith(name)]
        return variable

    def trace(self, encoding: Encoding) -> Trace:
        """Follow an input through the sound PyTorch model and the TensorFlow model as it is now."""
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
        """The TensorFlow side, with whatever is planted in it now."""
        return ClassifierSide.of(self.checkpoint, self.backend)

    @contextmanager
    def retraced(self) -> Iterator[None]:
        """Trace the program anew within the context, and again after it."""
        with mock.patch.dict(self.model._functions, clear=True):
            yield

    @contextmanager
    def copied(self) -> Iterator[Path]:
        """A copy of the checkpoint's folder, to be damaged."""
        with tempfile.TemporaryDirectory() as scratch:
            yield Path(copytree(self.path, Path(scratch, self.path.name)))


@dataclass(frozen=True)
class Grounds:
    """The checkpoints by architecture, each made when it is first asked for.

    Attributes:
        folder: where they are written to.
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
