"""A transformers model in TensorFlow: its variables, and one program per set of inputs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Sequence
from threading import RLock
from typing import TYPE_CHECKING, Any

import tensorflow as tf
import torch

from diglot.checkpoints.architectures import INPUTS
from diglot.errors import InputError
from diglot.lowering import dtypes, record
from diglot.lowering.program import Program
from diglot.lowering.workarounds import NO_PAD_TOKEN, most_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MakeVariable = Callable[[str, torch.Tensor], tf.Variable]
"""Makes a variable from its name and its initial value."""


class LoweredModel:
    """The weights of a transformers model as variables, and the programs that use them.

    The model is captured once per set of inputs and mode (training or evaluation), at the first
    request. All methods are thread-safe. Captures of different models run one at a time, because
    ``torch.export`` changes the state of the whole process.

    Attributes:
        config: transformers' configuration.
        inputs: the names of the inputs for text that the model takes.
        variables: the variables by the checkpoint's names; tied weights share one variable.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        make_variable: MakeVariable | None = None,
        *,
        without: Collection[str] = (),
    ) -> None:
        """Take over a model and release the memory of its weights.

        Args:
            model: transformers' PyTorch model. Afterwards it can be captured, but not run.
            make_variable: makes each variable; by default a plain ``tf.Variable``.
            without: the names of optional passes to leave out; see :mod:`diglot.lowering.passes`.
        """
        make_variable = make_variable or _make_variable
        self.config = model.config
        self.inputs = record.text_inputs(model)
        self.variables: dict[str, tf.Variable] = {}
        by_identity: dict[int, tf.Variable] = {}
        for name, value in model.state_dict(keep_vars=True).items():
            if id(value) not in by_identity:
                by_identity[id(value)] = make_variable(name, value)
            self.variables[name] = by_identity[id(value)]
        self._skeleton = _skeleton(model)
        self._without = tuple(without)
        self._lock = RLock()
        self._programs: dict[tuple[tuple[str, ...], bool], Program] = {}
        self._functions: dict[tuple[Program, bool], Any] = {}

    def program(self, inputs: Collection[str], training: bool = False) -> Program:
        """The program for these inputs; the model is captured at the first request.

        Args:
            inputs: the names of the inputs.
            training: whether the program applies dropout.

        Raises:
            LoweringError: the model cannot be captured or lowered.
        """
        key = tuple(name for name in INPUTS if name in inputs), training
        if key not in self._programs:  # no lock for a program that exists already
            with self._lock:
                if key not in self._programs:
                    self._skeleton.train(training)
                    self._programs[key] = record.record(
                        self._skeleton, key[0], self.variables, self._without
                    )
        return self._programs[key]

    def function(
        self, inputs: Collection[str], *, training: bool = False, hidden_states: bool = False
    ) -> Any:
        """The program for these inputs as a ``tf.function`` of int64 tensors ``[batch, tokens]``.

        The tensors are passed by position, in the order of ``Program.inputs``.

        Args:
            inputs: the names of the inputs.
            training: whether the program applies dropout.
            hidden_states: whether the result contains the hidden states.

        Raises:
            LoweringError: the model cannot be captured or lowered.
        """
        program = self.program(inputs, training)
        key = program, hidden_states
        if key not in self._functions:
            with self._lock:
                if key not in self._functions:
                    self._functions[key] = _function(program, hidden_states)
        return self._functions[key]

    def check_shape(self, program: Program, shape: Sequence[int | None]) -> None:
        """Check that a program holds for a shape of its inputs.

        Args:
            program: one of this model's programs.
            shape: ``[batch, tokens]``; ``None`` for an unknown size.

        Raises:
            InputError: the model takes one row at a time, as decoders without a pad token do; or
                the model takes another branch for so many tokens.
        """
        rows, tokens = shape
        if program.inputs["input_ids"][0] == 1 and rows not in (1, None):
            raise InputError(
                f"{NO_PAD_TOKEN} This batch has {rows} rows; set config.pad_token_id, or call the"
                " model with one row at a time"
            )
        most = most_tokens(self.config)
        if most is not None and tokens is not None and tokens > most:
            raise InputError(
                f"the encoding is {tokens} tokens long, but the lowered {self.config.model_type}"
                f" takes at most {most} tokens: the model computes longer inputs in another way."
                " Truncate the text, or use backend='torch'"
            )

    def to_torch(self) -> PreTrainedModel:
        """Transformers' PyTorch model with the present weights, in evaluation mode."""
        with self._lock:
            # deepcopy would allocate each parameter, and load_state_dict replaces it.
            empty = {
                id(value): torch.nn.Parameter(torch.empty_like(value, device="meta"))
                for value in self._skeleton.parameters()
            }
            model = copy.deepcopy(self._skeleton, empty)
        weights = {
            name: dtypes.to_torch(variable.numpy()) for name, variable in self.variables.items()
        }
        model.load_state_dict(weights, assign=True)
        return model.eval()


def _make_variable(name: str, value: torch.Tensor) -> tf.Variable:
    trainable = isinstance(value, torch.nn.Parameter)
    return tf.Variable(dtypes.to_numpy(value), trainable=trainable, name=name)


def _function(program: Program, hidden_states: bool) -> Any:
    def run(*inputs: tf.Tensor) -> dict[str, Any]:
        outputs: dict[str, Any] = program(**dict(zip(program.inputs, inputs, strict=True)))
        if not hidden_states:
            outputs.pop("hidden_states", None)
        return outputs

    signature = [tf.TensorSpec(shape, tf.int64, name) for name, shape in program.inputs.items()]
    return tf.function(run, input_signature=signature, autograph=False)


def _skeleton(model: PreTrainedModel) -> PreTrainedModel:
    """Release the memory of every parameter; the model can then be captured, but not run."""
    for parameter in model.parameters():
        parameter.data = torch.zeros((), dtype=parameter.dtype).expand(parameter.shape)
    return model
