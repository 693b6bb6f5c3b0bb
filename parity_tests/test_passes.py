"""Passes over a captured program: order, switches, replaced nodes, and derived weights."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
from torch.export import ExportedProgram
from torch.fx import Node

from diglot.errors import LoweringError
from diglot.lowering import capture, lower, passes
from diglot.lowering.model import LoweredModel
from diglot.lowering.passes.assertions import ASSERTIONS
from diglot.parity.trace import trace_models

from .architectures import torch_model

aten = torch.ops.aten
INPUTS = ("input_ids", "attention_mask")
ENCODING = {
    "input_ids": np.array([[1, 17, 23, 42, 9, 2], [1, 31, 2, 0, 0, 0]]),
    "attention_mask": np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]]),
}


class JoinLinears:
    """Joins linear layers that read the same tensor into one product, which it then splits."""

    name = "join_linears"
    required = False

    def __call__(self, program: ExportedProgram) -> ExportedProgram:
        """Join them."""
        groups: dict[Node, list[Node]] = {}
        for node in program.graph_module.graph.nodes:
            if node.target is aten.linear.default:
                groups.setdefault(node.args[0], []).append(node)
        for linears in groups.values():
            if len(linears) > 1:
                self.join(program, linears)
        program.graph_module.recompile()
        return program

    def join(self, program: ExportedProgram, linears: list[Node]) -> None:
        """Join one group."""
        graph, first = program.graph_module.graph, linears[0]
        with graph.inserting_before(first):
            weights = [
                passes.derive(program, aten.cat.default, list(sources), like=first)
                for sources in zip(*(node.args[1:] for node in linears), strict=True)
            ]
            product = passes.call(graph, aten.linear.default, first.args[0], *weights, like=first)
            start = 0
            for node, rows in zip(linears, self.order(linears), strict=True):
                end = start + rows
                part = passes.call(graph, aten.slice.Tensor, product, -1, start, end, like=node)
                passes.mark_replacement(part, [node])
                node.replace_all_uses_with(part)
                start = end
        for node in linears:
            graph.erase_node(node)

    def order(self, linears: list[Node]) -> list[int]:
        """The number of rows of each weight."""
        return [node.args[1].meta["val"].shape[0] for node in linears]


class JoinLinearsWrongly(JoinLinears):
    """Stacks the weights of a group in the wrong order."""

    def __call__(self, program: ExportedProgram) -> ExportedProgram:
        """Join them, with the first two weights of each group exchanged."""
        program = super().__call__(program)
        for node in program.graph_module.graph.nodes:
            if passes.is_derived(node):
                (sources,) = node.args
                node.args = ([sources[1], sources[0], *sources[2:]],)
        return program


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adds the optional pass ``join_linears``."""
    monkeypatch.setattr(passes, "PASSES", (*passes.PASSES, JoinLinears()))


def linears(model: LoweredModel) -> int:
    """The number of linear layers in the program."""
    return sum(node.target is aten.linear.default for node in model.program(INPUTS).nodes)


def test_the_required_passes_come_first() -> None:
    required = [item.required for item in passes.PASSES]
    assert required == sorted(required, reverse=True)
    assert len({item.name for item in passes.PASSES}) == len(required)


@pytest.mark.parametrize("name", ["drop_assertions", "promotion", "unknown"])
def test_only_optional_passes_can_be_switched_off(joined: None, name: str) -> None:
    exported = capture(torch.nn.ReLU(), {"input": torch.ones(3, 5)})
    with pytest.raises(LoweringError, match=f"^{name} cannot be switched off; .*: join_linears$"):
        lower(exported, without=["join_linears", name])


def test_assertions_are_dropped() -> None:
    class Cast(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.to(torch.float64) + 1

    exported = capture(Cast(), {"x": torch.ones(3, 5)})
    assert ASSERTIONS & {node.target for node in exported.graph.nodes}
    program = lower(exported)
    assert not ASSERTIONS & {node.target for node in program.nodes}
    assert program(x=tf.zeros([2, 4])).dtype == tf.float64


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "llama"])
def test_a_program_agrees_with_and_without_each_optional_pass(
    joined: None, architecture: str
) -> None:
    model = torch_model(architecture)
    counts = []
    for without in [(), *((name,) for name in sorted(passes.optional()))]:
        other = LoweredModel(deepcopy(model), without=without)
        result = trace_models(model, other, ENCODING)
        assert result.equal, result
        # The joined operators are compared under the names of the recorded ones.
        assert sum(step.operator == "aten.linear.default" for step in result.steps) > 10
        counts.append(linears(other))
    assert counts[0] < counts[1] - 2


def test_a_wrong_pass_is_found_at_the_operator_that_it_replaces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passes, "PASSES", (*passes.PASSES, JoinLinearsWrongly()))
    model = torch_model("bert")
    first = trace_models(model, LoweredModel(deepcopy(model)), ENCODING).first_divergent
    assert first is not None
    assert first.operator == "aten.linear.default"
    assert first.module == "bert.encoder.layer.0.attention.self.query"
    assert "the operator is aten.slice.Tensor instead of aten.linear.default" in first.reason


def test_derived_weights_follow_the_checkpoints(joined: None) -> None:
    model = torch_model("bert")
    lowered = LoweredModel(deepcopy(model))
    plain = LoweredModel(deepcopy(model), without=passes.optional())
    tensors = [tf.constant(ENCODING[name]) for name in INPUTS]
    name = "bert.encoder.layer.0.attention.self.key.weight"
    before = lowered.function(INPUTS)(*tensors)["logits"].numpy()
    changed = np.random.default_rng(0).normal(size=lowered.variables[name].shape)
    for item in (lowered, plain):
        item.variables[name].assign(changed)
    after = lowered.function(INPUTS)(*tensors)["logits"].numpy()
    assert np.abs(after - before).max() > 1e-3
    np.testing.assert_allclose(after, plain.function(INPUTS)(*tensors)["logits"], atol=1e-5)

    saved = lowered.to_torch().state_dict()
    expected = {**model.state_dict(), name: torch.tensor(changed, dtype=torch.float32)}
    assert list(saved) == list(expected)
    assert all(torch.equal(saved[key], value) for key, value in expected.items())

    def gradient(item: LoweredModel) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(item.function(INPUTS)(*tensors)["logits"] ** 2)
        return tape.gradient(loss, item.variables[name]).numpy()

    assert np.abs(gradient(plain)).max() > 1e-4
    np.testing.assert_allclose(gradient(lowered), gradient(plain), rtol=1e-3, atol=1e-5)


def test_a_derived_weight_is_made_from_weights_only() -> None:
    inputs = {"input": torch.ones(3, 5)}
    exported = capture(torch.nn.Linear(5, 2), inputs, static=frozenset({1}))
    graph = exported.graph_module.graph
    (linear,) = [node for node in graph.nodes if node.target is aten.linear.default]
    with (
        graph.inserting_before(linear),
        pytest.raises(LoweringError, match="made from weights only, but input"),
    ):
        passes.derive(exported, aten.t.default, linear.args[0], like=linear)
