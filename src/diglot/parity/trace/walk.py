"""A model's graph, walked on both sides and in float64 at once."""

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
from diglot.parity.trace.graph import Graph, dying, module
from diglot.parity.trace.operators import (
    judged,
    largest,
    largest_error,
    leniency,
    weights,
)
from diglot.parity.trace.steps import Step
from diglot.parity.trace.values import DOUBLED, Reading, TensorFlowReading, TorchReading

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from diglot.lowering.model import LoweredModel

    TracedModel: TypeAlias = PreTrainedModel | LoweredModel
    """A checkpoint's model in PyTorch, or lowered to TensorFlow."""


class Walk:
    """One input's way through a model.

    The graph is recorded afresh, so that a fault in the program that is tested is in no other
    reading. What an operator itself does is judged on inputs that all readings share: the
    reference's, or else those of the coarser precision, which are numbers of the finer one too.
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
        """Run the reference, and record the graph.

        Args:
            model: the reference.
            other: what is tested.
            inputs: int64 ``[batch, tokens]``, by name.
            tolerance: how large an error may be.
            sides: the tested side's name and the reference's.
            graph: where it is recorded already.

        Raises:
            InputError: the model cannot take the input.
            LoweringError: it cannot be recorded, or the program is of another model.
        """
        self._judged = partial(judged, tolerance=tolerance, sides=sides)
        self._sides = sides
        self._models, self._inputs = (other, model), inputs
        _outputs(model, inputs)  # refuses at once what it cannot take
        own = other if isinstance(other, torch.nn.Module) else None
        self._graph = graph or Graph(own or model, list(inputs))
        values = {**inputs, **self._graph.values(model)}
        self._truth = TorchReading(values, DOUBLED)
        self._actual: TorchReading | TensorFlowReading
        if own is not None:
            self._expected = TorchReading(values, {own.dtype: model.dtype})
            self._actual = TorchReading({**inputs, **self._graph.values(own)}, {})
            finer = torch.finfo(model.dtype).eps <= torch.finfo(own.dtype).eps
            self._shared: Reading = self._actual if finer else self._expected
        else:
            self._expected = TorchReading(values, {})
            self._actual = TensorFlowReading(
                values, cast("LoweredModel", other).program(inputs), self._graph.names
            )
            self._shared = self._expected
        self._relative: dict[str, float] = {}

    @property
    def _readings(self) -> tuple[Reading, ...]:
        return self._actual, self._expected, self._truth

    def steps(self) -> Iterator[Step]:
        """Each weight and operator in order; a value is dropped after its last use."""
        done = dying(self._graph.nodes, [reading.needs for reading in self._readings])
        for node in self._graph.nodes:
            if node.users and node.name in self._graph.weights:
                yield self._step(node, self._weight(node))
            elif node.users and node.op == "call_function":
                some = [reading for reading in self._readings if reading.knows(node)]
                for reading in some:
                    reading.advance(node)
                if self._actual in some:
                    yield self._step(node, self._operator(node))
            for name in done.get(node, ()):
                for reading in self._readings:
                    reading.values.pop(name, None)

    def elsewhere(self) -> Iterator[str]:
        """What either model as a whole gives otherwise than its operators.

        To be asked after the steps, and only where none of them has a reason.
        """
        truth = self._graph.outputs(self._truth.values)
        scale = max(map(largest, tree_leaves(truth)))
        for model, reading, side in zip(self._models, self._readings, self._sides, strict=False):
            try:
                operators = self._graph.outputs(reading.values)
                outputs = _outputs(model, self._inputs)
            except Exception as error:  # whatever TensorFlow raises
                yield f"{side} fails as a whole, though its operators do not: {error}"
                continue
            for name, whole in outputs.items():
                verdicts = (
                    self._judged(
                        *leaves,
                        leniency=lambda: (scale, ()),
                        sides=(f"{side} as a whole", "the last of its operators"),
                    )
                    for leaves in zip(
                        *map(tree_leaves, (whole, operators[name], truth[name])), strict=True
                    )
                )
                if apart := next(filter(None, (one.difference for one in verdicts)), None):
                    yield f"born in no operator, but in the {name}: {apart.reason}"
                    break

    def _step(self, node: Node, here: Measurement) -> Step:
        actual, expected, truth = (one.values.get(node.name) for one in self._readings)
        result = torch.as_tensor(tree_leaves(expected)[0])
        scale, error = largest(truth), largest_error(actual, truth)
        self._relative[node.name] = relative = error / scale if scale else 0.0
        before = [self._relative.get(one.name, 0.0) for one in node.all_input_nodes]
        grown = relative - max(before, default=0.0)
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
            growth=grown if math.isfinite(grown) else 0.0,
            expected_here=here.own_error,
            actual_here=here.error,
            limit=here.limit,
            ratio=here.ratio,
            reason="" if here.difference is None else here.difference.reason,
        )

    def _weight(self, node: Node) -> Measurement:
        """Weights must be the same, unless the precision differs on purpose."""
        actual, expected, truth = (one.values[node.name] for one in self._readings)
        if isinstance(self._actual, TorchReading):
            return self._judged(actual, expected, truth)
        return weights(actual, expected, self._sides)

    def _operator(self, node: Node) -> Measurement:
        """What the operator does by itself, on the inputs that the readings share."""
        inputs = self._shared.values
        found: list[Any] = []
        for reading in self._readings:
            own = inputs.get(node.name) if reading is self._shared else None
            try:
                found.append(reading.call(node, inputs) if own is None else own)
            except LoweringError as failure:
                return Measurement("", math.inf, 0.0, math.inf, Difference("", str(failure)))
        verdicts = [
            self._judged(*leaves, leniency=partial(self._leniency, node, place))
            for place, leaves in enumerate(zip(*map(tree_leaves, found), strict=True))
        ]
        worst = max(verdicts, key=lambda one: (one.difference is not None, one.ratio))
        if worst.difference and (otherwise := self._actual.otherwise(node)):
            reason = f"{worst.difference.reason}; it is called otherwise: {otherwise}"
            return replace(worst, difference=Difference("", reason))
        return worst

    def _leniency(self, node: Node, place: int) -> tuple[float | None, list[Any]]:
        """What may be allowed to one of the operator's results."""
        scale, peers = leniency(node, self._shared.values, self._expected, self._truth)
        return scale, [tree_leaves(peer)[place] for peer in peers]


def _outputs(model: TracedModel, inputs: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """What the model as a whole makes of the inputs, by name."""
    if not isinstance(model, torch.nn.Module):
        function = model.function(inputs, hidden_states=True)
        outputs = function(*(tf.constant(inputs[n].numpy()) for n in model.program(inputs).inputs))
        return {
            name: tuple(to_torch(one.numpy()) for one in tree_leaves(found))
            for name, found in outputs.items()
        }
    try:
        found: dict[str, Any] = record.Plain(model)(**inputs)
    except (IndexError, ValueError, RuntimeError) as error:
        shapes = ", ".join(f"{name} {list(one.shape)}" for name, one in inputs.items())
        raise InputError(f"PyTorch cannot run the model on {shapes}: {error}") from error
    return found


def _spelled(target: Any) -> str:
    return str(target) if isinstance(target, torch._ops.OpOverload) else target.__name__
