"""The trace: silent where both models agree, and precise about the place of each planted fault."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
import transformers
from packaging.version import Version

from diglot.errors import InputError, LoweringError
from diglot.lowering import REGISTRY
from diglot.lowering.model import LoweredModel
from diglot.lowering.passes.promotion import convert
from diglot.parity.trace import Trace, trace_models
from diglot.parity.trace.graph import Graph

from .architectures import MAX_TOKENS, PAD, UNLIKE, VOCABULARY, subject, torch_model

aten = torch.ops.aten
INPUTS = ("input_ids", "attention_mask")
ENCODING = {
    "input_ids": np.array([[1, 17, 23, 42, 9, 2], [1, 31, 2, 0, 0, 0]]),
    "attention_mask": np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]]),
}
LAYER = "bert.encoder.layer.1"


masks = pytest.mark.skipif(
    Version(transformers.__version__) < Version("5.23"),
    reason="older versions of transformers make mpnet's mask of other operators",
)


@dataclass(frozen=True)
class Pair:
    """A PyTorch model, the same model in TensorFlow, and the captured graph."""

    model: Any
    other: LoweredModel
    graph: Graph

    def trace(self, encoding: Mapping[str, Any] = ENCODING) -> Trace:
        """Trace one input."""
        return trace_models(self.model, self.other, encoding, graph=self.graph)

    @property
    def program(self) -> Any:
        """The TensorFlow program."""
        return self.other.program(INPUTS)

    def node(self, module: str, target: Any) -> Any:
        """The only call of the operator in the module."""
        (match,) = [
            node
            for node in self.program.nodes
            if node.target is target
            and [*node.meta["nn_module_stack"].values()][-1][0] == f"model.{module}"
        ]
        return match

    def variable(self, name: str) -> Any:
        """The variable of a weight."""
        return self.other.variables[name]


@cache
def pair(architecture: str) -> Pair:
    """One pair per architecture; a test that plants a fault in it removes the fault again."""
    model = torch_model(architecture)
    return Pair(model, LoweredModel(deepcopy(model)), Graph(model, INPUTS))


@pytest.fixture
def bert() -> Pair:
    """BERT, in which most faults are planted."""
    return pair("bert")


@contextmanager
def called(node: Any, *args: Any, **kwargs: Any) -> Iterator[None]:
    """Change arguments of a call: by position, with ``...`` for an unchanged one, or by name."""
    before = node.args, node.kwargs
    changes = [*args, *[...] * (len(node.args) - len(args))]
    present = [*node.args, *[None] * (len(changes) - len(node.args))]
    node.args = tuple(old if new is ... else new for new, old in zip(changes, present, strict=True))
    node.kwargs = {**node.kwargs, **kwargs}
    try:
        yield
    finally:
        node.args, node.kwargs = before


@contextmanager
def assigned(variable: Any, value: Any) -> Iterator[None]:
    """Change the value of a variable."""
    before = variable.numpy()
    variable.assign(value)
    try:
        yield
    finally:
        variable.assign(before)


def awkward(rows: int, tokens: int) -> dict[str, Any]:
    """A full row, a masked row, padding left and right, one token, and random masks."""
    generator = np.random.default_rng(tokens)
    ids = generator.integers(PAD + 1, VOCABULARY, (rows, tokens))
    mask = np.ones_like(ids)
    for row, change in enumerate((np.s_[:], np.s_[: tokens // 2], np.s_[1:]), 1):
        mask[row : row + 1, change] = 0
    mask[4:] = generator.integers(0, 2, mask[4:].shape)
    ids[mask == 0] = PAD
    return {"input_ids": ids, "attention_mask": mask}


@pytest.mark.parametrize("architecture", UNLIKE)
def test_no_operator_diverges_without_a_fault(architecture: str) -> None:
    models = subject(architecture)
    sound = Pair(models.expected, models.actual, Graph(models.expected, INPUTS))
    for encoding in (awkward(6, 9), awkward(6, MAX_TOKENS), awkward(1, 1)):
        result = sound.trace(encoding)
        assert result.equal, f"{result}\n{encoding}"
        rounded = [step for step in result.steps if step.rounds]
        assert len(rounded) > 30
        assert 0 < rounded[-1].expected < 1e-5
        assert 0 < rounded[-1].actual < 1e-5
        # The results are not copies of each other.
        assert any(step.expected != step.actual for step in rounded)


def test_a_wrong_gelu(bert: Pair) -> None:
    with REGISTRY.replaced(
        aten.gelu.default, lambda self, **_: right(self, approximate="tanh")
    ) as right:
        result = bert.trace()
    assert result.first_divergent is not None
    assert result.first_divergent.operator == "aten.gelu.default"
    assert result.first_divergent.module == "bert.encoder.layer.0.intermediate.intermediate_act_fn"
    # Only the GELU of the other layer is wrong as well.
    assert [step.operator for step in result.steps if step.reason] == ["aten.gelu.default"] * 2
    # Every later result is wrong, but no later operator is named.
    behind = result.steps[result.steps.index(result.first_divergent) :]
    assert all(step.actual > 10 * step.expected for step in behind if step.rounds)


def test_another_epsilon_in_one_layer(bert: Pair) -> None:
    node = bert.node(f"{LAYER}.output.LayerNorm", aten.layer_norm.default)
    with called(node, ..., ..., ..., ..., 1e-4):
        result = bert.trace()
    assert [step.module for step in result.steps if step.reason] == [f"{LAYER}.output.LayerNorm"]
    assert "eps is 0.0001 instead of 1e-12" in result.first_divergent.reason


def test_swapped_rows_of_a_weight(bert: Pair) -> None:
    name = f"{LAYER}.attention.self.query.weight"
    variable = bert.variable(name)
    with assigned(variable, variable.numpy()[[1, 0, *range(2, 16)]]):
        result = bert.trace()
    assert [step.module for step in result.steps if step.reason] == [name]
    assert result.first_divergent.operator == "parameter"
    assert "32 of 256 numbers differ" in result.first_divergent.reason


def test_a_wrong_weight_that_the_input_does_not_use(bert: Pair) -> None:
    name = "bert.embeddings.word_embeddings.weight"
    value = bert.variable(name).numpy().copy()
    value[VOCABULARY - 1] += 1e-7
    with assigned(bert.variable(name), value):
        result = bert.trace()
    assert result.first_divergent.module == name
    assert all(step.actual < 1e-5 for step in result.steps if step.rounds)


def test_a_dropped_bias(bert: Pair) -> None:
    name = f"{LAYER}.output.dense"
    with assigned(bert.variable(f"{name}.bias"), np.zeros(16, np.float32)):
        result = bert.trace()
    assert (result.first_divergent.module, result.first_divergent.operator) == (
        f"{name}.bias",
        "parameter",
    )
    with called(bert.node(name, aten.linear.default), ..., ..., None):
        result = bert.trace()
    assert (result.first_divergent.module, result.first_divergent.operator) == (
        name,
        "aten.linear.default",
    )
    assert "bias is None instead of p_model_bert" in result.first_divergent.reason


def test_a_weight_rounded_to_half_precision(bert: Pair) -> None:
    variable = bert.variable("classifier.weight")
    with assigned(variable, variable.numpy().astype(np.float16).astype(np.float32)):
        assert bert.trace().first_divergent.module == "classifier.weight"


def test_an_attention_scale_in_one_layer(bert: Pair) -> None:
    module = f"{LAYER}.attention.self"
    node = bert.node(module, aten.scaled_dot_product_attention.default)
    with called(node, scale=0.35):
        result = bert.trace()
    assert [step.module for step in result.steps if step.reason] == [module]
    assert "scale is 0.35 instead of 0.35355" in result.first_divergent.reason


def test_softmax_over_the_wrong_axis() -> None:
    mpnet, module = pair("mpnet"), "mpnet.encoder.layer.1.attention.attn"
    with called(mpnet.node(module, aten.softmax.int), ..., -2):
        result = mpnet.trace()
    assert (result.first_divergent.module, result.first_divergent.operator) == (
        module,
        "aten.softmax.int",
    )


def test_an_operator_with_several_results() -> None:
    with REGISTRY.replaced(aten.split.Tensor, lambda *args: right(*args)[::-1]) as right:
        first = pair("modernbert").trace().first_divergent
    assert (first.module, first.operator) == ("model.layers.0.mlp", "aten.split.Tensor")


@masks
def test_a_mask_that_is_not_low_enough() -> None:
    mpnet = pair("mpnet")
    node = mpnet.node("mpnet", aten.where.ScalarOther)
    with called(node, ..., ..., -10000.0):
        result = mpnet.trace()
    assert result.first_divergent.node == node.name
    # Next to -3.4e38 the other numbers have no error: only the mask diverges here.
    assert result.first_divergent.actual_here > 1e38


@masks
def test_a_fault_next_to_a_mask() -> None:
    mpnet, module = pair("mpnet"), "mpnet.encoder.layer.1.attention.attn"
    (scores,) = [
        node
        for node in mpnet.program.nodes
        if node.target is aten.add.Tensor
        and getattr(node.args[1], "target", None) is aten.where.ScalarOther
        and module in str(node.meta["nn_module_stack"])
    ]
    without_positions = scores.args[0].args[0]
    with called(scores, without_positions):
        result = mpnet.trace()
    assert (result.first_divergent.module, result.first_divergent.node) == (module, scores.name)


def test_the_wrong_token_is_pooled(bert: Pair) -> None:
    with called(bert.node("bert.pooler", aten.select.int), ..., ..., 1):
        result = bert.trace()
    assert (result.first_divergent.module, result.first_divergent.operator) == (
        "bert.pooler",
        "aten.select.int",
    )


def test_another_residual(bert: Pair) -> None:
    module = f"{LAYER}.output"
    wrong = bert.node(f"{LAYER}.intermediate.dense", aten.linear.default).args[0].args[0]
    node = bert.node(module, aten.add.Tensor)
    right = node.args[1].name
    with called(node, ..., wrong):
        result = bert.trace()
    assert (result.first_divergent.module, result.first_divergent.operator) == (
        module,
        "aten.add.Tensor",
    )
    assert f"other is {wrong.name} instead of {right}" in result.first_divergent.reason


def test_a_fault_whose_effect_is_in_a_later_operator(bert: Pair) -> None:
    node = bert.node("bert", aten.ge.Scalar)
    with called(node, ..., 2):
        result = bert.trace()
    assert (result.first_divergent.operator, result.first_divergent.dtype) == (
        "aten.ge.Scalar",
        "bool",
    )
    assert "they must be identical" in result.first_divergent.reason
    affected = next(step for step in result.steps if step.rounds and step.actual > 1e-4)
    assert affected.module == "bert.encoder.layer.0.attention.self"
    assert not affected.reason


def test_a_cast_that_the_model_lacks(bert: Pair) -> None:
    node = bert.node(f"{LAYER}.output.dense", aten.linear.default)
    nodes, value, casts = bert.program.nodes, node.args[0], []
    with node.graph.inserting_before(node):
        for dtype in (torch.float16, torch.float32):
            cast = node.graph.call_function(convert, (casts[-1] if casts else value, dtype))
            cast.meta = {"val": value.meta["val"].to(dtype), "nn_module_stack": {}}
            casts.append(cast)
    place = nodes.index(node)
    nodes[place:place] = casts
    try:
        with called(node, casts[-1]):
            result = bert.trace()
    finally:
        del nodes[place : place + 2]
        for cast in reversed(casts):
            node.graph.erase_node(cast)
    assert [step.module for step in result.steps if step.reason] == [f"{LAYER}.output.dense"]
    assert f"input is {casts[-1].name} instead of {value.name}" in result.first_divergent.reason
    assert bert.trace().equal


def test_an_operator_that_the_program_lacks(bert: Pair) -> None:
    missing = bert.node(f"{LAYER}.intermediate.intermediate_act_fn", aten.gelu.default)
    reader = bert.node(f"{LAYER}.output.dense", aten.linear.default)
    nodes = bert.program.nodes
    place = nodes.index(missing)
    del nodes[place]
    try:
        with called(reader, missing.args[0]):
            result = bert.trace()
    finally:
        nodes.insert(place, missing)
    assert [step.module for step in result.steps if step.reason] == [f"{LAYER}.output.dense"]
    assert missing.name not in [step.node for step in result.steps]
    changed = f"input is {missing.args[0].name} instead of {missing.name}"
    assert changed in result.first_divergent.reason


def test_an_operator_that_fails(bert: Pair) -> None:
    with REGISTRY.replaced(aten.tanh.default, lambda self: self[:1]):
        result = bert.trace()
    assert (result.first_divergent.module, result.first_divergent.operator) == (
        "bert.pooler.activation",
        "aten.tanh.default",
    )
    assert "[1, 16] for float64 [2, 16]" in result.first_divergent.reason
    assert result.first_divergent.actual == np.inf
    assert result.steps[-1].actual == np.inf


@pytest.mark.parametrize(("value", "what"), [(np.nan, "NaN"), (np.inf, "infinite")])
def test_a_result_that_is_not_finite(bert: Pair, value: float, what: str) -> None:
    with REGISTRY.replaced(
        aten.tanh.default,
        lambda self: tf.tensor_scatter_nd_update(right(self), [[0, 0]], [value]),
    ) as right:
        result = bert.trace()
    assert result.first_divergent.operator == "aten.tanh.default"
    assert f"{what} on one side only" in result.first_divergent.reason
    assert result.first_divergent.actual_here == np.inf


def test_a_model_that_is_not_its_operators(bert: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = bert.other.function

    def swapped(*args: Any, **options: Any) -> Any:
        def run(*tensors: Any) -> Any:
            outputs = sound(*args, **options)(*tensors)
            return {**outputs, "logits": outputs["logits"][:, ::-1]}

        return run

    with monkeypatch.context() as patched:
        patched.setattr(bert.other, "function", swapped)
        result = bert.trace()
    assert (result.first_divergent, result.equal) == (None, False)
    assert "but the output logits does: " in result.elsewhere[0]
    assert "TensorFlow in float32 as a whole has" in result.elsewhere[0]

    hook = bert.model.bert.register_forward_hook(
        lambda module, inputs, output: output.__class__(
            **{**output, "pooler_output": output[1] * 1.01}
        )
    )
    try:
        result = bert.trace()
    finally:
        hook.remove()
    assert (result.first_divergent, result.equal) == (None, False)
    assert "PyTorch in float32 as a whole has" in result.elsewhere[0]


def test_values_are_dropped_after_their_last_use(bert: Pair) -> None:
    from diglot.equality.tolerance import BUDGET
    from diglot.parity.trace.walk import Walk

    inputs = {name: torch.from_numpy(one) for name, one in ENCODING.items()}
    walk = Walk(bert.model, bert.other, inputs, BUDGET, ("a", "b"), bert.graph)
    most = 0
    with torch.no_grad():
        for _ in walk.steps():
            most = max(most, *(len(values.by_node) for values in walk._values))
    # The hidden states, the logits, and other names of the same values.
    assert all(len(values.by_node) < 8 for values in walk._values)
    assert most < len(bert.graph.weights) + 20


def test_what_cannot_be_traced(bert: Pair) -> None:
    # In transformers 5.0, an error within a model changes the model.
    bert = replace(bert, model=deepcopy(bert.model))
    with pytest.raises(InputError, match=r"bert takes input_ids, .*, not positions"):
        bert.trace({**ENCODING, "positions": ENCODING["input_ids"]})
    with pytest.raises(InputError, match=r"PyTorch cannot run the model on input_ids \[1, 33\]"):
        bert.trace({"input_ids": np.ones((1, MAX_TOKENS + 1))})
    with pytest.raises(LoweringError, match=r"recorded from another model: .* b_model_albert"):
        trace_models(bert.model, pair("albert").other, ENCODING, graph=bert.graph)


def test_the_mask_may_be_left_out(bert: Pair) -> None:
    ids = ENCODING["input_ids"]
    alone = bert.trace({"input_ids": ids})
    assert alone == bert.trace({"input_ids": ids, "attention_mask": np.ones_like(ids)})
    assert alone != bert.trace()


def test_a_decoder_without_a_pad_token() -> None:
    model = torch_model("gpt2", pad_token_id=None)
    result = trace_models(
        model,
        LoweredModel(deepcopy(model)),
        {"input_ids": np.array([[1, 17, 23]])},
    )
    assert result.equal, result


@pytest.mark.parametrize(
    ("architecture", "precision"),
    [
        ("bert", torch.bfloat16),
        ("bert", torch.float16),
        ("bert", torch.float64),
        ("llama", torch.bfloat16),
    ],
)
def test_pytorch_in_another_precision(architecture: str, precision: torch.dtype) -> None:
    model = torch_model(architecture)
    result = trace_models(model, deepcopy(model).to(precision), awkward(5, 7))
    assert result.equal, result
    last = result.steps[-1]
    coarse, fine = (last.actual, last.expected)
    if precision is torch.float64:
        coarse, fine = fine, coarse
    eps = torch.finfo(precision if precision is not torch.float64 else torch.float32).eps
    assert 0 < coarse < 64 * eps
    assert fine < coarse / 100
    if precision is not torch.float64:
        assert result.grown.growth > eps / 8


def test_numbers_beyond_half_precision(bert: Pair) -> None:
    model = deepcopy(bert.model)
    dense = model.bert.encoder.layer[1].intermediate.dense
    dense.bias.data[3] = 60_000
    dense.weight.data[3] = 6_000 * torch.sign(
        model.bert.encoder.layer[1].attention.output.LayerNorm.bias
    )
    half = deepcopy(model).to(torch.float16)
    result = trace_models(model, half, ENCODING)
    assert result.first_divergent.module == f"{LAYER}.intermediate.dense"
    assert result.first_divergent.operator == "aten.linear.default"
    assert "PyTorch in float16 has" in result.first_divergent.reason
    assert "infinite on one side only" in result.first_divergent.reason

    dense.bias.data[3] = 70_000
    result = trace_models(
        model, deepcopy(model).to(torch.float16), ENCODING, graph=Graph(half, INPUTS)
    )
    assert (result.first_divergent.module, result.first_divergent.operator) == (
        f"{LAYER}.intermediate.dense.bias",
        "parameter",
    )


def test_what_rounding_may_do_to_an_operator(bert: Pair) -> None:
    """A sum may differ by the rounding of its terms; a pointwise operator magnifies nothing."""
    from diglot.equality.tolerance import BUDGET
    from diglot.parity.trace.operators import leniency, measured
    from diglot.parity.trace.values import DOUBLED, TorchValues

    nodes = {node.target: node for node in reversed(bert.graph.nodes)}
    linear, gelu = nodes[aten.linear.default], nodes[aten.gelu.default]
    operands = (torch.tensor([[[3.0, -3.0]]]), torch.tensor([[5.0, 5.0]]), torch.tensor([-1.0]))
    inputs = {node.name: value for node, value in zip(linear.args, operands, strict=True)}
    plain, wide = TorchValues({}, {}), TorchValues({}, DOUBLED)
    scale, peers = leniency(linear, inputs, plain, wide)
    assert scale == 3 * 5 + 3 * 5 + 1
    assert len(peers) == 2
    assert not torch.equal(*peers)
    assert all(0 < abs(float(peer) + 1) < 1e-4 for peer in peers)
    assert leniency(gelu, {gelu.args[0].name: operands[0]}, plain, wide) == (None, [])

    wrong, zero = torch.tensor([1e-6]), torch.tensor([0.0])
    for allowance, diverges in (
        ((None, ()), True),
        ((scale, ()), False),
        ((None, [torch.tensor([5e-7])]), False),
    ):
        measurement = measured(
            wrong,
            zero,
            zero,
            leniency=lambda allowance=allowance: allowance,
            tolerance=BUDGET,
            sides=("a", "b"),
        )
        assert (measurement.difference is not None) == diverges
