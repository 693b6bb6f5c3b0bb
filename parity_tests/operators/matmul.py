"""Matrix products and attention."""

from __future__ import annotations

import math
from typing import Any

import torch
from hypothesis import strategies as st

from .case import FLOATS, SUM, Call, Draw, broadcasting, case, dtypes, shapes, tensor

aten = torch.ops.aten

# NaN spreads over rows and columns in the same way on both sides. An infinity may meet a zero with
# which one library pads a block, so it is drawn in masks only.
FINITE_OR_NAN = (math.nan, 0.0, -0.0, 1.0)
NONE: tuple[float, ...] = ()


def matrix(draw: Draw, shape: Any, dtype: torch.dtype) -> torch.Tensor:
    special = FINITE_OR_NAN if draw(st.integers(0, 4)) == 0 else NONE
    return tensor(draw, shape, dtype, special=special)


def sizes(draw: Draw, count: int, least: int = 0) -> list[int]:
    return [draw(st.integers(least, 4)) for _ in range(count)]


# In a graph TensorFlow fuses a product with the addition after it, and oneDNN then ends the process
# if a matrix has width 0 ("could not create a primitive descriptor"). No model has such a matrix.
FUSED = 1


@case(aten.linear.default, scale=SUM)
def _(draw: Draw) -> Call:
    dtype, rows, (inner, outer) = draw(dtypes(FLOATS)), draw(shapes(0, 3)), sizes(draw, 2)
    bias = draw(st.booleans())
    if bias:
        inner, outer = max(inner, FUSED), max(outer, FUSED)
    x = matrix(draw, (*rows, inner), dtype)
    if draw(st.integers(0, 5)) == 0:
        return Call((x, matrix(draw, (inner,), dtype)))
    weight = matrix(draw, (outer, inner), dtype)
    return Call((x, weight, matrix(draw, (outer,), dtype)) if bias else (x, weight))


@case(aten.mm.default, scale=SUM)
def _(draw: Draw) -> Call:
    dtype, (a, b, c) = draw(dtypes((*FLOATS, torch.int64, torch.int32))), sizes(draw, 3)
    return Call((matrix(draw, (a, b), dtype), matrix(draw, (b, c), dtype)))


@case(aten.bmm.default, scale=SUM)
def _(draw: Draw) -> Call:
    dtype, (n, a, b, c) = draw(dtypes(FLOATS)), sizes(draw, 4)
    return Call((matrix(draw, (n, a, b), dtype), matrix(draw, (n, b, c), dtype)))


def scaled(draw: Draw) -> dict[str, Any]:
    factors = st.sampled_from([None, 1, 2, 0.5, -1.5])
    drawn = {"beta": draw(factors | st.just(0)), "alpha": draw(factors)}
    return {name: factor for name, factor in drawn.items() if factor is not None}


def added(call: Call) -> torch.Tensor:
    """The magnitudes of the product's terms and of the added tensor."""
    added, left, right = (x.double().abs() for x in call.args)
    beta, alpha = abs(call.kwargs.get("beta", 1)), abs(call.kwargs.get("alpha", 1))
    return beta * added + alpha * (left @ right)


@case(aten.addmm.default, scale=added)
def _(draw: Draw) -> Call:
    dtype, (a, b, c) = draw(dtypes(FLOATS)), (draw(st.integers(0, 4)), *sizes(draw, 2, FUSED))
    added = draw(st.sampled_from([(a, c), (c,), (1, c), (1,)]))
    return Call(
        (matrix(draw, added, dtype), matrix(draw, (a, b), dtype), matrix(draw, (b, c), dtype)),
        scaled(draw),
    )


@case(aten.baddbmm.default, scale=added)
def _(draw: Draw) -> Call:
    dtype, (n, a, b, c) = draw(dtypes(FLOATS)), (*sizes(draw, 2), *sizes(draw, 2, FUSED))
    added = draw(st.sampled_from([(n, a, c), (a, c), (c,), (n, 1, 1)]))
    left, right = matrix(draw, (n, a, b), dtype), matrix(draw, (n, b, c), dtype)
    return Call((matrix(draw, added, dtype), left, right), scaled(draw))


@case(aten.matmul.default, scale=SUM)
def _(draw: Draw) -> Call:
    dtype, (a, b, c) = draw(dtypes(FLOATS)), sizes(draw, 3)
    left, right = broadcasting(draw, 2)
    first = draw(st.sampled_from([(b,), (*left, a, b)]))
    second = draw(st.sampled_from([(b,), (*right, b, c)]))
    return Call((matrix(draw, first, dtype), matrix(draw, second, dtype)))


EQUATIONS = (
    *("ij,jk->ik", "bij,bkj->bik", "bhld,bhrd->bhlr", "bhld,lrd->bhlr", "i,j->ij", "ij->ji"),
    *("bij,bij->b", "...ij,...jk->...ik", "bij->bj", "ij,j,k->ik", "ibh,jbh->ijb"),
)


def absolute_einsum(call: Call) -> torch.Tensor:
    equation, operands = call.args
    product: torch.Tensor = aten.einsum(equation, [x.double().abs() for x in operands])
    return product


@case(aten.einsum.default, scale=absolute_einsum)
def _(draw: Draw) -> Call:
    equation = draw(st.sampled_from(EQUATIONS))
    dtype = draw(dtypes(FLOATS))
    length = {
        letter: draw(st.integers(1, 4)) for letter in sorted(set(equation)) if letter.isalpha()
    }
    parts = equation.partition("->")[0].split(",")
    operands = [
        matrix(draw, [length[axis] for axis in part if axis.isalpha()], dtype) for part in parts
    ]
    return Call((equation, operands))


def attended(call: Call) -> torch.Tensor:
    """The rounding of the scores, which the exponential magnifies, times the values."""
    query, key, value, *_ = call.args
    scores = query.double().abs().amax() * key.double().abs().amax() * query.shape[-1]
    return (1 + scores) * value.double().abs().amax()


@case(aten.scaled_dot_product_attention.default, scale=attended)
def _(draw: Draw) -> Call:
    dtype = draw(dtypes(FLOATS))
    batch, heads, queries, keys, width = (draw(st.integers(1, 4)) for _ in range(5))
    lead = draw(st.sampled_from([(batch, heads), (batch,)]))
    options: dict[str, Any] = {}
    kv_lead = lead
    if len(lead) == 2 and draw(st.booleans()):
        options["enable_gqa"] = True
        groups = draw(st.sampled_from([n for n in range(1, heads + 1) if heads % n == 0]))
        kv_lead = (batch, groups)
    if draw(st.booleans()):
        options["scale"] = draw(st.sampled_from([1.0, 0.25, 2]))
    query = tensor(draw, (*lead, queries, width), dtype, special=())
    key = tensor(draw, (*kv_lead, keys, width), dtype, special=())
    value = tensor(draw, (*kv_lead, keys, draw(st.integers(1, 4))), dtype, special=())
    kind = draw(st.sampled_from(["none", "causal", "bool", "float"]))
    if kind == "causal":
        return Call((query, key, value, None, 0.0, True), options)
    if kind == "none":
        return Call((query, key, value), options)
    ones = (1,) * len(lead)
    shapes = [(*ones, queries, keys), (*lead, queries, keys), (lead[0], *ones[1:], 1, keys)]
    shape = draw(st.sampled_from([(queries, keys), *shapes]))
    mask = tensor(draw, shape, torch.bool)
    if draw(st.booleans()):
        mask[..., 0, :] = False  # a row without keys
    if kind == "float":
        low = draw(st.sampled_from([-math.inf, torch.finfo(dtype).min, -2.0]))
        return Call(
            (query, key, value, torch.where(mask, 0.0, torch.tensor(low, dtype=dtype)).to(dtype)),
            options,
        )
    return Call((query, key, value, mask), options)
