"""The table of lowerings: one TensorFlow function per exact ATen overload."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from torch._ops import OpOverload

from diglot.errors import LoweringError

Function = Callable[..., Any]


@dataclass(frozen=True)
class Lowering:
    """The TensorFlow implementation of one ATen operator.

    Attributes:
        operator: the exact overload.
        function: takes the operator's arguments under the names of the ATen schema, each tensor as
            a ``tf.Tensor``.
        promote: the arguments that PyTorch casts to a common dtype before it computes. The pass
            ``promotion`` casts them, so the function receives equal dtypes.
    """

    operator: OpOverload
    function: Function
    promote: tuple[str, ...]


class Registry(Mapping[OpOverload, Lowering]):
    """The lowerings by overload, at most one per overload.

    Reading is thread-safe. :meth:`without` and :meth:`replaced` change the table for all threads,
    and are meant for tests.
    """

    def __init__(self) -> None:
        self._lowerings: dict[OpOverload, Lowering] = {}

    def __getitem__(self, operator: OpOverload) -> Lowering:
        return self._lowerings[operator]

    def __iter__(self) -> Iterator[OpOverload]:
        return iter(self._lowerings)

    def __len__(self) -> int:
        return len(self._lowerings)

    def register(
        self, operator: OpOverload, promote: tuple[str, ...] = ()
    ) -> Callable[[Function], Function]:
        """Register the decorated function as the lowering of ``operator``.

        Raises:
            LoweringError: the overload already has a lowering; the function's name, its parameters
                or the first line of its docstring do not follow the operator's schema; or
                ``promote`` names an argument that the schema lacks.
        """

        def decorate(function: Function) -> Function:
            if other := self._lowerings.get(operator):
                raise LoweringError(
                    f"{operator} already has a lowering, {other.function.__module__}."
                    f"{other.function.__name__}; remove one of the two"
                )
            for problem in _problems(operator, function, promote):
                raise LoweringError(f"the lowering of {operator} {problem}")
            self._lowerings[operator] = Lowering(operator, function, promote)
            return function

        return decorate

    @contextmanager
    def without(self, *operators: OpOverload) -> Iterator[None]:
        """Remove the lowerings of ``operators`` within the context.

        Raises:
            KeyError: an operator has no lowering.
        """
        lowerings = self._lowerings
        removed = {operator: lowerings[operator] for operator in operators}
        self._lowerings = {op: item for op, item in lowerings.items() if op not in removed}
        try:
            yield
        finally:
            self._lowerings = lowerings

    @contextmanager
    def replaced(self, operator: OpOverload, function: Function) -> Iterator[Function]:
        """Lower ``operator`` by ``function`` within the context, without checking its schema.

        Yields:
            The function that lowers the operator outside the context.

        Raises:
            KeyError: the operator has no lowering.
        """
        lowerings = self._lowerings
        lowering = lowerings[operator]
        self._lowerings = {**lowerings, operator: replace(lowering, function=function)}
        try:
            yield lowering.function
        finally:
            self._lowerings = lowerings


def function_name(operator: OpOverload) -> str:
    """The required name of the lowering of ``operator``: ``aten_add_Tensor``, ``aten_linear``."""
    name = operator._schema.name.replace("::", "_")
    overload = operator._schema.overload_name
    return f"{name}_{overload}" if overload else name


def _problems(operator: OpOverload, function: Function, promote: tuple[str, ...]) -> Iterator[str]:
    schema = operator._schema
    if function.__name__ != function_name(operator):
        yield f"must be named {function_name(operator)}, not {function.__name__}"
    parameters = list(inspect.signature(function).parameters.values())
    arguments = [argument.name for argument in schema.arguments]
    # Arguments about memory only (layout, device, memory_format) have no meaning in TensorFlow;
    # a lowering collects them in **_.
    named = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
    collects_others = any(p.kind is p.VAR_KEYWORD for p in parameters)
    if named != arguments[: len(named)] or (len(named) < len(arguments) and not collects_others):
        yield f"must take ({', '.join(arguments)}), not ({', '.join(named)})"
    if (function.__doc__ or "").split("\n")[0] != str(schema).partition("::")[2]:
        yield f"must have the schema as the first line of its docstring: {schema}"
    if unknown := set(promote) - set(arguments):
        yield f"promotes {', '.join(sorted(unknown))}, which its schema lacks"


REGISTRY = Registry()

lowering = REGISTRY.register
