"""The backend that runs the checkpoint's PyTorch model, lowered to TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from diglot.backends.backend import Backend, Run
from diglot.checkpoints import torch_model
from diglot.errors import BackendError, InputError
from diglot.types import Outputs

if TYPE_CHECKING:
    import tensorflow as tf

    from diglot.checkpoints import Checkpoint
    from diglot.lowering import Program
    from diglot.lowering.model import LoweredModel
    from diglot.types import Encoding, Precision, ScoreFunction

Prepare = Callable[["Program", bool], Any]
"""Makes a callable of a program, with one tensor for each input; the second argument says whether
the result holds hidden states."""


class TensorFlowBackend(Backend):
    """A checkpoint as a TensorFlow program; PyTorch is recorded once, and runs nothing.

    Attributes:
        model: the lowered model.
    """

    name = "tensorflow"
    requires: ClassVar[tuple[str, ...]] = ("tensorflow", "keras", "torch")
    noisy: ClassVar[tuple[str, ...]] = ("tensorflow",)
    tensors: ClassVar[str] = "tf"
    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda", "cuda:N")
    thread_safe: ClassVar[bool] = True

    def __init__(
        self, model: LoweredModel, place: str, *, outputs: tuple[str, ...] = ("logits",)
    ) -> None:
        """Run a model that is lowered already.

        Args:
            model: the lowered model.
            place: TensorFlow's name of the device.
            outputs: the names of the model's outputs that make up an answer.
        """
        self.model = model
        self._place = place
        self._outputs = outputs

    @classmethod
    def load(cls, checkpoint: Checkpoint, *, precision: Precision, device: str | None) -> Self:
        """Read the weights into ``tf.Variable``s on the device.

        Raises:
            BackendError: TensorFlow sees no such device.
            CheckpointError: the checkpoint cannot be used.
        """
        import tensorflow as tf

        from diglot.lowering.model import LoweredModel

        place = _place(device)
        with tf.device(place):
            model = LoweredModel(torch_model.load(checkpoint, precision=precision))
        return cls(model, place, outputs=checkpoint.head.outputs)

    def run(
        self,
        encoding: Encoding,
        *,
        function: ScoreFunction | None = None,
        hidden_states: bool = False,
    ) -> Outputs:
        """Run the program; see :meth:`diglot.backends.Backend.run`.

        Raises:
            InputError: an id is outside the vocabulary, or the encoding longer than the model's
                positions.
            BackendError: TensorFlow failed, for example because memory ran out.
        """
        return self._run(encoding, function, hidden_states, self._graph)

    def other_runs(self) -> Mapping[str, Run]:
        """Operator by operator, compiled by XLA, and written as a SavedModel and read back."""
        return {
            "eager as graph": self._otherwise(_eager),
            "XLA as graph": self._otherwise(_compiled),
            "reloaded as graph": self._otherwise(self._reloaded),
        }

    def traceable(self) -> LoweredModel:
        """The lowered model."""
        return self.model

    def _run(
        self,
        encoding: Encoding,
        function: ScoreFunction | None,
        hidden_states: bool,
        prepare: Prepare,
    ) -> Outputs:
        import tensorflow as tf

        encoding = {"attention_mask": np.ones_like(encoding["input_ids"]), **encoding}
        self._check(encoding)
        program = self.model.program(encoding)
        self.model.check_shape(program, encoding["input_ids"].shape)
        try:
            with tf.device(self._place):
                call = prepare(program, hidden_states)
                inputs = [np.asarray(encoding[name]) for name in program.inputs]
                outputs = call(*(tf.constant(value, tf.int64) for value in inputs))
                return self._answer(outputs, function, hidden_states=hidden_states)
        except tf.errors.InvalidArgumentError as error:
            raise InputError(
                f"the model cannot take an encoding of the shape {encoding['input_ids'].shape}; it"
                f" may be longer than the model's positions. TensorFlow says: {error.message}"
            ) from error
        except tf.errors.OpError as error:
            raise BackendError(
                f"TensorFlow failed on {self._place} with an encoding of the shape"
                f" {encoding['input_ids'].shape}: {error.message}"
            ) from error

    def _otherwise(self, prepare: Prepare) -> Run:
        def run(
            encoding: Encoding,
            *,
            function: ScoreFunction | None = None,
            hidden_states: bool = False,
        ) -> Outputs:
            return self._run(encoding, function, hidden_states, prepare)

        return run

    def _graph(self, program: Program, hidden_states: bool) -> Any:
        return self.model.function(program.inputs, hidden_states=hidden_states)

    def _reloaded(self, program: Program, hidden_states: bool) -> Any:
        import tensorflow as tf

        module = tf.Module()
        module.weights = list(self.model.variables.values())
        module.run = self._graph(program, hidden_states)
        with TemporaryDirectory() as scratch:
            tf.saved_model.save(module, scratch)
            module = tf.saved_model.load(scratch)
        # The functions of a module end with it.
        return lambda *tensors: module.run(*tensors)

    def _answer(
        self, outputs: Mapping[str, Any], function: ScoreFunction | None, *, hidden_states: bool
    ) -> Outputs:
        import tensorflow as tf

        raw = {name: _wide(outputs[name]) for name in self._outputs}
        scores = {}
        if function is not None:
            apply = {"softmax": tf.nn.softmax, "sigmoid": tf.sigmoid, "none": tf.identity}[function]
            scores = {name: apply(value) for name, value in raw.items()}
        layers = outputs.get("hidden_states", ()) if hidden_states else ()
        return Outputs(
            {name: value.numpy() for name, value in raw.items()},
            {name: value.numpy() for name, value in scores.items()},
            tuple(_wide(layer).numpy() for layer in layers),
        )

    def _check(self, encoding: Encoding) -> None:
        # On a GPU and under XLA, TensorFlow would read another row of the embeddings, or zeros.
        ids = np.asarray(encoding["input_ids"])
        vocabulary = getattr(self.model.config.get_text_config(), "vocab_size", None)
        if vocabulary is not None and ids.size and (ids.min() < 0 or ids.max() >= vocabulary):
            raise InputError(
                f"input_ids range from {ids.min()} to {ids.max()}, but the model's vocabulary has"
                f" {vocabulary} tokens; use the tokenizer of this checkpoint"
            )


def _eager(program: Program, hidden_states: bool) -> Any:
    """Operator by operator, without a graph."""
    return lambda *tensors: program(**dict(zip(program.inputs, tensors, strict=True)))


def _compiled(program: Program, hidden_states: bool) -> Any:
    """Compiled by XLA, for the shapes of one encoding."""
    import tensorflow as tf

    function = tf.function(_eager(program, hidden_states), jit_compile=True, autograph=False)

    def call(*tensors: tf.Tensor) -> Any:
        try:
            return function(*tensors)
        except tf.errors.OpError as error:
            raise BackendError(f"XLA cannot compile the program: {error}") from error

    return call


def _place(device: str | None) -> str:
    """TensorFlow's name of a device; by default a GPU where there is one."""
    import tensorflow as tf

    devices = tf.config.list_physical_devices()
    places = [entry.name.removeprefix("/physical_device:") for entry in devices]
    if device is None:
        return "GPU:0" if "GPU:0" in places else "CPU:0"
    kind, _, number = device.partition(":")
    place = f"{'GPU' if kind == 'cuda' else kind.upper()}:{number or 0}"
    if place not in places:
        raise BackendError(
            f"TensorFlow sees no device {device!r}; it has {', '.join(places)}. Leave the device"
            " out, or choose one of these ('cuda:0' is GPU:0)"
        )
    return place


def _wide(tensor: tf.Tensor) -> tf.Tensor:
    """In float32 at least: NumPy cannot compute with bfloat16, and float16 is too coarse."""
    import tensorflow as tf

    half = tensor.dtype in (tf.float16, tf.bfloat16)
    return tf.cast(tensor, tf.float32) if half else tensor
