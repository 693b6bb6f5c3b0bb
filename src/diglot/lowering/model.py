"""A transformers model in TensorFlow: its variables, and one program for each set of inputs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection
from threading import RLock
from typing import TYPE_CHECKING, Any

import tensorflow as tf
import torch

from diglot.checkpoints.architectures import INPUTS
from diglot.errors import InputError
from diglot.lowering import dtypes, record
from diglot.lowering.program import Program

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MakeVariable = Callable[[str, torch.Tensor], tf.Variable]
"""Makes the variable of a name and an initial value."""


class LoweredModel:
    """The weights of a transformers model as variables, and the programs that use them.

    The architecture is recorded once for each set of inputs, in training and in evaluation, when
    it is first called so. Any number of threads may call one model.

    Attributes:
        config: transformers' configuration.
        inputs: the names of the inputs for text that the model takes.
        variables: the variables by the checkpoint's names; tied weights share one variable.
    """

    def __init__(self, model: PreTrainedModel, make_variable: MakeVariable | None = None) -> None:
        """Take over a model; its own weights are released.

        Args:
            model: transformers' PyTorch model; it can be recorded afterwards, but not run.
            make_variable: makes each variable; a plain ``tf.Variable`` unless given.
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
        self._lock = RLock()
        self._programs: dict[tuple[tuple[str, ...], bool], Program] = {}
        self._functions: dict[tuple[Program, bool], Any] = {}

    def program(self, inputs: Collection[str], training: bool = False) -> Program:
        """The program for these inputs; it is recorded at the first request.

        Args:
            inputs: their names.
            training: whether dropout is part of the program.

        Raises:
            LoweringError: the model cannot be recorded or lowered.
        """
        key = tuple(name for name in INPUTS if name in inputs), training
        if key not in self._programs:
            with self._lock:
                if key not in self._programs:
                    self._skeleton.train(training)
                    self._programs[key] = record.record(self._skeleton, key[0], self.variables)
        return self._programs[key]

    def function(
        self, inputs: Collection[str], *, training: bool = False, hidden_states: bool = False
    ) -> Any:
        """The program for these inputs as a ``tf.function`` of int64 tensors, in its own order.

        Args:
            inputs: their names.
            training: whether dropout is part of the program.
            hidden_states: whether the result holds them.

        Raises:
            LoweringError: the model cannot be recorded or lowered.
        """
        program = self.program(inputs, training)
        key = program, hidden_states
        if key not in self._functions:
            with self._lock:
                if key not in self._functions:
                    self._functions[key] = _function(program, hidden_states)
        return self._functions[key]

    def check_rows(self, program: Program, rows: int | None) -> None:
        """Check that a program takes so many rows at once; ``None`` for an unknown number.

        Raises:
            InputError: the model takes one row at a time, as decoders without a pad token do.
        """
        if program.inputs["input_ids"][0] == 1 and rows not in (1, None):
            raise InputError(
                f"{record.NO_PAD_TOKEN} This batch has {rows} rows; set config.pad_token_id, or"
                " call the model with one row at a time"
            )

    def to_torch(self) -> PreTrainedModel:
        """Transformers' PyTorch model with the present weights."""
        # deepcopy would allocate each parameter, only for load_state_dict to replace it.
        empty = {
            id(value): torch.nn.Parameter(torch.empty_like(value, device="meta"))
            for value in self._skeleton.parameters()
        }
        model = copy.deepcopy(self._skeleton, empty)
        weights = {name: dtypes.to_torch(one.numpy()) for name, one in self.variables.items()}
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
    """The model with the memory of every parameter released: it can be recorded, but not run."""
    for parameter in model.parameters():
        parameter.data = torch.zeros((), dtype=parameter.dtype).expand(parameter.shape)
    return model
