"""Type promotion, made explicit once in the captured graph, so that no lowering has to guess."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.fx import GraphModule, Node
from torch.utils._pytree import tree_leaves, tree_map_only

from diglot.lowering.registry import REGISTRY

convert = torch.ops.prims.convert_element_type.default


def promote(graph: GraphModule) -> None:
    """Give every operator arguments of the dtype that it computes in, and name each new dtype.

    Inserts a cast wherever PyTorch would cast silently: for each argument that its lowering
    declares as promoted. Where a schema leaves the ``dtype`` of the result to PyTorch's rules, the
    recorded one is filled in.
    """
    for node in list(graph.graph.nodes):
        lowering = REGISTRY.get(node.target) if node.op == "call_function" else None
        if lowering is None:
            continue
        schema = lowering.operator._schema.arguments
        names = [argument.name for argument in schema]
        given = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
        if node.meta.get("val") is not None and "dtype" in names and given.get("dtype") is None:
            _set(node, schema, "dtype", _recorded(node).dtype)
        if lowering.promote:
            dtype = _compute_dtype(node, [given[n] for n in lowering.promote if n in given])
            for name in lowering.promote:
                if name in given:
                    _set(node, schema, name, _cast(graph, node, given[name], dtype))
    graph.recompile()


def _recorded(node: Node) -> torch.Tensor:
    value = node.meta["val"]
    recorded: torch.Tensor = value[0] if isinstance(value, (tuple, list)) else value
    return recorded


def _compute_dtype(node: Node, operands: list[Any]) -> torch.dtype:
    """The result's dtype, but for predicates, which compare in the common dtype of their operands.

    The rule is ``torch.result_type``'s: https://docs.pytorch.org/docs/stable/tensor_attributes.html
    """
    result = _recorded(node).dtype
    if result is not torch.bool:
        return result
    values = [one.meta["val"] if isinstance(one, Node) else one for one in tree_leaves(operands)]
    numbers = [1 if isinstance(one, torch.SymInt) else one for one in values]
    return torch.result_type(numbers[0], numbers[-1])


def _cast(graph: GraphModule, user: Node, value: Any, dtype: torch.dtype) -> Any:
    """``value`` with each tensor or symbolic number in it converted to ``dtype``."""

    def one(operand: Node) -> Node:
        recorded = operand.meta["val"]
        if not isinstance(recorded, torch.Tensor):
            recorded = torch.empty((), dtype=dtype, device="meta")
        elif recorded.dtype is dtype:
            return operand
        with graph.graph.inserting_before(user):
            cast = graph.graph.call_function(convert, (operand, dtype))
        cast.meta = {**user.meta, "val": recorded.to(dtype)}
        return cast

    return tree_map_only(Node, one, value)


def _set(node: Node, schema: Sequence[torch.Argument], name: str, value: Any) -> None:
    """Set one argument, wherever the call has it."""
    position = next(i for i, argument in enumerate(schema) if argument.name == name)
    if position < len(node.args):
        node.update_arg(position, value)
    else:
        node.update_kwarg(name, value)
