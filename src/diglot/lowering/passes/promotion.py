"""Type promotion as explicit casts in the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node
from torch.utils._pytree import tree_leaves, tree_map_only

from diglot.lowering.registry import REGISTRY

convert = torch.ops.prims.convert_element_type.default


class Promotion:
    """Casts the arguments of each operator to the dtype in which PyTorch computes.

    Inserts a cast wherever PyTorch casts silently: for each argument that the operator's lowering
    declares as promoted. If a schema leaves the ``dtype`` of the result to PyTorch's rules, fills
    in the recorded dtype. No lowering has to guess a dtype.
    """

    name = "promotion"
    required = True

    def __call__(self, program: ExportedProgram) -> ExportedProgram:
        """Make the casts explicit."""
        promote(program.graph_module)
        return program


def promote(graph: GraphModule) -> None:
    """Make the casts of one graph explicit, in place."""
    for node in list(graph.graph.nodes):
        lowering = REGISTRY.get(node.target) if node.op == "call_function" else None
        if lowering is None:
            continue
        schema = lowering.operator._schema.arguments
        names = [argument.name for argument in schema]
        arguments = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
        if node.meta.get("val") is not None and "dtype" in names and not arguments.get("dtype"):
            _set(node, schema, "dtype", _recorded(node).dtype)
        if lowering.promote:
            promoted = [name for name in lowering.promote if name in arguments]
            dtype = _compute_dtype(node, [arguments[name] for name in promoted])
            for name in promoted:
                _set(node, schema, name, _cast(graph, node, arguments[name], dtype))
    graph.recompile()


def _recorded(node: Node) -> torch.Tensor:
    value = node.meta["val"]
    recorded: torch.Tensor = value[0] if isinstance(value, (tuple, list)) else value
    return recorded


def _compute_dtype(node: Node, operands: list[Any]) -> torch.dtype:
    """The result's dtype; for predicates the common dtype of the operands.

    The rule is ``torch.result_type``'s: https://docs.pytorch.org/docs/stable/tensor_attributes.html
    """
    result = _recorded(node).dtype
    if result is not torch.bool:
        return result
    values = [
        leaf.meta["val"] if isinstance(leaf, Node) else leaf for leaf in tree_leaves(operands)
    ]
    numbers = [1 if isinstance(value, torch.SymInt) else value for value in values]
    return torch.result_type(numbers[0], numbers[-1])


def _cast(graph: GraphModule, user: Node, value: Any, dtype: torch.dtype) -> Any:
    """``value`` with each tensor or symbolic number in it converted to ``dtype``."""

    def converted(operand: Node) -> Node:
        recorded = operand.meta["val"]
        if not isinstance(recorded, torch.Tensor):
            recorded = torch.empty((), dtype=dtype, device="meta")
        elif recorded.dtype is dtype:
            return operand
        with graph.graph.inserting_before(user):
            cast = graph.graph.call_function(convert, (operand, dtype))
        cast.meta = {**user.meta, "val": recorded.to(dtype)}
        return cast

    return tree_map_only(Node, converted, value)


def _set(node: Node, schema: Sequence[torch.Argument], name: str, value: Any) -> None:
    """Set one argument, by position or by keyword, as the call has it."""
    position = next(i for i, argument in enumerate(schema) if argument.name == name)
    if position < len(node.args):
        node.update_arg(position, value)
    else:
        node.update_kwarg(name, value)
