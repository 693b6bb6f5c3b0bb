"""The lowered program: a ``tf.Module`` that walks the captured graph."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import tensorflow as tf
import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx import Node
from torch.fx.node import map_arg
from torch.utils._pytree import tree_unflatten

from diglot.errors import LoweringError
from diglot.lowering import dtypes, passes
from diglot.lowering.missing import PYTHON, calling_module, refuse_missing
from diglot.lowering.registry import REGISTRY


def lower(
    exported: ExportedProgram,
    *,
    variables: Mapping[str, tf.Variable] | None = None,
    prefix: str = "",
    without: Collection[str] = (),
) -> Program:
    """Turn a captured graph into a TensorFlow program.

    Args:
        exported: the result of :func:`diglot.lowering.capture`. The passes may change it.
        variables: existing parameters by name, which several programs can share. A missing one is
            made from the captured module's value.
        prefix: removed from the captured names.
        without: the names of optional passes to leave out; see :mod:`diglot.lowering.passes`.

    Raises:
        LoweringError: ``without`` names no optional pass.
        UnsupportedOperatorsError: the graph has operators without a lowering. The message names
            all of them, each with its number of calls and the module of the first.
    """
    exported = passes.run(exported, without)
    refuse_missing(exported)
    return Program(exported, dict(variables or {}), prefix)


# TensorFlow's sizes are int32: a larger bound is none.
_UNBOUNDED = 2**31 - 1


class Program(tf.Module):  # type: ignore[misc] # TensorFlow has no types
    """A captured PyTorch program that runs in TensorFlow: eagerly, in a graph, or under XLA.

    Any number of threads may run one program.

    Attributes:
        inputs: the shape of each input by name, in order; ``None`` for a size that may vary.
        ranges: the smallest and the largest size of each dimension of each input, by name, for
            which ``torch.export`` guarantees the program; ``None`` if there is no largest size. A
            model can branch on a size. The range can be too narrow: DeBERTa slices a buffer of
            positions that it then does not use, which limits the range to the buffer's size.
        parameters: the ``tf.Variable`` of each parameter and persistent buffer, by PyTorch name.
        nodes: the captured operators in the order in which they run; the inputs come first, the
            output last.
        bound: the variables and constants, by the name of their placeholder node.
    """

    def __init__(
        self, exported: ExportedProgram, variables: dict[str, tf.Variable], prefix: str
    ) -> None:
        super().__init__(name="program")
        self.parameters: dict[str, tf.Variable] = {}
        self.nodes = list(exported.graph_module.graph.nodes)
        self._output = exported.call_spec.out_spec
        self.bound: dict[str, Any] = {}
        self.inputs: dict[str, list[int | None]] = {}
        self.ranges: dict[str, list[tuple[int, int | None]]] = {}
        recorded = {node.name: node.meta.get("val") for node in self.nodes}
        values = {**exported.constants, **exported.state_dict}
        for spec in exported.graph_signature.input_specs:
            if spec.kind is InputKind.USER_INPUT:
                example = recorded[spec.arg.name]
                self.inputs[spec.arg.name] = _static_shape(example)
                self.ranges[spec.arg.name] = [_range(size, exported) for size in example.shape]
                continue
            name, value = str(spec.target).removeprefix(prefix), values[spec.target]
            if spec.kind is InputKind.PARAMETER or spec.persistent:
                if name not in variables:
                    trainable = spec.kind is InputKind.PARAMETER
                    initial = dtypes.to_numpy(value)
                    variables[name] = tf.Variable(initial, trainable=trainable, name=name)
                self.parameters[name] = self.bound[spec.arg.name] = variables[name]
            else:
                self.bound[spec.arg.name] = dtypes.to_numpy(value)

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def __call__(self, **inputs: tf.Tensor) -> Any:
        """Run the program.

        Args:
            inputs: one tensor per name in ``self.inputs``, of the captured dtype.

        Returns:
            The result of the captured module, in the same structure, as TensorFlow tensors.

        Raises:
            LoweringError: the inputs are not the captured ones; an operator failed; or its result
                has another dtype or shape than PyTorch's.
        """
        if set(inputs) != set(self.inputs):
            raise LoweringError(
                f"the program takes the inputs {', '.join(self.inputs)}, not"
                f" {', '.join(inputs) or 'none'}; pass each by its name"
            )
        values: dict[Node, Any] = {}
        *nodes, output = self.nodes
        for node in nodes:
            if node.op == "call_function":
                values[node] = apply(node, values)
            elif node.name in inputs:
                values[node] = self._checked(node, inputs[node.name])
            else:
                values[node] = tf.convert_to_tensor(self.bound[node.name])
        return tree_unflatten(map_arg(output.args[0], values.__getitem__), self._output)

    def _checked(self, node: Node, value: Any) -> tf.Tensor:
        tensor, shape = tf.convert_to_tensor(value), self.inputs[node.name]
        dtype = dtypes.to_tf(node.meta["val"].dtype)
        if tensor.dtype != dtype or not tensor.shape.is_compatible_with(shape):
            raise LoweringError(
                f"{node.name} is {tensor.dtype.name} {tensor.shape}, but the program was captured"
                f" for {dtype.name} {tf.TensorShape(shape)}; cast or reshape it, or capture the"
                " module with such an example"
            )
        return tf.ensure_shape(tensor, shape)


def apply(node: Node, values: Mapping[Node, Any]) -> Any:
    """The result of one operator; its dtype and shape are checked against the recorded ones.

    Args:
        node: a call of an operator.
        values: the value of each node that the call reads.

    Raises:
        LoweringError: the operator fails, or its result has another dtype or shape.
    """
    args, kwargs = map_arg((node.args, node.kwargs), values.__getitem__)
    if node.target in PYTHON:
        return node.target(*args)
    try:
        result = REGISTRY[node.target].function(*args, **kwargs)
        _verify(node, result)
    except LoweringError:
        raise
    except Exception as error:  # TensorFlow raises many types, none of which names the module
        raise LoweringError(f"{node.target} in {calling_module(node)}: {error}") from error
    return result


def _verify(node: Node, result: Any) -> None:
    recorded = node.meta.get("val")
    several = isinstance(recorded, (list, tuple))
    for expected, actual in zip(recorded, result, strict=True) if several else [(recorded, result)]:
        if not isinstance(expected, torch.Tensor):
            continue
        shape = _static_shape(expected)
        dtype = dtypes.to_tf(expected.dtype)
        if actual.dtype != dtype or not actual.shape.is_compatible_with(shape):
            raise LoweringError(
                f"{node.target} in {calling_module(node)} gave {actual.dtype.name} {actual.shape},"
                f" where PyTorch gives {dtype.name} {shape}; correct its lowering in"
                f" {REGISTRY[node.target].function.__module__}"
            )
        # TensorFlow loses some sizes that PyTorch knows, for example after a reshape to -1.
        actual.set_shape(shape)


def _static_shape(recorded: torch.Tensor) -> list[int | None]:
    return [size if isinstance(size, int) else None for size in recorded.shape]


def _range(size: Any, exported: ExportedProgram) -> tuple[int, int | None]:
    """The sizes for which the program holds, as far as ``torch.export`` knows them."""
    if isinstance(size, int):
        return size, size
    constraint = exported.range_constraints.get(size.node.expr)
    if constraint is None:
        return 0, None
    # torch.export excludes 0 and 1 from every dynamic dimension; the lowerings handle them.
    least = int(constraint.lower) if constraint.lower > 2 else 0
    most = constraint.upper
    return least, int(most) if most.is_Integer and most < _UNBOUNDED else None
