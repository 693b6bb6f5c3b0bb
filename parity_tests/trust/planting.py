"""Faults of a lowered program: a wrong lowering, or a wrong argument."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch._ops import OpOverload
from torch.fx import Node

from diglot.equality.sides import Side
from diglot.lowering import REGISTRY
from diglot.parity.trace import Step

from .ground import Ground


@dataclass(frozen=True)
class Lowered:
    """A wrong lowering of an operator, in the whole program.

    Attributes:
        operator: the operator, which the trace must name.
        wrong: called with the right lowering and its arguments.
    """

    operator: OpOverload
    wrong: Callable[..., Any]

    @contextmanager
    def __call__(self, ground: Ground) -> Iterator[Side]:
        """Plant it."""
        wrong = partial(self.wrong, REGISTRY[self.operator].function)
        with REGISTRY.replaced(self.operator, wrong), ground.retraced():
            yield ground.side()

    def is_at(self, step: Step) -> bool:
        """Whether the step is a use of the operator."""
        return step.operator == str(self.operator)


@dataclass(frozen=True)
class Argument:
    """One wrong argument of an operator, in one module.

    Attributes:
        operator: the operator, which the trace must name.
        module: the end of the module's name.
        at: the argument's position, or its name.
        value: the wrong value.
        right: the right value, which selects among several uses of the operator in the module.
        first: whether only the first use becomes wrong.
    """

    operator: OpOverload
    module: str
    at: int | str
    value: Any
    right: Any = None
    first: bool = False

    @contextmanager
    def __call__(self, ground: Ground) -> Iterator[Side]:
        """Plant it."""
        nodes = [node for node in ground.program.nodes if self._is_meant(node)]
        if not nodes:
            raise LookupError(f"{ground.architecture} has no {self.operator} in {self.module}")
        with ExitStack() as undone, ground.retraced():
            for node in nodes[:1] if self.first else nodes:
                undone.callback(self._set(node))
            yield ground.side()

    def is_at(self, step: Step) -> bool:
        """Whether the step is a use of the operator in the module."""
        module = f"model.{step.module}".removesuffix(".")
        return step.operator == str(self.operator) and module.endswith(self.module)

    def _is_meant(self, node: Node) -> bool:
        stack = list(node.meta.get("nn_module_stack", {}).values())
        if node.target != self.operator or not stack or not stack[-1][0].endswith(self.module):
            return False
        return self.right is None or self._arguments(node).get(self.at) == self.right

    def _set(self, node: Node) -> Callable[[], None]:
        before = node.args, node.kwargs
        if isinstance(self.at, int):
            node.update_arg(self.at, self.value)
        else:
            node.update_kwarg(self.at, self.value)

        def undo() -> None:
            node.args, node.kwargs = before

        return undo

    def _arguments(self, node: Node) -> dict[int | str, Any]:
        return {**dict(enumerate(node.args)), **node.kwargs}
