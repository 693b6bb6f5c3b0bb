"""The ways in which a framework can run one program, which must all say the same."""

from __future__ import annotations

from collections.abc import Mapping
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from diglot import backends
from diglot.errors import BackendError
from diglot.parity.cases import Encoding

if TYPE_CHECKING:
    from diglot.backends.tensorflow import TensorFlowBackend
    from diglot.backends.torch import TorchBackend
    from diglot.parity.sides import ModelSide, Run, Stages


def of(side: ModelSide) -> Mapping[str, Run]:
    """The ways beside its usual one, by name; none for a backend that is not diglot's own.

    PyTorch's captured graph is cut to what has a lowering, which is TensorFlow's business: without
    TensorFlow there is none.
    """
    backend: Any = side.backend
    if backend.name == "torch" and "tensorflow" in backends.installed():
        return {"captured as eager": lambda encoding: _captured(side, backend, encoding)}
    if backend.name == "tensorflow":
        return {
            "eager as graph": lambda encoding: _eager(side, encoding),
            "XLA as graph": lambda encoding: _compiled(side, backend, encoding),
            "reloaded as graph": lambda encoding: _reloaded(side, backend, encoding),
        }
    return {}


def _captured(side: ModelSide, backend: TorchBackend, encoding: Encoding) -> Stages:
    """The graph that torch.export records, which is also what becomes TensorFlow."""
    import torch

    from diglot.models import recording

    tensors = {name: torch.from_numpy(np.asarray(value)) for name, value in encoding.items()}
    model: Any = backend.model
    with torch.inference_mode():
        outputs = recording.recorded(model, list(tensors)).module()(**tensors)
    return _stages(side, outputs)


def _eager(side: ModelSide, encoding: Encoding) -> Stages:
    """Operator by operator, without a graph."""
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        return side.run(encoding)
    finally:
        tf.config.run_functions_eagerly(before)


def _compiled(side: ModelSide, backend: TensorFlowBackend, encoding: Encoding) -> Stages:
    """Compiled by XLA, for the shape of this encoding."""
    import tensorflow as tf

    def run(**tensors: Any) -> dict[str, Any]:
        return dict(backend.model(**tensors, output_hidden_states=True))

    tensors = {name: tf.constant(value) for name, value in encoding.items()}
    try:
        outputs = tf.function(run, jit_compile=True)(**tensors)
    except tf.errors.OpError as error:
        raise BackendError(f"XLA cannot compile the program: {error}") from error
    return _stages(side, outputs)


def _reloaded(side: ModelSide, backend: TensorFlowBackend, encoding: Encoding) -> Stages:
    """Written as a SavedModel, and loaded."""
    import tensorflow as tf

    model = backend.model
    tensors = {name: tf.constant(value, tf.int64) for name, value in encoding.items()}
    specs = {name: tf.TensorSpec([None, None], tf.int64, name) for name in tensors}

    def run(**given: Any) -> dict[str, Any]:
        return dict(model(**given, output_hidden_states=True))

    module = tf.Module()
    module.weights = [one.value for one in model.weights]
    module.run = tf.function(run, autograph=False).get_concrete_function(**specs)
    with TemporaryDirectory() as scratch:
        tf.saved_model.save(module, scratch)
        loaded = tf.saved_model.load(scratch)
        outputs = loaded.run(**tensors)
    return _stages(side, outputs)


def _stages(side: ModelSide, outputs: Mapping[str, Any]) -> Stages:
    arrays = [np.asarray(one) for one in outputs.get("hidden_states", ())]
    return side.stages(arrays, np.asarray(outputs["logits"]))
