"""TensorFlow: the checkpoint's PyTorch model, lowered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from diglot.backends import Outputs, Precision, ScoreFunction
from diglot.errors import BackendError, InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from diglot.checkpoint import Checkpoint
    from diglot.models import TFAutoModelForSequenceClassification


class TensorFlowBackend:
    """A checkpoint as a TensorFlow program; PyTorch is there to be recorded, and runs nothing.

    Attributes:
        model: the Keras model around the program.
    """

    name: ClassVar[str] = "tensorflow"
    requires: ClassVar[tuple[str, ...]] = ("tensorflow", "keras", "torch")

    def __init__(self, model: TFAutoModelForSequenceClassification, device: str) -> None:
        self.model = model
        self._device = device

    @classmethod
    def load(cls, checkpoint: Checkpoint, *, precision: Precision, device: str | None) -> Self:
        """Read the weights into ``tf.Variable``s on the device.

        Raises:
            BackendError: TensorFlow sees no such device.
            CheckpointError: the checkpoint cannot be used.
        """
        import tensorflow as tf

        from diglot.models import TFAutoModelForSequenceClassification

        place = _place(device)
        with tf.device(place):
            model = TFAutoModelForSequenceClassification.from_pretrained(
                checkpoint, precision=precision
            )
        return cls(model, place)

    def forward(
        self, encoding: Mapping[str, NDArray[np.integer[Any]]], *, hidden_states: bool = False
    ) -> Outputs:
        """Run the lowered program; see :meth:`diglot.backends.Backend.forward`.

        Raises:
            InputError: an id is outside the vocabulary, or the encoding longer than the model's
                positions.
        """
        import tensorflow as tf

        _refuse_strange_ids(encoding["input_ids"], self.model.config.vocab_size)
        try:
            with tf.device(self._device):
                outputs = self.model(dict(encoding), output_hidden_states=hidden_states)
        except tf.errors.InvalidArgumentError as error:
            raise InputError(
                f"the model cannot take an encoding of the shape {encoding['input_ids'].shape}; it"
                f" may be longer than the model's positions. TensorFlow says: {error.message}"
            ) from error
        return Outputs(
            _array(outputs.logits),
            tuple(_array(one) for one in outputs.hidden_states or ()),
        )

    def probabilities(
        self, logits: NDArray[np.floating[Any]], function: ScoreFunction
    ) -> NDArray[np.floating[Any]]:
        """The logits' softmax, sigmoid, or themselves, ``[batch, labels]``."""
        import tensorflow as tf

        if function == "none":
            return logits
        with tf.device(self._device):
            scores = tf.nn.softmax(logits) if function == "softmax" else tf.sigmoid(logits)
            return _array(scores)


def _place(device: str | None) -> str:
    """TensorFlow's name of a device; by default a GPU where there is one."""
    import tensorflow as tf

    seen = [one.name.removeprefix("/physical_device:") for one in tf.config.list_physical_devices()]
    if device is None:
        return "GPU:0" if "GPU:0" in seen else "CPU:0"
    kind, _, number = device.partition(":")
    place = f"{'GPU' if kind == 'cuda' else kind.upper()}:{number or 0}"
    if place not in seen:
        raise BackendError(
            f"TensorFlow sees no device {device!r}; it has {', '.join(seen)}. Leave the device out,"
            " or choose one of these ('cuda:0' is GPU:0)"
        )
    return place


def _refuse_strange_ids(ids: NDArray[np.integer[Any]], vocabulary: int) -> None:
    # On a GPU and under XLA, TensorFlow would read another row of the embeddings, or zeros.
    if ids.size and (ids.min() < 0 or ids.max() >= vocabulary):
        raise InputError(
            f"input_ids range from {ids.min()} to {ids.max()}, but the model's vocabulary has"
            f" {vocabulary} tokens; use the tokenizer of this checkpoint"
        )


def _array(tensor: Any) -> NDArray[np.floating[Any]]:
    """The values, half precision widened to float32, which NumPy can compute with."""
    import tensorflow as tf

    if tensor.dtype in (tf.float16, tf.bfloat16):
        tensor = tf.cast(tensor, tf.float32)
    array: NDArray[np.floating[Any]] = tensor.numpy()
    return array
