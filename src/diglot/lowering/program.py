"""The lowered program: a ``tf.Module`` that walks the captured graph."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx import Node
from torch.fx.node import map_arg
from torch.utils._pytree import tree_unflatten

from diglot.errors import LoweringError, UnsupportedOperatorsError
from diglot.lowering import dtypes
from diglot.lowering.limitations import DECLINED
from diglot.lowering.passes.promotion import promote
from diglot.lowering.registry import REGISTRY

# What a captured graph calls besides ATen: a tuple's item, and arithmetic on symbolic sizes.
_PYTHON = frozenset(
    {
        operator.getitem,
        operator.add,
        operator.sub,
        operator.mul,
        operator.floordiv,
        operator.mod,
        operator.neg,
        operator.eq,
        operator.ne,
        operator.lt,
        operator.le,
        operator.gt,
        operator.ge,
    }
)


def lower(
    exported: ExportedProgram,
    *,
    variables: Mapping[str, tf.Variable] | None = None,
    prefix: str = "",
) -> Program:
    """Turn a captured graph into a TensorFlow program.

    Args:
        exported: what :func:`diglot.lowering.capture` returned.
        variables: the parameters by name, where they exist already, as when several programs share
            them; those that are not given are made from the captured module's values.
        prefix: what to take off the captured names.

    Raises:
        UnsupportedOperatorsError: the graph has operators without a lowering. All are named, each
            with how often and where first it occurs.
    """
    promote(exported.graph_module)
    _refuse_missing(exported)
    return Program(exported, dict(variables or {}), prefix)


class Program(tf.Module):  # type: ignore[misc] # TensorFlow has no types
    """A captured PyTorch program that runs in TensorFlow: eagerly, in a graph, or under XLA.

    Attributes:
        inputs: the shape of each input by name, in order; ``None`` for a size that may vary.
        parameters: the ``tf.Variable`` of each parameter and persistent buffer by its PyTorch name.
        nodes: the captured operators in the order in which they run, with the inputs before them
            and the output behind.
        bound: the variables and constants by the name of the node that stands for each.
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
        recorded = {node.name: node.meta.get("val") for node in self.nodes}
        values = {**exported.constants, **exported.state_dict}
        for spec in exported.graph_signature.input_specs:
            if spec.kind is InputKind.USER_INPUT:
                self.inputs[spec.arg.name] = _static_shape(recorded[spec.arg.name])
                continue
            name = str(spec.target).removeprefix(prefix)
            value = dtypes.to_numpy(values[spec.target])
            if spec.kind is InputKind.PARAMETER or spec.persistent:
                trainable = spec.kind is InputKind.PARAMETER
                if name not in variables:
                    variables[name] = tf.Variable(value, trainable=trainable, name=name)
                self.parameters[name] = value = variables[name]
            self.bound[spec.arg.name] = value

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def __call__(self, **inputs: tf.Tensor) -> Any:
        """Run the program.

        Args:
            inputs: one tensor for each of ``self.inputs``, of the dtype that was captured.

        Returns:
            What the captured module returns, in the same structure, with TensorFlow's tensors.

        Raises:
            LoweringError: the inputs are not those that were captured; or an operator failed, or
                gave something of another dtype or shape than PyTorch's.
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
    """One operator's result, held against what was recorded for it."""
    args, kwargs = map_arg((node.args, node.kwargs), values.__getitem__)
    if node.target in _PYTHON:
        return node.target(*args)
    try:
        result = REGISTRY[node.target].function(*args, **kwargs)
        _verify(node, result)
    except LoweringError:
        raise
    except Exception as error:  # whatever TensorFlow raises, which knows nothing of the module
        raise LoweringError(f"{node.target} in {_module(node)}: {error}") from error
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
                f"{node.target} in {_module(node)} gave {actual.dtype.name} {actual.shape}, where"
                f" PyTorch gives {dtype.name} {shape}; its lowering in"
                f" {REGISTRY[node.target].function.__module__} is wrong"
            )
        # A size that PyTorch knows may have got lost on the way, as behind a -1 of a reshape.
        actual.set_shape(shape)


def _static_shape(recorded: torch.Tensor) -> list[int | None]:
    return [one if isinstance(one, int) else None for one in recorded.shape]


def _module(node: Node) -> str:
    """The Hugging Face name of the module that called the operator."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return stack[-1][0] if stack and stack[-1][0] else "the top module"


def _refuse_missing(exported: ExportedProgram) -> None:
    missing: Counter[Any] = Counter()
    first: dict[Any, str] = {}
    for node in exported.graph_module.graph.nodes:
        if node.op != "call_function" or node.target in REGISTRY or node.target in _PYTHON:
            continue
        missing[node.target] += 1
        first.setdefault(node.target, _module(node))
    if missing:
        raise UnsupportedOperatorsError(
            f"{len(missing)} operator(s) of this model have no lowering to TensorFlow:\n"
            + "\n".join(
                f"  {_spelled(target)}: {count}x, first in {first[target]};"
                f" {DECLINED.get(target) or f'add it to {_home(target)}'}"
                for target, count in missing.most_common()
            )
            + "\nrun this checkpoint with backend='torch', or see ARCHITECTURE.md on adding one"
        )


# The words by which a name tells its family, the telling ones first.
_FAMILIES = {
    "indexing": ("index", "gather", "scatter", "select"),
    "normalization": ("norm", "softmax"),
    "matmul": ("mm", "conv", "attention", "dot"),
    "layout": ("view", "strided", "slice", "pad", "copy"),
}


def _spelled(target: Any) -> str:
    return str(target) if _is_operator(target) else f"{target.__module__}.{target.__name__}"


def _is_operator(target: Any) -> bool:
    """Whether it is an operator of PyTorch, and not a Python function of symbolic sizes."""
    return isinstance(target, torch._ops.OpOverload)


def _home(target: Any) -> str:
    """The file that a lowering of this operator belongs into."""
    if not _is_operator(target):
        return "src/diglot/lowering/program.py"
    family = "elementwise" if torch.Tag.pointwise in getattr(target, "tags", ()) else "reduction"
    for name, words in _FAMILIES.items():
        if any(word in str(target) for word in words):
            family = name
            break
    return f"src/diglot/lowering/ops/{family}.py"
