"""The message about operators that have no lowering."""

from __future__ import annotations

import itertools
import operator
import pkgutil
from collections import Counter
from typing import Any

import torch
from torch._ops import OpOverload
from torch.export import ExportedProgram
from torch.fx import Node

from diglot.errors import UnsupportedOperatorsError
from diglot.lowering import ops
from diglot.lowering.limitations import DECLINED
from diglot.lowering.registry import REGISTRY

PYTHON = frozenset(
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
"""The Python functions in a captured graph: the items of a tuple, and arithmetic on sizes."""

_OPERATORS = "src/diglot/lowering/ops"

# A common prefix of fewer letters says nothing: "scatter" and "scalar_tensor" share three.
_PREFIX = 4

# Parts of a name that say nothing about the operator's family.
_NEUTRAL = frozenset({"", "native", "to", "with", "like", "new", "as"})


def refuse_missing(exported: ExportedProgram) -> None:
    """Check that each operator of a graph has a lowering.

    Raises:
        UnsupportedOperatorsError: some have none. The message names all of them, each with its
            number of calls, the module of the first, and the file that its lowering belongs in.
    """
    missing: Counter[Any] = Counter()
    first: dict[Any, str] = {}
    for node in exported.graph_module.graph.nodes:
        if node.op != "call_function" or node.target in REGISTRY or node.target in PYTHON:
            continue
        missing[node.target] += 1
        first.setdefault(node.target, calling_module(node))
    if missing:
        raise UnsupportedOperatorsError(
            f"{len(missing)} operator(s) of this model have no lowering to TensorFlow:\n"
            + "\n".join(
                f"  {_spelled(target)}: {count}x, first in {first[target]};"
                f" {DECLINED.get(target) or f'add it to {home(target)}'}"
                for target, count in missing.most_common()
            )
            + "\nrun this checkpoint with backend='torch', or see ARCHITECTURE.md on adding one"
        )


def calling_module(node: Node) -> str:
    """The Hugging Face name of the module that calls the operator."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return stack[-1][0] if stack and stack[-1][0] else "the top module"


def home(target: Any) -> str:
    """The file that the lowering of an operator belongs in.

    It is the family with the most similar name: that of a registered operator, or of the file
    itself. Names that share words are similar, as ``aten.native_batch_norm`` and
    ``aten.layer_norm``, or else names with a common prefix, as ``aten.conv1d`` and
    ``convolution``. Operators that PyTorch tags as pointwise are compared with pointwise ones only.
    A pointwise operator with an unknown name belongs to the family with most of these.

    Args:
        target: an operator, or a Python function of sizes.

    Returns:
        A path from the root of the repository; the folder of all families if none fits.
    """
    if not isinstance(target, OpOverload):
        return "src/diglot/lowering/missing.py"
    pointwise = torch.Tag.pointwise in target.tags
    known = [
        (_name(registered), lowering.function.__module__.rpartition(".")[2])
        for registered, lowering in REGISTRY.items()
        if pointwise is (torch.Tag.pointwise in registered.tags)
    ]
    files = [(module.name, module.name) for module in pkgutil.iter_modules(ops.__path__)]
    families: Counter[str] = Counter()
    most = (0, 0)
    for name, family in [*known, *files]:
        similarity = _similarity(_name(target), name)
        if similarity > most:
            most, families = similarity, Counter()
        if similarity == most != (0, 0):
            families[family] += 1
    if not families and pointwise:
        families.update(family for _, family in known)
    return f"{_OPERATORS}/{families.most_common(1)[0][0]}.py" if families else f"{_OPERATORS}/"


def _similarity(one: str, other: str) -> tuple[int, int]:
    """The number of words that two names share, and the length of their common prefix."""
    words = {*one.split("_")} & {*other.split("_")} - _NEUTRAL
    pairs = zip(one, other, strict=False)
    prefix = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
    return len(words), prefix if words or prefix >= _PREFIX else 0


def _name(target: OpOverload) -> str:
    """The name without its namespace, overload and leading underscores."""
    name: str = target._schema.name.partition("::")[2]
    return name.strip("_")


def _spelled(target: Any) -> str:
    """The target as PyTorch spells it: ``aten.add.Tensor``, ``torch.sym_max``."""
    is_operator = isinstance(target, OpOverload)
    return str(target) if is_operator else f"{target.__module__}.{target.__name__}"
