"""Capture and lowering: refusals, checks of dtypes and shapes, variables, gradients, dtypes."""

import builtins
import math

import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import nn
from torch.nn import functional

from diglot.errors import CaptureError, LoweringError, UnsupportedOperatorsError
from diglot.lowering import DECLINED, REGISTRY, capture, lower
from diglot.lowering.dtypes import constant, to_numpy, to_tf, to_torch
from diglot.lowering.missing import home
from diglot.lowering.registry import Registry, function_name

aten = torch.ops.aten


class Applied(nn.Module):
    """A function of one tensor, as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):  # noqa: D102
        return self.function(x)


class Outer(nn.Module):
    """A module that calls another and has a nested result."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):  # noqa: D102
        return {"out": self.inner(x) + 1, "pair": (x, [x * 2])}


def lowered(module, *sizes, dtype=torch.float32, **options):
    example = torch.ones(sizes or (3, 5), dtype=dtype)
    return lower(capture(module, {"x": example}, **options))


def torch_gradients(module, tensor, factors):
    (module(tensor) * factors).sum().backward()
    return {name: parameter.grad.numpy() for name, parameter in module.named_parameters()}


# Capture


def test_a_branch_on_data_is_refused_with_the_reason():
    with pytest.raises(
        CaptureError, match=r"could not capture Applied: .*data-dependent"
    ) as caught:
        capture(Applied(lambda x: x if x.sum() > 0 else -x), {"x": torch.ones(3, 5)})
    assert "backend='torch'" in str(caught.value)
    assert caught.value.__cause__ is not None


def test_every_size_varies_except_the_static_ones():
    program = lowered(Applied(lambda x: x + 1), static=frozenset({1}))
    assert program.inputs == {"x": [None, 5]}
    assert program(x=tf.zeros([9, 5])).shape == [9, 5]
    assert program.ranges == {"x": [(0, None), (5, 5)]}


def test_a_program_knows_the_sizes_of_its_branch():
    def branching(x):
        return x * 2 if x.shape[1] <= 8 else x * 3

    assert lowered(Applied(branching)).ranges == {"x": [(0, None), (0, 8)]}
    assert lowered(Applied(branching), 3, 12).ranges == {"x": [(0, None), (9, None)]}


# Each computes with the sizes of its input; the example has the sizes [3, 5].
SYMBOLIC = {
    "view": lambda x: x.view(x.shape[0], x.shape[1], 1).transpose(1, 2),
    "join": lambda x: x.reshape(x.shape[0] * x.shape[1]),
    "rest": lambda x: x.reshape(-1, 1),
    "flatten": lambda x: x[:, None].flatten(0, 1),
    "expand": lambda x: x[:, None].expand(-1, 4, x.shape[1]),
    "expand to a size": lambda x: torch.ones(1, 1).expand(x.shape[0], x.shape[1]) * x,
    "arange": lambda x: x + torch.arange(x.shape[1]),
    "arange from": lambda x: torch.arange(1, x.shape[1] + 1) * x,
    "steps": lambda x: torch.arange(0, x.shape[1], 1, dtype=torch.float32) - x,
    "full": lambda x: torch.full((x.shape[0], 2 * x.shape[1]), 0.1, dtype=torch.float64),
    "new": lambda x: x.new_zeros(x.shape[1], x.shape[0]) + x.new_ones(1, x.shape[0]),
    "slice": lambda x: x[:, : x.shape[1] // 2 + 1],
    "last": lambda x: x[torch.arange(x.shape[0]), -1],
    "triangle": lambda x: torch.tril(torch.ones(x.shape[1], x.shape[1])) * x[:, None],
    "repeat": lambda x: x.repeat(x.shape[0], 2),
    "pad": lambda x: functional.pad(x, (0, x.shape[1]), value=7.0),
    "split": lambda x: torch.split(x, [1, x.shape[1] - 1], dim=1)[1],
    "roll": lambda x: torch.roll(x, 1, dims=1),
    "size": lambda x: x * x.shape[1],
    "mean by hand": lambda x: x.sum(1) / x.shape[1],
    "variance": lambda x: x.var(1, correction=0),
}


@pytest.mark.parametrize("name", SYMBOLIC)
def test_a_program_computes_with_the_sizes_of_its_input(name):
    module = Applied(SYMBOLIC[name])
    program = lowered(module)
    signature = [tf.TensorSpec([None, None], tf.float32)]
    eager, graph, xla = (
        program,
        *(tf.function(lambda x: program(x=x), signature, jit_compile=jit) for jit in (False, True)),
    )
    for rows, columns, ways in [
        (3, 5, (eager, graph)),
        (2, 4, (eager, graph)),
        (1, 2, (eager, graph, xla)),
        (4, 9, (eager, graph, xla)),
    ]:
        x = torch.arange(rows * columns, dtype=torch.float32).reshape(rows, columns)
        expected = module(x)
        for way in ways:
            actual = way(x=tf.constant(x.numpy()))
            assert actual.dtype == to_tf(expected.dtype)
            np.testing.assert_allclose(actual.numpy(), expected.numpy(), rtol=1e-6)


# Missing operators


class Missing(nn.Module):
    """Two operators that have no lowering."""

    def forward(self, x):  # noqa: D102
        square = x @ x.T
        return torch.linalg.qr(square).Q + torch.linalg.qr(square + 1).Q + torch.histc(x, 1)


def test_all_missing_operators_are_named_at_once():
    with pytest.raises(UnsupportedOperatorsError) as caught:
        lowered(Outer(Missing()))
    message = str(caught.value)
    assert "2 operator(s)" in message
    assert "aten.linalg_qr.default: 2x, first in inner; add it to src/diglot/" in message
    assert "aten.histc.default: 1x, first in inner; add it to src/diglot/" in message
    assert "backend='torch'" in message


@pytest.mark.parametrize(
    ("operator", "file"),
    [
        # By the name of the family.
        (aten.convolution.default, "convolution.py"),
        (aten.convolution_backward.default, "convolution.py"),
        (aten.conv1d.default, "convolution.py"),
        # By the words of registered operators.
        (aten.native_batch_norm.default, "normalization.py"),
        (aten._softmax.default, "normalization.py"),
        (aten.index_put.default, "indexing.py"),
        (aten.slice_scatter.default, "indexing.py"),
        (aten.max_pool2d_with_indices.default, "reduction.py"),
        (aten._scaled_dot_product_efficient_attention.default, "matmul.py"),
        (aten.logical_xor.default, "logic.py"),
        (aten.repeat_interleave.Tensor, "layout.py"),
        # By PyTorch's tag of pointwise operators.
        (aten.i0.default, "elementwise.py"),
        (aten.atan2.default, "elementwise.py"),
        # Without a similar name.
        (aten._cdist_forward.default, ""),
        (aten.linalg_inv_ex.default, ""),
        (aten.scatter.value, ""),
    ],
    ids=str,
)
def test_a_missing_lowering_belongs_to_the_family_with_a_similar_name(operator, file):
    # Any of these may get a lowering one day.
    with REGISTRY.without(*{operator} & {*REGISTRY}):
        assert home(operator) == f"src/diglot/lowering/ops/{file}"


def test_the_message_names_the_file_of_the_family():
    def convolve(x):
        return torch.conv1d(x[None], x.T[:, :, None].expand(5, 3, 1))

    with (
        REGISTRY.without(aten.convolution.default),
        pytest.raises(UnsupportedOperatorsError) as caught,
    ):
        lowered(Applied(convolve), static=frozenset({0, 1}))
    line = next(line for line in str(caught.value).splitlines() if "aten.conv" in line)
    assert line.endswith(
        "first in the top module; add it to src/diglot/lowering/ops/convolution.py"
    )


def test_arithmetic_on_sizes_that_is_missing_has_a_name():
    with pytest.raises(UnsupportedOperatorsError) as caught:
        lowered(Applied(lambda x: x.new_ones(torch.sym_max(x.shape[0], x.shape[1]))))
    line = next(line for line in str(caught.value).splitlines() if "sym_max" in line)
    assert line.startswith("  torch.sym_max: 1x, first in the top module;")
    assert line.endswith("add it to src/diglot/lowering/missing.py")


def test_a_declined_operator_gives_its_reason():
    with pytest.raises(UnsupportedOperatorsError, match=r"rand.*it draws random numbers"):
        lowered(Applied(lambda x: x + torch.rand(1)))


def test_no_operator_is_both_lowered_and_declined():
    assert not set(DECLINED) & set(REGISTRY)
    assert all(reason and not reason.endswith(".") for reason in DECLINED.values())


# The registry


def test_every_lowering_ignores_only_arguments_about_memory():
    # The registry checks all else when it is filled.
    ignored = {"layout", "device", "pin_memory", "memory_format", "non_blocking", "sparse_grad"}
    for operator, lowering in REGISTRY.items():
        arguments = [argument.name for argument in operator._schema.arguments]
        code = lowering.function.__code__
        taken = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        assert set(arguments) - set(taken) <= ignored | {"path"}, operator


def test_no_lowering_has_the_name_of_a_builtin():
    assert not {lowering.function.__name__ for lowering in REGISTRY.values()} & {*dir(builtins)}


def aten_relu(self):
    """relu(Tensor self) -> Tensor"""  # noqa: D415
    return tf.nn.relu(self)


def test_a_second_lowering_of_an_operator_is_refused():
    registry = Registry()
    registry.register(aten.relu.default)(aten_relu)
    with pytest.raises(LoweringError, match=r"aten.relu.default already has a lowering"):
        registry.register(aten.relu.default)(aten_relu)
    assert list(registry) == [aten.relu.default]
    assert len(registry) == 1
    assert registry[aten.relu.default].function is aten_relu


def wrongly_named(self):
    return self


def without_doc(self):
    return self


def other_parameters(input):  # noqa: A002
    return input


def too_few():
    return None


@pytest.mark.parametrize(
    ("function", "name", "promote", "problem"),
    [
        (wrongly_named, None, (), "must be named aten_relu, not wrongly_named"),
        (
            without_doc,
            "aten_relu",
            (),
            "must have the schema as the first line of its docstring: aten::",
        ),
        (other_parameters, "aten_relu", (), r"must take \(self\), not \(input\)"),
        (too_few, "aten_relu", (), r"must take \(self\), not \(\)"),
        (aten_relu, "aten_relu", ("other",), "promotes other, which its schema lacks"),
    ],
)
def test_a_lowering_that_departs_from_the_schema_is_refused(
    monkeypatch, function, name, promote, problem
):
    if name:
        monkeypatch.setattr(function, "__name__", name)
    registry = Registry()
    with pytest.raises(LoweringError, match=f"the lowering of aten.relu.default {problem}"):
        registry.register(aten.relu.default, promote)(function)
    assert aten.relu.default not in registry


def test_the_name_of_a_lowering_has_the_namespace_and_the_overload():
    assert function_name(aten.add.Tensor) == "aten_add_Tensor"
    assert function_name(aten.linear.default) == "aten_linear"
    assert function_name(aten.__and__.Tensor) == "aten___and___Tensor"
    assert function_name(torch.ops.prims.convert_element_type.default) == (
        "prims_convert_element_type"
    )


def test_lowerings_are_removed_and_replaced_within_a_context():
    registry = Registry()
    registry.register(aten.relu.default)(aten_relu)
    with registry.replaced(aten.relu.default, wrongly_named) as original:
        assert original is aten_relu
        assert registry[aten.relu.default].function is wrongly_named
    with registry.without(aten.relu.default):
        assert aten.relu.default not in registry
    assert registry[aten.relu.default].function is aten_relu
    with pytest.raises(KeyError), registry.without(aten.gelu.default):
        pass


# Checks against the recorded dtypes and shapes


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda self: tf.cast(self, tf.float64), r"gave float64 \(3, 5\), where PyTorch gives"),
        (
            lambda self: self[:, :2],
            r"gave float32 \(3, 2\), where PyTorch gives float32 \[None, 5\]",
        ),
        (lambda self: self[0], r"gave float32 \(5,\), where PyTorch gives float32"),
        (lambda self: 1 / 0, "division by zero"),
    ],
)
def test_a_wrong_lowering_is_caught(wrong, message):
    operator = aten.relu.default
    with REGISTRY.replaced(operator, wrong):
        program = lowered(Outer(nn.ReLU()), static=frozenset({1}))
        with pytest.raises(LoweringError, match=rf"aten.relu.default in inner.*{message}"):
            program(x=tf.zeros([3, 5]))


def test_a_lowering_that_gives_too_few_results_is_caught():
    def wrong(self, dim, keepdim=False):
        return [tf.reduce_max(self, dim)]

    with (
        REGISTRY.replaced(aten.max.dim, wrong),
        pytest.raises(LoweringError, match=r"aten.max.dim"),
    ):
        lowered(Applied(lambda x: x.max(1).values))(x=tf.zeros([3, 5]))


# The program


def test_the_result_has_the_structure_of_the_module():
    out = lowered(Outer(nn.ReLU()))(x=tf.constant([[-1.0, 2.0]]))
    assert list(out) == ["out", "pair"]
    assert isinstance(out["pair"], tuple)
    assert out["out"].numpy().tolist() == [[1.0, 3.0]]
    assert out["pair"][1][0].numpy().tolist() == [[-2.0, 4.0]]


@pytest.mark.parametrize("inputs", [{}, {"y": 1.0}, {"x": 1.0, "y": 1.0}])
def test_inputs_of_other_names_are_refused(inputs):
    program = lowered(Applied(lambda x: x + 1))
    with pytest.raises(
        LoweringError, match=f"takes the inputs x, not {', '.join(inputs) or 'none'}"
    ):
        program(**inputs)


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (tf.zeros([3, 5], tf.float64), "float64"),
        (tf.zeros([3, 5], tf.int32), "int32"),
        (tf.zeros([3]), r"\(3,\)"),
        (tf.zeros([2, 5]), r"\(2, 5\)"),
    ],
)
def test_inputs_of_another_dtype_or_shape_are_refused(value, what):
    program = lowered(Applied(lambda x: x + 1), static=frozenset({0}))
    expected = rf"x is .*{what}.* captured for float32 \(3, None\)"
    with pytest.raises(LoweringError, match=expected):
        program(x=value)


def test_a_static_size_is_checked_when_a_graph_runs():
    program = lowered(Applied(lambda x: x + 1), static=frozenset({0}))
    run = tf.function(lambda x: program(x=x), [tf.TensorSpec([None, None], tf.float32)])
    assert run(tf.zeros([3, 8])).shape == [3, 8]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"\[2,8\].*\[3,\?\]"):
        run(tf.zeros([2, 8]))


class Scaled(nn.Module):
    """A module with a parameter and a buffer."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(5))
        self.register_buffer("offset", torch.randn(5))

    def forward(self, x):  # noqa: D102
        return self.weight * x + self.offset


def test_parameters_carry_the_captured_names():
    module = nn.Module()
    module.body = Scaled()
    module.register_buffer("scratch", torch.ones(5), persistent=False)
    module.forward = lambda x: module.body(x) * module.scratch + torch.tensor(2.0)
    exported = capture(module.eval(), {"x": torch.ones(3, 5)}, static=frozenset({1}))
    program = lower(exported, prefix="body.")
    assert set(program.parameters) == {"weight", "offset"}
    trainable = {name for name, variable in program.parameters.items() if variable.trainable}
    assert trainable == {"weight"}
    names = {variable.name.removesuffix(":0") for variable in program.variables}
    assert names == {"weight", "offset"}
    x = torch.randn(4, 5)
    np.testing.assert_allclose(program(x=x.numpy()), module(x).detach(), rtol=1e-5, atol=1e-6)


def test_programs_share_existing_variables():
    linear = nn.Linear(5, 2)
    weight = tf.Variable(tf.zeros([2, 5]), name="weight")
    exported = capture(linear, {"input": torch.ones(3, 5)}, static=frozenset({1}))
    program = lower(exported, variables={"weight": weight})
    assert program.parameters["weight"] is weight
    np.testing.assert_allclose(
        program(input=tf.ones([3, 5])), [linear.bias.detach().numpy()] * 3, rtol=1e-6
    )
    weight.assign(tf.ones([2, 5]))
    np.testing.assert_allclose(
        program(input=tf.ones([3, 5])), [linear.bias.detach().numpy() + 5] * 3, rtol=1e-6
    )


def test_a_captured_number_is_promoted_like_pytorchs():
    def mixed(x):
        steps = torch.arange(x.shape[1])
        return (x.half() + steps * 0.5) * x.shape[0], steps / 2 > 1, x.bool() & (steps == 2)

    module = Applied(mixed)
    x = torch.tensor([[0.0, 1.0, 2.0, -3.5, 4.0]] * 2)
    for actual, expected in zip(lowered(module)(x=x.numpy()), module(x), strict=True):
        assert actual.dtype == to_tf(expected.dtype)
        assert actual.numpy().tolist() == expected.tolist()


# Training


class Small(nn.Module):
    """An encoder layer with every kind of parameter."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 8, padding_idx=0)
        self.query, self.key, self.value = (nn.Linear(8, 8) for _ in range(3))
        self.norm, self.root = nn.LayerNorm(8), nn.RMSNorm(8, eps=1e-6)
        self.head = nn.Linear(8, 3)

    def forward(self, ids):  # noqa: D102
        x = self.embedding(ids)
        mask = (ids != 0)[:, None, :].expand(-1, ids.shape[1], -1)
        query, key, value = self.query(x), self.key(x), self.value(x)
        attended = functional.scaled_dot_product_attention(query, key, value, mask)
        x = self.norm(x + functional.gelu(attended))
        x = self.root(x + functional.silu(torch.clamp(x, -1.0, 0.7)))
        return torch.log_softmax(torch.tanh(self.head(x.amax(1))), -1)


def test_gradients_are_pytorchs():
    torch.manual_seed(0)
    module = Small().double()
    ids = torch.tensor([[3, 1, 4, 1], [5, 9, 0, 0], [2, 6, 5, 0]])
    factors = torch.randn(3, 3, dtype=torch.float64)
    program = lower(capture(module, {"ids": ids}))
    expected = torch_gradients(module, ids, factors)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(program(ids=ids.numpy()) * factors.numpy())
    actual = tape.gradient(total, program.parameters)
    assert set(actual) == set(expected)
    for name, gradient in actual.items():
        dense = tf.convert_to_tensor(gradient).numpy()
        if name == "embedding.weight":
            # PyTorch gives the padding row no gradient, so that it stays as it is.
            assert not expected[name][0].any()
            dense, expected[name] = dense[1:], expected[name][1:]
        # In float64 the only difference is the order of a sum of a few dozen terms near 1.
        np.testing.assert_allclose(dense, expected[name], rtol=1e-9, atol=1e-12, err_msg=name)


def test_dropout_drops_and_rescales():
    rate, count = 0.3, 40_000
    module = nn.Dropout(rate).train()
    program = lower(capture(module, {"input": torch.ones(3, 5)}))
    tf.random.set_seed(0)
    out = program(input=tf.ones([200, count // 200])).numpy()
    mask = out != 0
    np.testing.assert_allclose(out[mask], 1 / (1 - rate), rtol=1e-6)
    # The number of kept elements is binomial; about one seed in 1e6 exceeds five deviations.
    assert abs(mask.mean() - (1 - rate)) < 5 * math.sqrt(rate * (1 - rate) / count)
    again = program(input=tf.ones([200, count // 200])).numpy()
    assert (out != again).any()


def test_dropout_of_attention_drops_and_rescales():
    rate, keys = 0.2, 50
    module = Applied(
        lambda x: functional.scaled_dot_product_attention(x, x, torch.ones_like(x), dropout_p=rate)
    )
    program = lowered(module, 2, 6, 4, static=frozenset({2}))
    tf.random.set_seed(0)
    # Equal scores: each row is the mean of the rescaled keys that are kept.
    out = program(x=tf.zeros([40, keys, 4])).numpy()[..., 0]
    share = out * (1 - rate) * keys
    np.testing.assert_allclose(share, np.round(share), atol=1e-3)
    assert abs(out.mean() - 1) < 5 * math.sqrt(rate / (1 - rate) / (40 * keys * keys))
    assert out.std() > 0


def test_dropout_does_nothing_in_evaluation():
    program = lower(capture(nn.Dropout(0.5).eval(), {"input": torch.ones(3, 5)}))
    assert program(input=tf.ones([3, 5])).numpy().tolist() == [[1.0] * 5] * 3


# Dtypes

DTYPES = (
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool),
    *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_values_come_back_bit_for_bit(dtype):
    tensor = torch.tensor([[0, 1], [2, 113]]).to(dtype).T
    if dtype.is_floating_point:
        tensor = tensor + torch.tensor([0.1, -math.inf], dtype=dtype)
    array = to_numpy(tensor)
    assert tf.constant(array).dtype == to_tf(dtype)
    back = to_torch(array)
    assert back.dtype is dtype
    assert torch.equal(back, tensor)
    back[0, 0] = 1  # the tensor has its own memory
    assert torch.equal(to_torch(array), tensor)


@pytest.mark.parametrize("kind", ["none", "tanh"])
def test_gelu_of_large_numbers(kind):
    # float64 of 1e200 is not drawn by the operator cases; TensorFlow's erf gives NaN there.
    x = torch.tensor([[-1e300, -1e200, -1e160, 0.0, 1e160, 1e200, 1e300]], dtype=torch.float64)
    module = Applied(lambda x: functional.gelu(x, approximate=kind))
    actual = lowered(module, dtype=torch.float64)(x=x.numpy())
    np.testing.assert_array_equal(actual, module(x))


def test_constants_keep_their_digits():
    assert constant(0.1, tf.float64).numpy() == 0.1
    assert constant(7, tf.bool).numpy() == np.True_
    assert constant(2.5, tf.int64).numpy() == 2
    assert constant(tf.constant(3), tf.float16).dtype == tf.float16
