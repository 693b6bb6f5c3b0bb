"""Walks a captured graph on both sides and in float64 at once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import tensorflow as tf
import torch
from torch.fx import Node
from torch.utils._pytree import tree_leaves

from diglot.equality.tolerance import Difference, Measurement, Tolerance
from diglot.errors import InputError, LoweringError
from diglot.lowering import record
from diglot.lowering.dtypes import to_torch
from diglot.parity.trace.graph import Graph, last_uses, module
from diglot.parity.trace.operators import largest, largest_error, leniency, measured, weights
from diglot.parity.trace.steps import Step
from diglot.parity.trace.values import DOUBLED, TensorFlowValues, TorchValues, Values

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from diglot.lowering.model import LoweredModel

    TracedModel: TypeAlias = PreTrainedModel | LoweredModel
    """A checkpoint's model in PyTorch, or lowered to TensorFlow."""


class Walk:
    """One input on its way through a model.

    The graph is captured again, so a fault in the tested program is not in the reference. The error
    of each operator is measured on inputs that all sides share: the reference's values, or, between
    two precisions, the values of the coarser one, which the finer one can represent.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        other: TracedModel,
        inputs: Mapping[str, torch.Tensor],
        tolerance: Tolerance,
        sides: tuple[str, str],
        graph: Graph | None,
    ) -> None:
        """Run the reference and capture the graph.

        Args:
            model: the reference.
            other: the tested model.
            inputs: int64 ``[batch, tokens]``, by name.
            tolerance: the largest error that is allowed to one operator.
            sides: the names of the tested side and of the reference.
            graph: the captured graph, if there is one already.

        Raises:
            InputError: the model does not take the input.
            LoweringError: the model cannot be captured, or the program is of another model.
        """
        self._measured = partial(measured, tolerance=tolerance, sides=sides)
        self._sides = sides
        self._models, self._inputs = (other, model), inputs
        _outputs(model, inputs)  # refuses an input that the model does not take
        tested_torch = other if isinstance(other, torch.nn.Module) else None
        self._graph = graph or Graph(tested_torch or model, list(inputs))
        values = {**inputs, **self._graph.weight_values(model)}
        self._truth = TorchValues(values, DOUBLED)
        self._actual: TorchValues | TensorFlowValues
        if tested_torch is not None:
            self._expected = TorchValues(values, {tested_torch.dtype: model.dtype})
            self._actual = TorchValues({**inputs, **self._graph.weight_values(tested_torch)}, {})
            finer = torch.finfo(model.dtype).eps <= torch.finfo(tested_torch.dtype).eps
            self._shared: Values = self._actual if finer else self._expected
        else:
            self._expected = TorchValues(values, {})
            self._actual = TensorFlowValues(
                values, cast("LoweredModel", other).program(inputs), self._graph.names
            )
            self._shared = self._expected
        self._relative: dict[str, float] = {}

    @property
    def _values(self) -> tuple[Values, ...]:
        return self._actual, self._expected, self._truth

    def steps(self) -> Iterator[Step]:
        """Each weight and operator in order; a value is dropped after its last use."""
        dropped = last_uses(self._graph.nodes, [values.needs for values in self._values])
        for node in self._graph.nodes:
            if node.users and node.name in self._graph.weights:
                yield self._step(node, self._weight(node))
            elif node.users and node.op == "call_function":
                sides = [values for values in self._values if values.has(node)]
                for values in sides:
                    values.advance(node)
                if self._actual in sides:
                    yield self._step(node, self._operator(node))
            for name in dropped.get(node, ()):
                for values in self._values:
                    values.by_node.pop(name, None)

    def elsewhere(self) -> Iterator[str]:
        """Differences between either model as a whole and its operators one by one.

        Call this after the steps, and only if no step has a reason.
        """
        truth = self._graph.outputs(self._truth.by_node)
        scale = max(map(largest, tree_leaves(truth)))
        for model, values, side in zip(self._models, self._values, self._sides, strict=False):
            try:
                operators = self._graph.outputs(values.by_node)
                outputs = _outputs(model, self._inputs)
            except Exception as error:  # TensorFlow raises many types
                yield f"{side} fails as a whole, although its operators do not: {error}"
                continue
            for name, whole in outputs.items():
                measurements = (
                    self._measured(
                        *leaves,
                        leniency=lambda: (scale, ()),
                        sides=(f"{side} as a whole", "the last of its operators"),
                    )
                    for leaves in zip(
                        *map(tree_leaves, (whole, operators[name], truth[name])), strict=True
                    )
                )
                differences = (measurement.difference for measurement in measurements)
                if difference := next(filter(None, differences), None):
                    yield f"no operator diverges, but the output {name} does: {difference.reason}"
                    break

    def _step(self, node: Node, here: Measurement) -> Step:
        actual, expected, truth = (values.by_node.get(node.name) for values in self._values)
        result = torch.as_tensor(tree_leaves(expected)[0])
        scale, error = largest(truth), largest_error(actual, truth)
        self._relative[node.name] = relative = error / scale if scale else 0.0
        before = [self._relative.get(source.name, 0.0) for source in node.all_input_nodes]
        growth = relative - max(before, default=0.0)
        weight = self._graph.weights.get(node.name)
        return Step(
            node=node.name,
            module=weight or module(node),
            operator=self._graph.kinds[node.name] if weight else _spelled(node.target),
            dtype=str(result.dtype).removeprefix("torch."),
            shape=tuple(result.shape),
            scale=scale,
            expected=largest_error(expected, truth),
            actual=error,
            growth=growth if math.isfinite(growth) else 0.0,
            expected_here=here.own_error,
            actual_here=here.error,
            limit=here.limit,
            ratio=here.ratio,
            reason="" if here.difference is None else here.difference.reason,
        )

    def _weight(self, node: Node) -> Measurement:
        """Weights must be the same, unless the precision differs on purpose."""
        actual, expected, truth = (values.by_node[node.name] for values in self._values)
        if isinstance(self._actual, TorchValues):
            return self._measured(actual, expected, truth)
        return weights(actual, expected, self._sides)

    def _operator(self, node: Node) -> Measurement:
        """The operator's own error, on the inputs that all sides share."""
        inputs = self._shared.by_node
        results: list[Any] = []
        for values in self._values:
            result = inputs.get(node.name) if values is self._shared else None
            try:
                results.append(values.call(node, inputs) if result is None else result)
            except LoweringError as failure:
                return Measurement("", math.inf, 0.0, math.inf, Difference("", str(failure)))
        measurements = [
            self._measured(*leaves, leniency=partial(self._leniency, node, place))
            for place, leaves in enumerate(zip(*map(tree_leaves, results), strict=True))
        ]
        worst = max(measurements, key=lambda item: (item.difference is not None, item.ratio))
        if worst.difference and (changed := self._actual.changed_call(node)):
            reason = f"{worst.difference.reason}; the program calls it differently: {changed}"
            return replace(worst, difference=Difference("", reason))
        return worst

    def _leniency(self, node: Node, place: int) -> tuple[float | None, list[Any]]:
        """The scale and the peers of one of the operator's results."""
        scale, peers = leniency(node, self._shared.by_node, self._expected, self._truth)
        return scale, [tree_leaves(peer)[place] for peer in peers]


def _outputs(model: TracedModel, inputs: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """The outputs of the model as a whole, by name."""
    if not isinstance(model, torch.nn.Module):
        function = model.function(inputs, hidden_states=True)
        names = model.program(inputs).inputs
        outputs = function(*(tf.constant(inputs[name].numpy()) for name in names))
        return {
            name: tuple(to_torch(leaf.numpy()) for leaf in tree_leaves(output))
            for name, output in outputs.items()
        }
    try:
        result: dict[str, Any] = record.TensorOnlyModel(model)(**inputs)
    except (IndexError, ValueError, RuntimeError) as error:
        shapes = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in inputs.items())
        raise InputError(f"PyTorch cannot run the model on {shapes}: {error}") from error
    return result


def _spelled(target: Any) -> str:
    return str(target) if isinstance(target, torch._ops.OpOverload) else target.__name__
