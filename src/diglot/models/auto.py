"""``TFAutoModel`` and ``TFAutoModelForSequenceClassification``: Keras models of checkpoints."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from diglot import checkpoints, extras, files
from diglot.checkpoints import torch_model
from diglot.errors import BackendError, InputError
from diglot.quiet import transformers_muted

# Keras reads the variable once, at import. If it names a missing framework, the import fails with
# an error that does not mention the variable.
if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
    raise BackendError(
        f"diglot's TensorFlow models need Keras on TensorFlow, but KERAS_BACKEND is"
        f" {os.environ['KERAS_BACKEND']!r}; unset it, or set KERAS_BACKEND=tensorflow"
    )
extras.require("tensorflow", "tensorflow", "keras", "torch", what="the backend 'tensorflow'")

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
import torch  # noqa: E402
from transformers import AutoModel, AutoModelForSequenceClassification  # noqa: E402

from diglot.lowering.dtypes import to_numpy  # noqa: E402
from diglot.lowering.model import LoweredModel  # noqa: E402
from diglot.models.output import ModelOutput  # noqa: E402

if keras.backend.backend() != "tensorflow":
    raise BackendError(
        "diglot's TensorFlow models need Keras on TensorFlow, but Keras is configured for"
        f" {keras.backend.backend()!r}; set KERAS_BACKEND=tensorflow before Keras is imported"
    )

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

    from diglot.types import Precision

Tensors = Mapping[str, Any]


class _TFPreTrainedModel(keras.Model):  # type: ignore[misc] # Keras has no types
    """A checkpoint as a Keras model, called as transformers 4 called its TensorFlow classes.

    ``model(**encoding)``, ``model(encoding)`` and ``model(input_ids, attention_mask=...)`` take
    ids, mask and token types, each an integer tensor or array ``[batch, tokens]``. The result is a
    :class:`~diglot.models.output.ModelOutput`. With ``output_hidden_states=True`` it has the hidden
    states, the embeddings first. ``training=True`` applies dropout.

    The weights have the names of the checkpoint. The architecture is captured once per set of
    inputs and mode (training or evaluation), at the first call. Any number of threads may call one
    model; the methods that train it (``compile``, ``fit``) are not thread-safe.

    Attributes:
        config: transformers' configuration.
        lowered: the weights and the programs; what runs the model without Keras.
    """

    _auto: ClassVar[Any]
    _head: ClassVar[bool]

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__(name=model.config.model_type.replace("-", "_"))
        self.config = model.config
        self.lowered = LoweredModel(model, self._variable)
        self.built = True

    def _variable(self, name: str, value: torch.Tensor) -> tf.Variable:
        array = to_numpy(value)
        weight: keras.Variable = self.add_weight(
            name=name,
            shape=array.shape,
            dtype=array.dtype.name,
            initializer=lambda shape, dtype: tf.constant(array),
            trainable=isinstance(value, torch.nn.Parameter),
        )
        return weight.value

    @classmethod
    def from_pretrained(
        cls,
        pretrained: str | os.PathLike[str] | checkpoints.Checkpoint | None = None,
        *,
        precision: Precision = "float32",
        revision: str | None = None,
        labels: Sequence[str] | None = None,
        fresh_head: bool = False,
        trust_remote_code: bool = False,
    ) -> Self:
        """Read a checkpoint.

        Args:
            pretrained: a directory, a hub id, a checkpoint, or ``None`` for the small checkpoint
                that diglot ships.
            precision: the dtype of the parameters and of the arithmetic.
            revision: a branch, tag or commit of a hub id.
            labels: the label of each row of the head; by default the configuration's.
            fresh_head: allow a classification head of random weights.
            trust_remote_code: run the checkpoint's own Python code, if it has any.

        Raises:
            CheckpointError: see :func:`diglot.checkpoints.find` and
                :func:`diglot.checkpoints.torch_model.load`.
        """
        checkpoint = checkpoints.find(
            pretrained,
            revision=revision,
            labels=labels,
            fresh_head=fresh_head,
            trust_remote_code=trust_remote_code,
        )
        return cls(torch_model.load(checkpoint, precision=precision, head=cls._head))

    @classmethod
    def from_config(cls, config: PreTrainedConfig) -> Self:
        """A model with random weights, initialised by transformers' PyTorch class."""
        return cls(cls._auto.from_config(config).eval())

    def to_torch(self) -> PreTrainedModel:
        """Transformers' PyTorch model with the present weights."""
        return self.lowered.to_torch()

    def save_pretrained(self, directory: str | os.PathLike[str]) -> None:
        """Write ``config.json`` and safetensors, which transformers' PyTorch class can load."""
        with files.filling_directory(Path(directory)) as scratch, transformers_muted():
            self.to_torch().save_pretrained(scratch)

    def __call__(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        *,
        output_hidden_states: bool | None = None,
        training: bool | None = None,
        **unknown: Any,
    ) -> ModelOutput:
        """Run the model.

        Args:
            input_ids: integers ``[batch, tokens]``, or a mapping with all inputs by name.
            attention_mask: 1 for a token, 0 for padding, ``[batch, tokens]``; by default all ones.
            token_type_ids: the index of each token's sentence, ``[batch, tokens]``.
            output_hidden_states: whether to return them; by default as in the configuration.
            training: whether to apply dropout.
            unknown: inputs that the model does not have; refused.

        Raises:
            InputError: an input is missing, unknown to the architecture, or of the wrong shape.
            LoweringError: the model cannot be captured or lowered.
        """
        arguments = {"attention_mask": attention_mask, "token_type_ids": token_type_ids, **unknown}
        arguments |= input_ids if isinstance(input_ids, Mapping) else {"input_ids": input_ids}
        inputs = self._checked({n: value for n, value in arguments.items() if value is not None})
        # The capture comes before Keras, which would wrap its error into another one.
        program = self.lowered.program(inputs, bool(training))
        self.lowered.check_shape(program, inputs["input_ids"].shape)
        if output_hidden_states is None:
            output_hidden_states = bool(self.config.output_hidden_states)
        return ModelOutput(
            super().__call__(
                inputs, output_hidden_states=output_hidden_states, training=bool(training)
            )
        )

    def call(
        self, inputs: Tensors, output_hidden_states: bool = False, training: bool = False
    ) -> Tensors:
        """Run the program; Keras calls this with a mapping of int64 tensors."""
        function = self.lowered.function(
            inputs, training=training, hidden_states=output_hidden_states
        )
        names = self.lowered.program(inputs, training).inputs
        outputs: Tensors = function(*(inputs[name] for name in names))
        return outputs

    def predict_step(self, data: Any) -> Any:
        """One batch of ``predict``, as a plain dictionary, which Keras can concatenate."""
        return dict(super().predict_step(data))

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        """Keras' loss of the main output."""
        return super().compute_loss(x, y, _main(y_pred), *args, **kwargs)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Keras' metrics of the main output."""
        return super().compute_metrics(x, y, _main(y_pred), sample_weight)

    def summary(self, print_fn: Callable[[str], object] = print, **_: Any) -> None:
        """Print each module of the checkpoint with its number of parameters."""
        modules: dict[str, list[Any]] = {}
        for name, variable in self.lowered.variables.items():
            modules.setdefault(name.rpartition(".")[0], []).append((name, variable))
        width = max(map(len, modules), default=0)
        print_fn(f"{type(self).__name__} ({self.config.model_type})")
        for module, weights in modules.items():
            count = sum(variable.shape.num_elements() for _, variable in weights)
            shapes = ", ".join(f"{n.rpartition('.')[2]} {tuple(v.shape)}" for n, v in weights)
            print_fn(f"  {module:<{width}}  {count:>12,}  {shapes}")
        print_fn(f"parameters: {self.count_params():,}")

    def _checked(self, arguments: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        if unknown := set(arguments) - set(self.lowered.inputs):
            raise InputError(
                f"{self.config.model_type} takes {', '.join(self.lowered.inputs)}, not"
                f" {', '.join(sorted(unknown))}; leave that out"
            )
        if "input_ids" not in arguments:
            raise InputError(
                "input_ids are missing; pass the result of the tokenizer: model(**encoding)"
            )
        inputs = {name: _integers(name, value) for name, value in arguments.items()}
        ids = inputs["input_ids"]
        inputs.setdefault("attention_mask", tf.ones_like(ids))
        for name, value in inputs.items():
            if value.shape.rank != 2 or not value.shape.is_compatible_with(ids.shape):
                raise InputError(
                    f"{name} has the shape {tuple(value.shape)}, and input_ids"
                    f" {tuple(ids.shape)}; all must be [batch, tokens]. Tokenize a list of texts"
                    " with padding=True"
                )
        return inputs


class TFAutoModelForSequenceClassification(_TFPreTrainedModel):
    """A checkpoint with its classification head. The main output is ``logits``."""

    _auto = AutoModelForSequenceClassification
    _head = True


class TFAutoModel(_TFPreTrainedModel):
    """A checkpoint without its head. The main output is ``last_hidden_state``."""

    _auto = AutoModel
    _head = False


def _integers(name: str, value: Any) -> tf.Tensor:
    try:
        tensor = tf.convert_to_tensor(value)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{name} cannot be made a tensor: {error}. All rows need the same length; tokenize with"
            " padding=True"
        ) from error
    if not (tensor.dtype.is_integer or tensor.dtype.is_bool):
        raise InputError(f"{name} must be integers, not {tensor.dtype.name}; cast it to int32")
    return tf.cast(tensor, tf.int64)


def _main(outputs: Tensors) -> Any:
    """The first output: the logits, or the last hidden state of a model without a head."""
    return next(iter(outputs.values()))
