"""Runs one call of an operator, in PyTorch and through its lowering."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
import torch
from torch._ops import OpOverload
from torch.fx import Graph, GraphModule
from torch.utils._pytree import tree_map_only

from diglot.lowering import capture, lower
from diglot.lowering.dtypes import to_numpy, to_tf, to_torch
from diglot.lowering.passes.promotion import promote
from diglot.lowering.program import apply

from .case import Call

WAYS = ("eager", "graph")
"""The fast ways in which TensorFlow runs a call; ``"xla"`` is the third."""


def in_torch(operator: OpOverload, call: Call) -> Any:
    """PyTorch's result."""
    return operator(*call.args, **call.kwargs)


def in_float64(operator: OpOverload, call: Call) -> Any:
    """PyTorch's result with every float in the arguments and the result as float64."""

    def doubled(value: Any) -> Any:
        return torch.float64 if value.is_floating_point else value

    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        call = call.map(lambda x: x.double() if x.is_floating_point() else x)
        args, kwargs = tree_map_only(torch.dtype, doubled, (call.args, call.kwargs))
        return operator(*args, **kwargs)
    finally:
        torch.set_default_dtype(default)


def recorded(operator: OpOverload, call: Call, result: Any) -> GraphModule:
    """A graph of the call, with the metadata that ``torch.export`` records."""
    graph = Graph()

    def placeholder(value: torch.Tensor) -> Any:
        node = graph.placeholder(f"x{len(graph.nodes)}")
        node.meta["val"] = value
        return node

    call = call.map(placeholder)
    node = graph.call_function(operator, call.args, call.kwargs)
    node.meta["val"] = result
    graph.output(node)
    return GraphModule(torch.nn.Module(), graph)


def lowered(operator: OpOverload, call: Call, result: Any) -> Callable[..., Any]:
    """The lowered call, with promotion, as a function of its tensors."""
    module = recorded(operator, call, result)
    promote(module)

    def function(*tensors: tf.Tensor) -> Any:
        inputs, values = iter(tensors), {}
        for node in module.graph.nodes:
            if node.op == "placeholder":
                values[node] = next(inputs)
            elif node.op == "call_function":
                values[node] = apply(node, values)
            else:
                return values[node.args[0]]

    return function


def specification(tensor: torch.Tensor, static: bool) -> tf.TensorSpec:
    """Sizes are unknown unless ``static``; ``torch.export`` treats 0 and 1 as constants."""
    return tf.TensorSpec(
        [n if static or n < 2 else None for n in tensor.shape], to_tf(tensor.dtype)
    )


class Operator(torch.nn.Module):
    """A module that calls one operator, with the tensors of ``call`` replaced by its inputs."""

    def __init__(self, operator: OpOverload, call: Call) -> None:
        super().__init__()
        self.operator, self.call = operator, call

    def forward(self, a=None, b=None, c=None, d=None, e=None, f=None):  # type: ignore[no-untyped-def] # noqa: D102
        inputs = iter((a, b, c, d, e, f))
        call = self.call.map(lambda _: next(inputs))
        return self.operator(*call.args, **call.kwargs)


def captured(operator: OpOverload, call: Call, *, fixed: bool) -> Callable[..., Any]:
    """The same function as :func:`lowered`, captured with ``torch.export``.

    Args:
        operator: the operator; it must be in the captured graph.
        call: a call without empty tensors.
        fixed: whether all sizes are those of the call.
    """
    inputs = dict(zip("abcdef", call.tensors, strict=False))
    # torch.export treats a size of 1, and each size that it is broadcast with, as a constant.
    fixed = fixed or any(1 in x.shape for x in call.tensors)
    static = frozenset(range(8) if fixed else ())
    exported = capture(Operator(operator, call), inputs, static=static)
    assert operator in {node.target for node in exported.graph.nodes}, f"no {operator} in its graph"
    program = lower(exported)
    return lambda *tensors: program(**dict(zip(inputs, tensors, strict=True)))


def in_tensorflow(
    way: str, function: Callable[..., Any], tensors: Sequence[torch.Tensor], *, static: bool = False
) -> Any:
    """The result of :func:`lowered`, or of a program, in one of the ``WAYS``."""
    inputs = [tf.constant(to_numpy(tensor)) for tensor in tensors]
    if way != "eager":
        function = tf.function(
            function,
            input_signature=[specification(tensor, static) for tensor in tensors],
            autograph=False,
            jit_compile=way == "xla",
        )
    return tree_map_only(tf.Tensor, lambda x: to_torch(x.numpy()), function(*inputs))
