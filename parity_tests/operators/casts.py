"""Conversions to another dtype."""

from __future__ import annotations

import torch
from hypothesis import strategies as st

from .case import ALL, INTEGERS, Call, Draw, case, dtypes, huge, shapes, tensor

aten = torch.ops.aten
prims = torch.ops.prims


# Floats become integers only within the range of the integer: C and PyTorch do not define more.
def castable(draw: Draw) -> tuple[torch.Tensor, torch.dtype]:
    source, target = draw(dtypes((*ALL, *INTEGERS))), draw(dtypes((*ALL, *INTEGERS)))
    if source.is_floating_point and not (target.is_floating_point or target is torch.bool):
        least = 0 if target is torch.uint8 else -100
        return tensor(draw, draw(shapes()), source, least=least, most=100, special=()), target
    return tensor(draw, draw(shapes()), source, most=120, special=huge(torch.float16)), target


@case(aten._to_copy.default, exact=True)
def _(draw: Draw) -> Call:
    x, dtype = castable(draw)
    return Call((x,), draw(st.sampled_from([{}, {"dtype": dtype}])))


@case(prims.convert_element_type.default, exact=True)
def _(draw: Draw) -> Call:
    return Call(castable(draw))


@case(aten.type_as.default, exact=True)
def _(draw: Draw) -> Call:
    x, dtype = castable(draw)
    return Call((x, torch.zeros(2, dtype=dtype)))
