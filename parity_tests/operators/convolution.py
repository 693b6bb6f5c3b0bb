"""Convolution."""

from __future__ import annotations

import torch
from hypothesis import strategies as st

from .case import FLOATS, SUM, Call, Draw, case, dtypes, tensor

aten = torch.ops.aten


# The lowering visits the positions of the kernel one by one and takes its shape from a parameter,
# so the sizes are known, as in a captured module.
@case(aten.convolution.default, scale=SUM, static=True)
def _(draw: Draw) -> Call:
    dtype = draw(dtypes(FLOATS))
    rank = draw(st.integers(1, 2))
    groups, inner, outputs = (draw(st.integers(1, 3)) for _ in range(3))
    kernel = [draw(st.integers(1, 3)) for _ in range(rank)]
    stride, dilation = ([draw(st.integers(1, 2)) for _ in range(rank)] for _ in range(2))
    padding = [draw(st.integers(0, 2)) for _ in range(rank)]
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    lengths = [draw(st.integers(n, n + 4)) for n in spans]
    x = tensor(draw, (draw(st.integers(1, 3)), groups * inner, *lengths), dtype, special=())
    weight = tensor(draw, (groups * outputs, inner, *kernel), dtype, special=())
    bias = tensor(draw, (groups * outputs,), dtype, special=()) if draw(st.booleans()) else None
    return Call((x, weight, bias, stride, padding, dilation, False, [0] * rank, groups))
