"""The values of a captured graph, node by node, in PyTorch or in TensorFlow."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Set
from typing import Any

import tensorflow as tf
import torch
from torch.fx import Node
from torch.fx.node import map_arg
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map_only, tree_unflatten

from diglot.errors import LoweringError
from diglot.lowering import Program, passes
from diglot.lowering.dtypes import to_numpy, to_torch
from diglot.lowering.passes.promotion import convert
from diglot.lowering.program import apply

DOUBLED: Mapping[torch.dtype, torch.dtype] = dict.fromkeys(
    (torch.float16, torch.bfloat16, torch.float32), torch.float64
)
"""Replaces every floating-point dtype by float64."""


class Values(ABC):
    """The values of the nodes on one side of a trace.

    Attributes:
        by_node: the value of each node so far, by name: PyTorch tensors in either framework, and
            Python numbers for sizes.
    """

    def __init__(self, by_node: Mapping[str, Any]) -> None:
        """Start with the values of the graph's inputs, weights and constants."""
        self.by_node = dict(by_node)

    @abstractmethod
    def call(self, node: Node, inputs: Mapping[str, Any]) -> Any:
        """The result of ``node`` on this side, for inputs of either side.

        Raises:
            LoweringError: the operator fails.
        """

    def needs(self, node: Node) -> Set[str]:
        """The names of the nodes whose values :meth:`call` reads."""
        return {source.name for source in node.all_input_nodes}

    def has(self, node: Node) -> bool:
        """Whether this side has the operator."""
        return True

    def changed_call(self, node: Node) -> str:
        """The differences between this side's call and the recorded one; empty without any."""
        return ""

    def advance(self, node: Node) -> None:
        """Run ``node`` on this side's own values; without a result if it fails."""
        try:
            self.by_node[node.name] = self.call(node, self.by_node)
        except LoweringError:
            self.by_node.pop(node.name, None)


class TorchValues(Values):
    """The graph in PyTorch."""

    def __init__(
        self, by_node: Mapping[str, Any], exchange: Mapping[torch.dtype, torch.dtype]
    ) -> None:
        """Start.

        Args:
            by_node: as for :class:`Values`.
            exchange: the dtypes to replace, each by another.
        """
        super().__init__(by_node)
        self._exchange = exchange

    def call(self, node: Node, inputs: Mapping[str, Any]) -> Any:
        """The result of PyTorch's operator; inputs are cast to the dtypes recorded for them."""
        args, kwargs = map_arg((node.args, node.kwargs), lambda source: self._cast(source, inputs))
        if node.target is convert and not isinstance(args[0], torch.Tensor):
            return args[0]  # a size, which PyTorch promotes itself
        args, kwargs = tree_map_only(torch.dtype, self._exchanged, (args, kwargs))
        default = torch.get_default_dtype()
        torch.set_default_dtype(self._exchange.get(default, default))
        try:
            return node.target(*args, **kwargs)
        finally:
            torch.set_default_dtype(default)

    def _exchanged(self, dtype: torch.dtype) -> torch.dtype:
        return self._exchange.get(dtype, dtype)

    def _cast(self, source: Node, inputs: Mapping[str, Any]) -> Any:
        def cast(value: Any, recorded: Any) -> Any:
            is_tensor = isinstance(value, torch.Tensor)
            return value.to(self._exchanged(recorded.dtype)) if is_tensor else value

        # An operator returns its results as a list, and a recording may have them as a tuple.
        results, structure = tree_flatten(inputs[source.name])
        recorded = tree_leaves(source.meta["val"])
        return tree_unflatten(map(cast, results, recorded), structure)


class TensorFlowValues(Values):
    """The graph as a TensorFlow program, whose nodes are found by name.

    A node that an optional pass made has the name of the last recorded node that it replaces. A
    node of the program without a recorded name, such as a derived weight, is computed as a part of
    each node that reads it.
    """

    def __init__(self, by_node: Mapping[str, Any], program: Program, recorded: Set[str]) -> None:
        """Start.

        Args:
            by_node: the reference's values; the program's own weights and constants replace them.
            program: the program.
            recorded: the names of the graph's nodes.

        Raises:
            LoweringError: the program is of another graph.
        """
        super().__init__(by_node)
        difference = sorted(self.by_node.keys() ^ {*program.bound, *program.inputs})
        if difference:
            raise LoweringError(
                f"the program was recorded from another model: {len(difference)} inputs or weights"
                f" are in one of the two only, the first is {difference[0]}; trace a program that"
                " was made from this checkpoint"
            )
        for name, variable in program.bound.items():
            value = to_torch(tf.convert_to_tensor(variable).numpy())
            # Equal tensors share their memory with the reference.
            if value.dtype is not by_node[name].dtype or not torch.equal(value, by_node[name]):
                self.by_node[name] = value
        self._recorded = recorded
        self._nodes = {passes.recorded_name(node): node for node in program.nodes}

    def call(self, node: Node, inputs: Mapping[str, Any]) -> Any:
        """The result of the lowered operator."""
        result = self._apply(self._nodes[node.name], inputs)
        return tree_map_only(tf.Tensor, lambda tensor: to_torch(tensor.numpy()), result)

    def needs(self, node: Node) -> Set[str]:
        """The recorded nodes whose values the program's node reads, directly or not."""
        lowered = self._nodes.get(node.name)
        return set(self._sources(lowered)) if lowered is not None else set()

    def has(self, node: Node) -> bool:
        """Whether the program has the operator, or one that replaces it."""
        return node.name in self._nodes

    def changed_call(self, node: Node) -> str:
        """The differences between the program's call and the recorded one."""
        recorded, lowered = _described(node), _described(self._nodes[node.name])
        return ", ".join(
            f"{name} is {lowered.get(name)} instead of {recorded.get(name)}"
            for name in dict.fromkeys([*recorded, *lowered])
            if recorded.get(name) != lowered.get(name)
        )

    def _is_recorded(self, node: Node) -> bool:
        return passes.recorded_name(node) in self._recorded

    def _sources(self, node: Node) -> Iterator[str]:
        for source in node.all_input_nodes:
            if self._is_recorded(source):
                yield passes.recorded_name(source)
            else:
                yield from self._sources(source)

    def _apply(self, node: Node, inputs: Mapping[str, Any]) -> Any:
        return apply(node, {source: self._input(source, inputs) for source in node.all_input_nodes})

    def _input(self, node: Node, inputs: Mapping[str, Any]) -> Any:
        if not self._is_recorded(node):
            return self._apply(node, inputs)
        name = passes.recorded_name(node)
        if name not in inputs:
            raise LoweringError(f"it reads {name}, which has no value yet")
        return tree_map_only(torch.Tensor, lambda x: tf.constant(to_numpy(x)), inputs[name])


def _described(node: Node) -> dict[str, str]:
    """The operator and each argument by its name; a node by the name of the recorded one."""
    schema = getattr(node.target, "_schema", None)
    positions = map(str, range(len(node.args)))
    names = [argument.name for argument in schema.arguments] if schema else positions
    arguments = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    spelled = {name: str(map_arg(value, _spelled)) for name, value in arguments.items()}
    return {"the operator": str(node.target), **spelled}


def _spelled(node: Node) -> Any:
    """The recorded name; a derived weight as the operator and its arguments."""
    if passes.is_derived(node):
        return f"{node.target}{node.args}"
    return passes.recorded_name(node)
