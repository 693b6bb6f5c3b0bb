"""Comparisons, and logic on booleans and bits."""

from __future__ import annotations

import torch
from hypothesis import strategies as st

from .case import (
    ALL,
    INTEGERS,
    Call,
    Draw,
    broadcasting,
    case,
    dtypes,
    scalar,
    shapes,
    tensor,
)

aten = torch.ops.aten


@case(
    aten.eq.Tensor,
    aten.ne.Tensor,
    aten.lt.Tensor,
    aten.le.Tensor,
    aten.gt.Tensor,
    aten.ge.Tensor,
    exact=True,
)
def _(draw: Draw) -> Call:
    left, right = broadcasting(draw, 2)
    choice = dtypes((*ALL, torch.uint8))
    return Call((tensor(draw, left, draw(choice)), tensor(draw, right, draw(choice))))


@case(
    aten.eq.Scalar,
    aten.ne.Scalar,
    aten.lt.Scalar,
    aten.le.Scalar,
    aten.gt.Scalar,
    aten.ge.Scalar,
    exact=True,
)
def _(draw: Draw) -> Call:
    dtype = draw(dtypes(ALL))
    number = scalar(dtype) | st.booleans() | st.sampled_from([0.5, 2.0])
    return Call((tensor(draw, draw(shapes()), dtype), draw(number)))


@case(
    aten.__and__.Tensor,
    aten.__or__.Tensor,
    aten.__xor__.Tensor,
    aten.bitwise_and.Tensor,
    aten.bitwise_or.Tensor,
    aten.bitwise_xor.Tensor,
    exact=True,
)
def _(draw: Draw) -> Call:
    left, right = broadcasting(draw, 2)
    choice = dtypes((torch.bool, *INTEGERS))
    return Call(
        (
            tensor(draw, left, draw(choice), least=-120, most=120),
            tensor(draw, right, draw(choice), least=-120, most=120),
        )
    )


@case(aten.logical_and.default, aten.logical_or.default, exact=True)
def _(draw: Draw) -> Call:
    left, right = broadcasting(draw, 2)
    return Call((tensor(draw, left, draw(dtypes(ALL))), tensor(draw, right, draw(dtypes(ALL)))))
