"""``TFAutoModel`` and ``TFAutoModelForSequenceClassification``."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from diglot import checkpoints, extras, files
from diglot.checkpoints import torch_model
from diglot.errors import BackendError, InputError
from diglot.quiet import transformers_muted

# Keras reads the variable once, at import, and an absent framework would fail in its place.
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

from diglot.lowering import Program  # noqa: E402
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
    """One checkpoint as a Keras model, called as transformers 4 called its TensorFlow classes.

    ``model(**encoding)``, ``model(encoding)`` and ``model(input_ids, attention_mask=...)`` take
    ids, mask and token types, each an integer tensor or array ``[batch, tokens]``. The result is a
    :class:`~diglot.models.output.ModelOutput`; with ``output_hidden_states=True`` it has the hidden
    states too, the embeddings first. ``training=True`` applies dropout.

    The weights carry the names that the checkpoint has for them. For each set of inputs, in
    training and in evaluation, the architecture is recorded once, when first called.

    Attributes:
        config: transformers' configuration.
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
            pretrained: a directory, a hub id, a checkpoint that was found already, or ``None`` for
                the small one that diglot ships.
            precision: the dtype of the parameters and of the arithmetic.
            revision: a branch, tag or commit of a hub id.
            labels: one for each row of the head, instead of the configuration's.
            fresh_head: allow a classification head of random weights.
            trust_remote_code: run the checkpoint's own Python code where it has some.

        Raises:
            CheckpointError: see :func:`diglot.checkpoints.find` and
                :func:`diglot.checkpoints.torch_model.load`.
        """
        if not isinstance(pretrained, checkpoints.Checkpoint):
            pretrained = checkpoints.find(
                pretrained,
                revision=revision,
                labels=labels,
                fresh_head=fresh_head,
                trust_remote_code=trust_remote_code,
            )
        return cls(torch_model.load(pretrained, precision=precision, head=cls._head))

    @classmethod
    def from_config(cls, config: PreTrainedConfig) -> Self:
        """A model of random weights, as transformers' PyTorch class initialises them."""
        return cls(cls._auto.from_config(config).eval())

    def to_torch(self) -> PreTrainedModel:
        """Transformers' PyTorch model with the weights that this one has now."""
        return self.lowered.to_torch()

    def save_pretrained(self, directory: str | os.PathLike[str]) -> None:
        """Write ``config.json`` and safetensors that transformers' PyTorch class loads back."""
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
            input_ids: integers ``[batch, tokens]``; or all inputs by name in one mapping.
            attention_mask: 1 for a token, 0 for padding, ``[batch, tokens]``; all ones by default.
            token_type_ids: which sentence each token is of, ``[batch, tokens]``.
            output_hidden_states: whether to return them; the configuration decides by default.
            training: whether to apply dropout.
            unknown: refused.

        Raises:
            InputError: an input is missing, unknown to the architecture, or of the wrong shape.
        """
        given = {"attention_mask": attention_mask, "token_type_ids": token_type_ids, **unknown}
        given |= input_ids if isinstance(input_ids, Mapping) else {"input_ids": input_ids}
        inputs = self._checked({name: one for name, one in given.items() if one is not None})
        # Recorded here already: Keras would wrap an error of the recording into one of its own.
        program = self.program(inputs, bool(training))
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
        """What Keras calls: one mapping of int64 tensors in, one of tensors out."""
        program = self.program(inputs, training)
        function = self.lowered.function(
            inputs, training=training, hidden_states=output_hidden_states
        )
        outputs: Tensors = function(*(inputs[name] for name in program.inputs))
        return outputs

    def program(self, inputs: Collection[str], training: bool = False) -> Program:
        """What the model runs for these inputs; recorded when first asked for.

        Args:
            inputs: their names.
            training: whether dropout is part of it.

        Raises:
            LoweringError: the model cannot be recorded or lowered.
        """
        return self.lowered.program(inputs, training)

    def predict_step(self, data: Any) -> Any:
        """One batch of ``predict``: Keras joins plain dictionaries of tensors."""
        return dict(super().predict_step(data))

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        """Keras' loss, on the main output."""
        return super().compute_loss(x, y, _main(y_pred), *args, **kwargs)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Keras' metrics, on the main output."""
        return super().compute_metrics(x, y, _main(y_pred), sample_weight)

    def summary(self, print_fn: Callable[[str], object] = print, **_: Any) -> None:
        """Print each module of the checkpoint with the number of its parameters."""
        modules: dict[str, list[Any]] = {}
        for name, variable in self.lowered.variables.items():
            modules.setdefault(name.rpartition(".")[0], []).append((name, variable))
        width = max(map(len, modules), default=0)
        print_fn(f"{type(self).__name__} ({self.config.model_type})")
        for module, own in modules.items():
            count = sum(one.shape.num_elements() for _, one in own)
            shapes = ", ".join(f"{n.rpartition('.')[2]} {tuple(one.shape)}" for n, one in own)
            print_fn(f"  {module:<{width}}  {count:>12,}  {shapes}")
        print_fn(f"parameters: {self.count_params():,}")

    def _checked(self, given: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        if strangers := set(given) - set(self.lowered.inputs):
            raise InputError(
                f"{self.config.model_type} takes {', '.join(self.lowered.inputs)}, not"
                f" {', '.join(sorted(strangers))}; leave that out"
            )
        if "input_ids" not in given:
            raise InputError(
                "input_ids are missing; pass what the tokenizer gave: model(**encoding)"
            )
        inputs = {name: _integers(name, value) for name, value in given.items()}
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
    """A checkpoint with its classification head; the main output is ``logits``."""

    _auto = AutoModelForSequenceClassification
    _head = True


class TFAutoModel(_TFPreTrainedModel):
    """A checkpoint without its head; the main output is ``last_hidden_state``."""

    _auto = AutoModel
    _head = False


def _integers(name: str, value: Any) -> tf.Tensor:
    try:
        tensor = tf.convert_to_tensor(value)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{name} cannot be made a tensor: {error}. Rows of one length are needed; tokenize"
            " with padding=True"
        ) from error
    if not (tensor.dtype.is_integer or tensor.dtype.is_bool):
        raise InputError(f"{name} must be integers, not {tensor.dtype.name}; cast it to int32")
    return tf.cast(tensor, tf.int64)


def _main(outputs: Tensors) -> Any:
    """The logits, or the last hidden state of a model without a head."""
    return next(iter(outputs.values()))
