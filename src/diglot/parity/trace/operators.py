"""Whether an operator's result is as good as the other side's, on the same inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.fx import Node
from torch.utils._pytree import tree_leaves, tree_map_only

from diglot.equality.rounding import moved
from diglot.equality.tolerance import Difference, Measurement, Tolerance, measure
from diglot.parity.trace.values import Reading

if TYPE_CHECKING:
    from diglot.types import Array

aten = torch.ops.aten

# Their results may be near zero though what they sum is not. The rounding of a sum is relative to
# the sum of the magnitudes (Higham, "Accuracy and Stability of Numerical Algorithms", 3.1), and
# these are linear in each operand, so that magnitudes for operands give just that sum.
_SUMS = frozenset(
    {
        aten.addmm.default,
        aten.baddbmm.default,
        aten.bmm.default,
        aten.convolution.default,
        aten.cumsum.default,
        aten.einsum.default,
        aten.linear.default,
        aten.matmul.default,
        aten.mean.default,
        aten.mean.dim,
        aten.mm.default,
        aten.sum.default,
        aten.sum.dim_IntList,
    }
)

# How often the reference is asked again on inputs that are rounded anew.
_PEERS = 2

# A mask adds the least number of its dtype, of which float32's and bfloat16's are about the same.
_INFINITE = torch.finfo(torch.float32).max / 2


def judged(
    actual: Any,
    expected: Any,
    truth: Any,
    *,
    leniency: Callable[[], tuple[float | None, Sequence[Any]]] = lambda: (None, ()),
    tolerance: Tolerance,
    sides: tuple[str, str],
) -> Measurement:
    """Hold one result against the other, by the one rule of :mod:`diglot.equality.tolerance`.

    Args:
        actual: the tested side's, a tensor or a size.
        expected: the reference's.
        truth: the same in float64.
        leniency: asked where the sides seem to part: the scale of what was summed, and further
            results of the reference's on inputs that are rounded anew.
        tolerance: how large an error may be.
        sides: the tested side's name and the reference's.
    """
    actual, expected = torch.as_tensor(actual), torch.as_tensor(expected)
    ours, theirs = array(actual), array(expected)
    alike = ours.shape == theirs.shape and ours.dtype == theirs.dtype
    if not alike or not expected.is_floating_point():
        return measure("", ours, theirs, sides=sides)
    exact = array(truth, limit=torch.finfo(expected.dtype).max)
    ours, theirs, exact = _equal_extremes(expected.dtype, ours, theirs, exact)
    rounding = max(torch.finfo(one.dtype).eps for one in (actual, expected))
    held = partial(
        measure, "", ours, theirs, exact, tolerance=tolerance, rounding=rounding, sides=sides
    )
    if (found := held()).difference is None:
        return found
    scale, peers = leniency()
    return held(scale=scale, peers=[array(one) for one in peers])


def array(value: Any, *, limit: float = math.inf) -> Array:
    """A tensor or a size as float64, int64 or bool; beyond the limit, an infinity."""
    tensor = torch.as_tensor(value)
    if tensor.is_floating_point():
        wide = tensor.double()
        values: Array = torch.where(wide.abs() > limit, wide.sign() * math.inf, wide).numpy()
        return values
    return np.asarray(tensor.numpy(), None if tensor.dtype is torch.bool else np.int64)


def largest(value: Any) -> float:
    """The largest magnitude in a result, but for what stands for infinity."""
    arrays = [np.abs(array(one).astype(np.float64)) for one in tree_leaves(value)]
    return max(float(one[one < _INFINITE].max(initial=0.0)) for one in arrays)


def largest_error(value: Any, truth: Any) -> float:
    """The largest distance of a result from the truth; infinite where one side alone is finite."""
    values, truths = tree_leaves(value), tree_leaves(truth)
    if len(values) != len(truths) or any(one is None for one in values):
        return math.inf
    return max(_distance(*both) for both in zip(values, truths, strict=True))


def weights(actual: torch.Tensor, expected: torch.Tensor, sides: tuple[str, str]) -> Measurement:
    """Hold a weight against the checkpoint's: it must be the same to the last bit."""
    ours, theirs = array(actual), array(expected)
    if actual.dtype is not expected.dtype or ours.shape != theirs.shape:
        reason = (
            f"{sides[0]} has {actual.dtype} {list(actual.shape)}, and the checkpoint"
            f" {expected.dtype} {list(expected.shape)}"
        )
        return Measurement("", math.inf, 0.0, 0.0, Difference("", reason))
    wrong = (ours != theirs) & ~(np.isnan(ours) & np.isnan(theirs))
    if not wrong.any():
        return Measurement("", 0.0, 0.0, 0.0, None)
    at = tuple(np.argwhere(wrong)[0])
    reason = (
        f"at {[int(one) for one in at]} {sides[0]} has {ours[at]:.6g} and the checkpoint"
        f" {theirs[at]:.6g}; {wrong.sum()} of {wrong.size} numbers differ"
    )
    return Measurement("", largest_error(actual, expected), 0.0, 0.0, Difference("", reason))


def leniency(
    node: Node, inputs: Mapping[str, Any], reference: Reading, truth: Reading
) -> tuple[float | None, list[Any]]:
    """The scale of what ``node`` sums, and what the reference gives for inputs rounded anew.

    An operator that works element by element gets no such results: on the same input it has no
    error to magnify.
    """
    some = {name: inputs[name] for name in reference.needs(node)}
    scale = None
    if node.target in _SUMS:
        magnitudes = tree_map_only(torch.Tensor, _magnitudes, some)
        scale = float(truth.call(node, magnitudes).abs().max())
    if torch.Tag.pointwise in getattr(node.target, "tags", ()):
        return scale, []
    random = torch.Generator().manual_seed(0)
    again = [tree_map_only(torch.Tensor, lambda x: moved(x, random), some) for _ in range(_PEERS)]
    return scale, [reference.call(node, one) for one in again]


def _distance(one: Any, truth: Any) -> float:
    values, exact = array(one).astype(np.float64), array(truth).astype(np.float64)
    if values.shape != exact.shape:
        return math.inf
    finite = np.isfinite(values) & np.isfinite(exact)
    same = finite | (values == exact) | (np.isnan(values) & np.isnan(exact))
    if not same.all():
        return math.inf
    return float(np.abs(values[finite] - exact[finite]).max(initial=0.0))


def _equal_extremes(dtype: torch.dtype, *arrays: Array) -> list[Array]:
    """Make infinities of what stands for them.

    A mask adds the least number that there is. Beside it every other number of the array would be
    within the rounding of its scale.
    """
    far = torch.finfo(dtype).max / 2
    high = np.all([np.isfinite(one) & (one > far) for one in arrays], axis=0)
    low = np.all([np.isfinite(one) & (one < -far) for one in arrays], axis=0)
    return [np.where(high, math.inf, np.where(low, -math.inf, one)) for one in arrays]


def _magnitudes(tensor: torch.Tensor) -> torch.Tensor:
    if not tensor.is_floating_point():
        return tensor
    sizes = tensor.abs()
    return torch.where(sizes < torch.finfo(tensor.dtype).max / 2, sizes, 0)
