"""The captured graph that a trace walks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.export.graph_signature import InputKind
from torch.fx import Node
from torch.utils._pytree import tree_unflatten

from diglot.lowering import passes, record

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_KINDS = {InputKind.PARAMETER: "parameter", InputKind.BUFFER: "buffer"}


class Graph:
    """A model, captured again, with the required passes of a lowered program.

    Optional passes do not run here: the trace then checks the nodes that they make in the program
    against the recorded operators that these nodes replace.

    Attributes:
        nodes: the operators in order; the inputs and weights come first, the output last.
        weights: the checkpoint's name of each weight and constant, by node name.
        kinds: ``"parameter"``, ``"buffer"`` or ``"constant"``, by node name.
    """

    def __init__(self, model: PreTrainedModel, inputs: Sequence[str]) -> None:
        """Capture ``model`` for the named inputs.

        Raises:
            CaptureError: ``torch.export`` cannot capture it.
        """
        exported = passes.run(record.recorded(model, inputs), without=passes.optional())
        self.nodes: list[Node] = list(exported.graph_module.graph.nodes)
        self.weights: dict[str, str] = {}
        self.kinds: dict[str, str] = {}
        for spec in exported.graph_signature.input_specs:
            if spec.target is not None:
                self.weights[spec.arg.name] = spec.target.removeprefix(record.PREFIX)
                self.kinds[spec.arg.name] = _KINDS.get(spec.kind, "constant")
        self._constants = {
            name.removeprefix(record.PREFIX): value for name, value in exported.constants.items()
        }
        self._outputs = exported.call_spec.out_spec

    @property
    def names(self) -> frozenset[str]:
        """The names of all nodes."""
        return frozenset(node.name for node in self.nodes)

    def weight_values(self, model: PreTrainedModel) -> dict[str, torch.Tensor]:
        """The weights of ``model`` and the constants of the graph, by node name."""
        tensors = {
            name: tensor
            for named in (model.named_parameters, model.named_buffers)
            for name, tensor in named(remove_duplicate=False)
        }
        return {
            node: (tensors[name] if name in tensors else self._constants[name]).detach()
            for node, name in self.weights.items()
        }

    def outputs(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The model's outputs by name, from the values of the nodes."""
        (leaves,) = self.nodes[-1].args
        outputs: dict[str, Any] = tree_unflatten(
            [values[leaf.name] for leaf in leaves], self._outputs
        )
        return outputs


def module(node: Node) -> str:
    """The Hugging Face name of the module that calls the operator; empty for the model itself."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    path = f"{stack[-1][0]}." if stack else ""
    name: str = path.removeprefix(record.PREFIX).removesuffix(".")
    return name if path.startswith(record.PREFIX) else ""


def last_uses(
    nodes: Sequence[Node], needs: Sequence[Callable[[Node], Iterable[str]]]
) -> dict[Node, list[str]]:
    """The names of the values that are read for the last time at a node, except the last node."""
    last = {name: node for node in nodes for needed in needs for name in needed(node)}
    names: dict[Node, list[str]] = {}
    for name, node in last.items():
        names.setdefault(node, []).append(name)
    names.pop(nodes[-1], None)
    return names
