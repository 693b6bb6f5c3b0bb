"""Passes over a captured program, in the order in which they run.

A pass takes an ``ExportedProgram`` and returns one: the same program, changed in place, or a new
one. It has a ``name``, by which it can be switched off, unless it is ``required``.

Required passes run first, so every node that they leave has the same name whether or not an
optional pass runs later. An optional pass keeps these rules, on which the trace and
``LoweredModel.to_torch`` depend:

- It marks each node that stands for recorded ones with :func:`mark_replacement`. The trace holds
  the node's result against the result of the last node that it replaces.
- It keeps every placeholder: these are the weights of the checkpoint, by name. A weight that it
  derives from them, such as two weights joined into one, is a node made by :func:`derive`. The
  node is the recipe of the derived weight: an operator and its arguments. A program computes it
  from the present values of the variables, so that training, ``to_torch`` and the trace see one
  set of weights.
- It casts: ``promotion`` has run before it. Each new node has the recorded result in
  ``meta["val"]``, which :func:`call` fills in.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Protocol

from torch._ops import OpOverload
from torch.export import ExportedProgram
from torch.fx import Graph, Node
from torch.fx.node import map_arg

from diglot.errors import LoweringError
from diglot.lowering.passes.assertions import DropAssertions
from diglot.lowering.passes.promotion import Promotion

_REPLACES, _DERIVED = "diglot_replaces", "diglot_derived"


class Pass(Protocol):
    """A change of a captured program that keeps its results.

    Attributes:
        name: by which the pass is switched off.
        required: whether no program can be lowered without it.
    """

    name: str
    required: bool

    def __call__(self, program: ExportedProgram) -> ExportedProgram:
        """Change the program."""


PASSES: tuple[Pass, ...] = (DropAssertions(), Promotion())
"""Every pass; the required ones come first."""


def optional() -> frozenset[str]:
    """The names of the passes that can be switched off."""
    return frozenset(item.name for item in PASSES if not item.required)


def run(program: ExportedProgram, without: Collection[str] = ()) -> ExportedProgram:
    """Run the passes on a captured program, which they may change in place.

    Args:
        program: the result of :func:`diglot.lowering.capture`.
        without: the names of optional passes to leave out.

    Raises:
        LoweringError: ``without`` names no pass, or a required one.
    """
    if wrong := sorted(set(without) - optional()):
        names = ", ".join(sorted(optional())) or "none"
        raise LoweringError(
            f"{', '.join(wrong)} cannot be switched off; the optional passes are: {names}"
        )
    for item in PASSES:
        if item.name not in without:
            program = item(program)
    return program


def mark_replacement(node: Node, replaced: Sequence[Node]) -> None:
    """Record the nodes that ``node`` stands for.

    Args:
        node: a node that a pass made.
        replaced: the recorded nodes in order; the result of ``node`` is that of the last one.
    """
    node.meta[_REPLACES] = tuple(name for item in replaced for name in replaced_names(item))


def replaced_names(node: Node) -> tuple[str, ...]:
    """The names of the recorded nodes that ``node`` stands for; its own if no pass made it."""
    names: tuple[str, ...] = node.meta.get(_REPLACES, (node.name,))
    return names


def recorded_name(node: Node) -> str:
    """The name of the recorded node whose result ``node`` gives."""
    return replaced_names(node)[-1]


def call(graph: Graph, target: OpOverload, *args: Any, like: Node, **kwargs: Any) -> Node:
    """Add a call to the graph, with its result as recorded by ``torch.export``.

    Args:
        graph: with an insertion point set.
        target: an operator that has a lowering.
        args: the arguments by position; nodes, or constants.
        like: the recorded node whose module the new one belongs to.
        kwargs: the arguments by name.
    """
    node = graph.call_function(target, args, kwargs)
    values = map_arg((args, kwargs), lambda argument: argument.meta["val"])
    node.meta = {"nn_module_stack": like.meta.get("nn_module_stack", {})}
    node.meta["val"] = target(*values[0], **values[1])
    return node


def derive(program: ExportedProgram, target: OpOverload, *args: Any, like: Node) -> Node:
    """Add a weight that is made from weights of the checkpoint.

    Args:
        program: its graph has an insertion point set.
        target: as for :func:`call`.
        args: placeholders of weights, derived weights, lists of these, or constants.
        like: as for :func:`call`.

    Raises:
        LoweringError: an argument depends on an input.
    """
    node = call(program.graph_module.graph, target, *args, like=like)
    for source in node.all_input_nodes:
        is_weight = (
            source.op == "placeholder" and source.name not in program.graph_signature.user_inputs
        )
        if not (is_weight or is_derived(source)):
            raise LoweringError(
                f"a derived weight must be made from weights only, but {source.name} depends on an"
                " input; make the node with passes.call"
            )
    node.meta[_DERIVED] = True
    return node


def is_derived(node: Node) -> bool:
    """Whether the node is a weight that a pass made from weights of the checkpoint."""
    return bool(node.meta.get(_DERIVED))
