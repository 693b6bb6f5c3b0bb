"""The graph of a model that a trace walks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.export.graph_signature import InputKind
from torch.fx import Node
from torch.utils._pytree import tree_unflatten

from diglot.lowering import record
from diglot.lowering.passes.promotion import promote

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_KINDS = {InputKind.PARAMETER: "parameter", InputKind.BUFFER: "buffer"}


class Graph:
    """A model, recorded afresh and promoted as for a program.

    Attributes:
        nodes: the operators in order, with inputs and weights before them and the output behind.
        weights: the name that the checkpoint has for each weight and constant, by that of its node.
        kinds: ``"parameter"``, ``"buffer"`` or ``"constant"``, likewise.
    """

    def __init__(self, model: PreTrainedModel, inputs: Sequence[str]) -> None:
        """Record ``model`` for the named inputs.

        Raises:
            CaptureError: ``torch.export`` cannot record it.
        """
        exported = record.recorded(model, inputs)
        promote(exported.graph_module)
        self.nodes: list[Node] = list(exported.graph_module.graph.nodes)
        self.weights: dict[str, str] = {}
        self.kinds: dict[str, str] = {}
        for spec in exported.graph_signature.input_specs:
            if spec.target is not None:
                self.weights[spec.arg.name] = spec.target.removeprefix(record.PREFIX)
                self.kinds[spec.arg.name] = _KINDS.get(spec.kind, "constant")
        self._constants = {
            name.removeprefix(record.PREFIX): one for name, one in exported.constants.items()
        }
        self._outputs = exported.call_spec.out_spec

    @property
    def names(self) -> frozenset[str]:
        """The names of all nodes."""
        return frozenset(node.name for node in self.nodes)

    def values(self, model: PreTrainedModel) -> dict[str, torch.Tensor]:
        """The weights of ``model``, and the recording's constants, by the name of their node."""
        named = {
            name: tensor
            for found in (model.named_parameters, model.named_buffers)
            for name, tensor in found(remove_duplicate=False)
        }
        return {
            node: (named[name] if name in named else self._constants[name]).detach()
            for node, name in self.weights.items()
        }

    def outputs(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The model's outputs by name, from the values of the nodes."""
        (leaves,) = self.nodes[-1].args
        found: dict[str, Any] = tree_unflatten([values[one.name] for one in leaves], self._outputs)
        return found


def module(node: Node) -> str:
    """Hugging Face's name of the module that calls the operator; empty for the model itself."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    path = f"{stack[-1][0]}." if stack else ""
    found: str = path.removeprefix(record.PREFIX).removesuffix(".")
    return found if path.startswith(record.PREFIX) else ""


def dying(
    nodes: Sequence[Node], needs: Sequence[Callable[[Node], Iterable[str]]]
) -> dict[Node, list[str]]:
    """The names of the values that nothing needs after a node; none for the last node."""
    last = {name: node for node in nodes for one in needs for name in one(node)}
    found: dict[Node, list[str]] = {}
    for name, node in last.items():
        found.setdefault(node, []).append(name)
    found.pop(nodes[-1], None)
    return found
