"""The export target of TF Serving: a SavedModel with warmup requests and batching parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from diglot.endpoints import layout
from diglot.endpoints.saved_model import SavedModel
from diglot.errors import ExportError
from diglot.serving.targets.target import Choices, Contents, Finding, Source

if TYPE_CHECKING:
    from diglot.endpoints.endpoint import Endpoint

# This module is imported by a process that must not load TensorFlow for REST alone, and by one that
# must not load PyTorch, so each method imports what it needs.


@dataclass(frozen=True)
class SavedModelTarget:
    """The SavedModel target; satisfies :class:`~diglot.serving.targets.target.Target`.

    Attributes:
        most_constants: the most bytes of weights that a frozen graph may hold. A graph with its
            constants is one protocol buffer, which cannot be larger than 2 GB.
    """

    most_constants: int = 1_900_000_000

    name: ClassVar[str] = "saved_model"
    program: ClassVar[str] = layout.PROGRAM
    requires: ClassVar[tuple[str, ...]] = ("tensorflow", "torch", "tensorflow_serving")
    extra: ClassVar[str] = "tensorflow,serving"
    takes_text: ClassVar[bool] = True
    dynamic_shapes: ClassVar[bool] = True

    def write(self, folder: Path, source: Source, choices: Choices) -> tuple[str, ...]:
        """Lower the model, and write the SavedModel with its warmup and batching parameters.

        Raises:
            ExportError: the weights are too large for a frozen graph.
            LoweringError: the model uses operators that have no lowering.
        """
        import tensorflow as tf

        from diglot.lowering import record
        from diglot.serving.signatures import Servable
        from diglot.serving.targets import warmup

        checkpoint = source.checkpoint
        program = record.record(source.model, checkpoint.input_names, {})
        if choices.freeze:
            self._check_size(program.parameters)
        pad = checkpoint.pad_token
        servable = Servable(
            program,
            described=source.description,
            pad=pad,
            tokenizer=source.tokenizer,
            pairs=choices.pairs,
            ids=getattr(tf, choices.ids),
            freeze=choices.freeze,
            xla=choices.xla,
        )
        tf.saved_model.save(servable, str(folder), signatures=servable.functions)
        if source.tokenizer is not None:
            _mark_classify(folder)
        most = checkpoint.max_tokens
        requests = warmup.requests(source.name, servable.functions, most=most, pad=pad or 0)
        warmup.write(folder / layout.WARMUP, list(requests))
        (folder / layout.BATCHING).write_text(warmup.batching_parameters(), "utf-8")
        return tuple(sorted(servable.functions))

    def open(self, folder: Path) -> Endpoint:
        """Load a version with the loader that TF Serving uses.

        Raises:
            BackendError: TensorFlow cannot load it.
        """
        return SavedModel(folder)

    def replay_warmup(self, folder: Path, endpoint: Endpoint) -> int:
        """Send a version its warmup requests; returns their number."""
        from diglot.serving.targets import warmup

        count = 0
        for signature, inputs in warmup.read(folder / layout.WARMUP):
            endpoint.predict(signature, inputs)
            count += 1
        return count

    def publish(self, models: Path) -> None:
        """List the models in ``models.config``."""
        from diglot.serving import models_config

        models_config.update(models)

    def contents(self, folder: Path) -> Contents:
        """Read a version's signatures and operators.

        Raises:
            ExportError: there is no readable SavedModel.
        """
        from diglot.serving.targets import saved_model_graph

        return saved_model_graph.contents(saved_model_graph.read(folder))

    def examine(self, folder: Path, *, serving: str) -> Iterator[Finding]:
        """Check the graph, the batching parameters and the warmup requests.

        Raises:
            ExportError: there is no readable SavedModel, or ``serving`` is no release.
        """
        from diglot.serving.targets import saved_model_graph, warmup

        graph = saved_model_graph.read(folder)
        yield from saved_model_graph.examine(graph, serving)
        yield from warmup.examine_batching(folder / layout.BATCHING)
        yield from warmup.examine(folder / layout.WARMUP, set(graph.signature_def))

    def _check_size(self, parameters: Mapping[str, Any]) -> None:
        size = sum(
            variable.shape.num_elements() * variable.dtype.size for variable in parameters.values()
        )
        if size > self.most_constants:
            raise ExportError(
                f"the weights take {size:,} bytes, and a frozen graph holds at most"
                f" {self.most_constants:,}; leave freeze out"
            )


def _mark_classify(folder: Path) -> None:
    """Rename the method of ``classify`` to the one that the Classify API requires.

    ``tf.saved_model.save`` gives every signature the method of the Predict API.
    """
    from tensorflow.core.protobuf import saved_model_pb2

    path = folder / layout.PROGRAM
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for graph in saved.meta_graphs:
        graph.signature_def["classify"].method_name = "tensorflow/serving/classify"
    path.write_bytes(saved.SerializeToString(deterministic=True))
