"""Compares TensorFlow's result of a call with PyTorch's.

This is an oracle of its own: it does not use ``diglot.equality``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch._ops import OpOverload

from .case import ELEMENT, Call, Case
from .run import in_float64

# TensorFlow's error may be this many times PyTorch's: the kernels of the two libraries (Eigen and
# XLA; SLEEF and MKL) are each accurate to a few units in the last place, but not equal.
MULTIPLE = 4

# This many roundings of the scale are always allowed, because PyTorch's own error is often 0 by
# chance: one for each of a few operations that PyTorch does in another order, or not at all.
ROUNDINGS = 4

# Half precision is computed in float32 and rounded once on both sides; a second rounding is allowed
# because an operand may be rounded first.
HALF_ROUNDINGS = 2


def judge(
    operator: OpOverload,
    case: Case,
    call: Call,
    expected: Any,
    actual: Any,
    way: str = "",
    smallest: float | None = None,
) -> None:
    """Check that ``actual``, TensorFlow's result, is as accurate as ``expected``, PyTorch's.

    Dtypes, shapes and non-finite values must be equal; so must integers, booleans and the values of
    exact cases. Other floats are compared with PyTorch's result in float64: the error may be at
    most ``MULTIPLE`` times PyTorch's own, plus some roundings of the case's scale, plus
    ``smallest``, by default the smallest normal number.

    Raises:
        AssertionError: the result is not good enough; the message has both results.
    """
    if not isinstance(expected, (torch.Tensor, list, tuple)):
        assert actual == expected, f"{way}: {actual!r} where PyTorch gives {expected!r}"
        return
    several = isinstance(expected, (list, tuple))
    all_expected, all_actual = (expected, actual) if several else ([expected], [actual])
    assert len(all_actual) == len(all_expected), f"{way}: {len(all_actual)} results"
    rounded = not case.exact and any(tensor.is_floating_point() for tensor in all_expected)
    truth = in_float64(operator, call) if rounded else expected
    all_truth = truth if several else [truth]
    for right, tested, exact in zip(all_expected, all_actual, all_truth, strict=True):
        where = f"{way}: TensorFlow gives\n{tested}\nwhere PyTorch gives\n{right}\n"
        assert tested.dtype is right.dtype, where
        assert tested.shape == right.shape, where
        if not right.is_floating_point() or case.exact:
            assert torch.equal(_bits(tested), _bits(right)), where
            continue
        finite = right.isfinite()
        assert torch.equal(tested[~finite].nan_to_num(), right[~finite].nan_to_num()), where
        assert torch.equal(tested.isfinite(), finite), where
        assert torch.equal(tested.isnan(), right.isnan()), where
        own_error = (right.double() - exact).abs()
        allowed = MULTIPLE * own_error + _floor(operator, case, call, right.dtype, exact, smallest)
        error = (tested.double() - exact).abs()
        bad = (error > allowed) & finite & exact.isfinite()
        assert not bad.any(), (
            f"{where}and float64\n{exact}\nerrors {error[bad]}\nallowed {allowed[bad]}\n"
            f"PyTorch's {own_error[bad]}"
        )


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor with every NaN equal, and with the sign of each zero."""
    if not tensor.is_floating_point():
        return tensor
    value, nan = torch.where(tensor.isnan(), 0.0, tensor), tensor.isnan()
    sign = tensor.signbit()
    return torch.stack([value.double(), nan.double(), (sign & ~nan).double()])


def magnitudes(tensor: torch.Tensor) -> torch.Tensor:
    """The absolute values, in double precision."""
    return tensor.double().abs()


def _floor(
    operator: OpOverload,
    case: Case,
    call: Call,
    dtype: torch.dtype,
    truth: torch.Tensor,
    smallest: float | None,
) -> torch.Tensor:
    limits = torch.finfo(dtype)
    half = dtype in (torch.float16, torch.bfloat16)
    if callable(case.scale):
        scale = case.scale(call)
    elif case.scale == ELEMENT:
        scale = truth.abs()
    else:
        scale = in_float64(operator, call.map(magnitudes))
    # Below the smallest normal number TensorFlow and XLA may flush to zero. float16 is computed in
    # float32, where its subnormal numbers are normal.
    if smallest is None:
        smallest = limits.tiny * (limits.eps if dtype is torch.float16 else 1)
    roundings = HALF_ROUNDINGS if half else ROUNDINGS
    return (
        roundings * limits.eps * scale.nan_to_num(0.0, 0.0, 0.0).broadcast_to(truth.shape)
        + smallest
    )
