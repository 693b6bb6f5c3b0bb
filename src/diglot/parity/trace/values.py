"""One recorded graph, run node by node: in PyTorch, in any precision, and in TensorFlow."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Set
from typing import Any

import tensorflow as tf
import torch
from torch.fx import Node
from torch.fx.node import map_arg
from torch.utils._pytree import tree_map, tree_map_only

from diglot.errors import LoweringError
from diglot.lowering import Program
from diglot.lowering.dtypes import to_numpy, to_torch
from diglot.lowering.passes.promotion import convert
from diglot.lowering.program import apply

DOUBLED: Mapping[torch.dtype, torch.dtype] = dict.fromkeys(
    (torch.float16, torch.bfloat16, torch.float32), torch.float64
)
"""What makes float64 of every precision."""


class Reading(ABC):
    """One side of a trace.

    Attributes:
        values: what the nodes gave so far, by name: PyTorch's tensors whatever the framework, and
            Python's numbers for sizes.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        """Begin with the values of the graph's inputs, weights and constants."""
        self.values = dict(values)

    @abstractmethod
    def call(self, node: Node, given: Mapping[str, Any]) -> Any:
        """What ``node`` gives for these inputs, whichever side they are from.

        Raises:
            LoweringError: it gives nothing.
        """

    def needs(self, node: Node) -> Set[str]:
        """The nodes whose values :meth:`call` looks up."""
        return {one.name for one in node.all_input_nodes}

    def knows(self, node: Node) -> bool:
        """Whether this side has the operator at all."""
        return True

    def otherwise(self, node: Node) -> str:
        """How this side calls the operator otherwise than recorded; empty where it does not."""
        return ""

    def advance(self, node: Node) -> None:
        """Run ``node`` on the side's own values, if it can be."""
        try:
            self.values[node.name] = self.call(node, self.values)
        except LoweringError:
            self.values.pop(node.name, None)


class TorchReading(Reading):
    """The graph in PyTorch."""

    def __init__(
        self, values: Mapping[str, Any], exchange: Mapping[torch.dtype, torch.dtype]
    ) -> None:
        """Begin.

        Args:
            values: as for any reading.
            exchange: the dtypes to replace, each by another.
        """
        super().__init__(values)
        self._exchange = exchange

    def call(self, node: Node, given: Mapping[str, Any]) -> Any:
        """What PyTorch's operator gives; inputs are cast to the dtypes recorded for them."""
        args, kwargs = map_arg((node.args, node.kwargs), lambda one: self._cast(one, given))
        if node.target is convert and not isinstance(args[0], torch.Tensor):
            return args[0]  # a size, which PyTorch promotes by itself
        args, kwargs = tree_map_only(torch.dtype, self._exchanged, (args, kwargs))
        default = torch.get_default_dtype()
        torch.set_default_dtype(self._exchange.get(default, default))
        try:
            return node.target(*args, **kwargs)
        finally:
            torch.set_default_dtype(default)

    def _exchanged(self, dtype: torch.dtype) -> torch.dtype:
        return self._exchange.get(dtype, dtype)

    def _cast(self, one: Node, given: Mapping[str, Any]) -> Any:
        def cast(value: Any, recorded: Any) -> Any:
            tensor = isinstance(value, torch.Tensor)
            return value.to(self._exchanged(recorded.dtype)) if tensor else value

        return tree_map(cast, given[one.name], one.meta["val"])


class TensorFlowReading(Reading):
    """The graph as a program in TensorFlow, whose nodes are found by name."""

    def __init__(self, values: Mapping[str, Any], program: Program, recorded: Set[str]) -> None:
        """Begin.

        Args:
            values: the reference's; the program's own weights and constants take their place.
            program: the program.
            recorded: the names of the graph's nodes. What else the program has is a part of the
                node that reads it.

        Raises:
            LoweringError: the program is of another graph.
        """
        super().__init__(values)
        strangers = sorted(self.values.keys() ^ {*program.bound, *program.inputs})
        if strangers:
            raise LoweringError(
                f"the program was recorded from another model: {len(strangers)} inputs or weights"
                f" are in one of the two alone, {strangers[0]} the first; trace a program that was"
                " made from this checkpoint"
            )
        for name, one in program.bound.items():
            own = to_torch(tf.convert_to_tensor(one).numpy())
            # The same numbers are kept once.
            if own.dtype is not values[name].dtype or not torch.equal(own, values[name]):
                self.values[name] = own
        self._recorded = recorded
        self._nodes = {node.name: node for node in program.nodes}

    def call(self, node: Node, given: Mapping[str, Any]) -> Any:
        """What the lowered operator gives."""
        return tree_map_only(
            tf.Tensor, lambda x: to_torch(x.numpy()), self._apply(self._nodes[node.name], given)
        )

    def needs(self, node: Node) -> Set[str]:
        """The nodes whose values the program's node looks up."""
        found = self._nodes.get(node.name)
        return self._needs(found) if found is not None else set()

    def otherwise(self, node: Node) -> str:
        """How the program's call differs from the recorded one."""
        theirs, ours = _described(node), _described(self._nodes[node.name])
        return ", ".join(
            f"{name} is {ours.get(name)} for {theirs.get(name)}"
            for name in dict.fromkeys([*theirs, *ours])
            if theirs.get(name) != ours.get(name)
        )

    def knows(self, node: Node) -> bool:
        """Whether the program has an operator of that name."""
        return node.name in self._nodes

    def _needs(self, found: Node) -> set[str]:
        names: set[str] = set()
        for one in found.all_input_nodes:
            names |= {one.name} if one.name in self._recorded else self._needs(one)
        return names

    def _apply(self, found: Node, given: Mapping[str, Any]) -> Any:
        return apply(found, {one: self._input(one, given) for one in found.all_input_nodes})

    def _input(self, one: Node, given: Mapping[str, Any]) -> Any:
        if one.name not in self._recorded:
            return self._apply(one, given)
        if one.name not in given:
            raise LoweringError(f"it reads {one.name}, which has no value yet")
        return tree_map_only(torch.Tensor, lambda x: tf.constant(to_numpy(x)), given[one.name])


def _described(node: Node) -> dict[str, str]:
    """The operator and each argument by its name, other nodes by theirs."""
    schema = getattr(node.target, "_schema", None)
    names = [one.name for one in schema.arguments] if schema else map(str, range(len(node.args)))
    given = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    return {"the operator": str(node.target), **{name: str(one) for name, one in given.items()}}
