"""Softmax and the normalizations."""

from __future__ import annotations

import math
from typing import Any

import torch
from hypothesis import strategies as st

from .case import FLOATS, HALVES, INTEGERS, Call, Draw, case, dim, dtypes, shapes, tensor

aten = torch.ops.aten


def scores(draw: Draw) -> Call:
    dtype = draw(dtypes((*FLOATS, *INTEGERS[:2])))
    special = draw(st.sampled_from([(), (-math.inf,), (-1e4, 1e4), (math.nan,), (math.inf,)]))
    x = tensor(draw, draw(shapes()), dtype, special=special, least=-20, most=20)
    wider = [torch.float64] if dtype is torch.float64 else [torch.float32, torch.float64]
    options = [*(wider if dtype.is_floating_point else []), torch.float32]
    along = draw(dim(x.ndim))
    if dtype.is_floating_point and draw(st.booleans()):
        return Call((x, along))
    return Call((x, along, draw(dtypes(options))))


@case(aten.softmax.int, scale=lambda call: torch.ones(()))
def _(draw: Draw) -> Call:
    return scores(draw)


def spread(call: Call) -> torch.Tensor:
    """A log-probability is a difference of scores, and has their rounding."""
    x = call.args[0].double().nan_to_num(0, 0, 0).abs()
    return 1 + (x.amax(call.args[1], keepdim=True) if x.numel() else x)


@case(aten.log_softmax.int, scale=spread)
def _(draw: Draw) -> Call:
    return scores(draw)


def affine(draw: Draw, *, bias: bool) -> tuple[Any, ...]:
    shape = draw(shapes(1, smallest=1))
    normalized = list(shape[draw(st.integers(0, len(shape) - 1)) :])
    dtype = draw(dtypes(FLOATS))
    # The batch may be empty; the normalized dimensions may not.
    rows = draw(st.sampled_from([shape[: -len(normalized)], (0,)]))
    specials = draw(st.sampled_from([(), (math.nan,), (1e3, 0.0)]))
    x = tensor(draw, (*rows, *normalized), dtype, special=specials)
    options = [st.none() | st.just(tensor(draw, normalized, dtype, special=()))] * (1 + bias)
    return (x, normalized, *(draw(option) for option in options))


def normalized_scale(centered: bool) -> Any:
    """The dividend has the rounding of the greatest value, before the division by the deviation."""

    def scale(call: Call) -> torch.Tensor:
        x, shape, weight, *rest = (*call.args, None, None)
        x, over = x.double(), list(range(-len(shape), 0))
        mean = x.mean(over, keepdim=True) if centered else 0.0
        eps = call.kwargs.get("eps")
        eps = next((item for item in (*rest, eps) if isinstance(item, float)), 1e-5)
        deviation = ((x - mean).square().mean(over, keepdim=True) + eps).rsqrt()
        largest = x.abs().amax(over, keepdim=True) * deviation
        largest = largest if weight is None else largest * weight.double().abs()
        offset = next((item for item in rest if isinstance(item, torch.Tensor)), torch.zeros(()))
        return largest + offset.double().abs()

    return scale


@case(aten.layer_norm.default, scale=normalized_scale(True), fixed=True)
def _(draw: Draw) -> Call:
    more = draw(st.sampled_from([(), (1e-5,), (1e-12,), (1e-3, False)]))
    return Call((*affine(draw, bias=True), *more))


@case(aten.rms_norm.default, scale=normalized_scale(False), fixed=True)
def _(draw: Draw) -> Call:
    eps = draw(st.sampled_from([None, 1e-6, 1e-5, 1e-3]))
    call = affine(draw, bias=False)
    # The default eps is that of the dtype, so float64 would compute another function.
    if eps is None and call[0].dtype in (*HALVES, torch.float32):
        eps = torch.finfo(torch.float32).eps
    return Call((*call, *([] if eps is None else [eps])))
