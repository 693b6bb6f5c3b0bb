"""The known and accepted differences between PyTorch and TensorFlow, as data.

The cases draw no values that show one of them. A test fails if a difference no longer occurs: then
remove its entry, and let the case draw these values again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch._ops import OpOverload

from .case import Call

aten = torch.ops.aten

EVERY_WAY = ("eager", "graph", "xla")
SUBNORMAL = torch.full((4,), 1e-39)


@dataclass(frozen=True)
class Difference:
    """One call whose results differ.

    Attributes:
        operator: the operator.
        call: the arguments that show the difference.
        ways: the ways of running TensorFlow that differ; the others do not.
        reason: the cause, and why it does not harm a classifier.
    """

    operator: OpOverload
    call: Call
    ways: tuple[str, ...]
    reason: str


FLUSHED = (
    "TensorFlow's threads and XLA treat subnormal numbers as zero, for speed; they are negligible"
    " next to a normal activation"
)
INFINITE_GELU = (
    "PyTorch's vectorized kernel turns infinity into NaN, its scalar kernel does not; an infinite"
    " activation is useless in either framework"
)
ZEROS = "either of -0.0 and 0.0 may be the maximum; they compare equal"

ACCEPTED = (
    Difference(aten.mul.Tensor, Call((SUBNORMAL, torch.full((4,), 0.5))), EVERY_WAY, FLUSHED),
    Difference(aten.add.Tensor, Call((SUBNORMAL, SUBNORMAL)), EVERY_WAY, FLUSHED),
    Difference(aten.gt.Scalar, Call((SUBNORMAL, 0.0)), EVERY_WAY, FLUSHED),
    Difference(aten.tanh.default, Call((SUBNORMAL,)), ("eager", "graph"), FLUSHED),
    Difference(
        aten._to_copy.default, Call((SUBNORMAL,), {"dtype": torch.float64}), EVERY_WAY, FLUSHED
    ),
    Difference(aten.gelu.default, Call((torch.full((16,), math.inf),)), EVERY_WAY, INFINITE_GELU),
    Difference(
        aten.amax.default, Call((torch.tensor([[-0.0, 0.0]] * 8), [1])), ("eager", "graph"), ZEROS
    ),
    Difference(
        aten.mul.Tensor,
        Call((torch.tensor([0.001], dtype=torch.float16), torch.tensor(1e5))),
        EVERY_WAY,
        "PyTorch treats a tensor without dimensions as a number, and multiplies by it in float32;"
        " the lowering rounds it to the other tensor's float16 first. Models write such numbers as"
        " Python numbers, which are not rounded",
    ),
)
