"""The error of one operator, on the same inputs on both sides."""

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
from diglot.parity.trace.values import Values

if TYPE_CHECKING:
    from diglot.types import Array

aten = torch.ops.aten

# A sum can be near zero although its terms are not. The rounding of a sum is relative to the sum of
# the magnitudes (Higham, "Accuracy and Stability of Numerical Algorithms", 3.1). These operators
# are linear in each operand, so called with magnitudes they give that sum.
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

# The number of times that the reference runs again on inputs with new rounding.
_PEERS = 2

# A mask adds the lowest number of its dtype; those of float32 and bfloat16 are about the same.
_INFINITE = torch.finfo(torch.float32).max / 2


def measured(
    actual: Any,
    expected: Any,
    truth: Any,
    *,
    leniency: Callable[[], tuple[float | None, Sequence[Any]]] = lambda: (None, ()),
    tolerance: Tolerance,
    sides: tuple[str, str],
) -> Measurement:
    """Compare two results by the rule of :mod:`diglot.equality.tolerance`.

    Args:
        actual: the tested side's result, a tensor or a size.
        expected: the reference's result.
        truth: the same in float64.
        leniency: called only if the results seem to differ; gives the scale of the summed terms,
            and further results of the reference, on inputs with new rounding.
        tolerance: the largest error that is allowed.
        sides: the names of the tested side and of the reference.
    """
    actual, expected = torch.as_tensor(actual), torch.as_tensor(expected)
    tested, reference = array(actual), array(expected)
    comparable = tested.shape == reference.shape and tested.dtype == reference.dtype
    if not comparable or not expected.is_floating_point():
        return measure("", tested, reference, sides=sides)
    exact = array(truth, limit=torch.finfo(expected.dtype).max)
    tested, reference, exact = _equal_extremes(expected.dtype, tested, reference, exact)
    rounding = max(torch.finfo(tensor.dtype).eps for tensor in (actual, expected))
    compare = partial(
        measure, "", tested, reference, exact, tolerance=tolerance, rounding=rounding, sides=sides
    )
    if (measurement := compare()).difference is None:
        return measurement
    scale, peers = leniency()
    return compare(scale=scale, peers=[array(peer) for peer in peers])


def array(value: Any, *, limit: float = math.inf) -> Array:
    """A tensor or a size as float64, int64 or bool; a magnitude above ``limit`` as infinity."""
    tensor = torch.as_tensor(value)
    if tensor.is_floating_point():
        wide = tensor.double()
        values: Array = torch.where(wide.abs() > limit, wide.sign() * math.inf, wide).numpy()
        return values
    return np.asarray(tensor.numpy(), None if tensor.dtype is torch.bool else np.int64)


def largest(value: Any) -> float:
    """The largest magnitude in a result, except numbers that stand for infinity in a mask."""
    arrays = [np.abs(array(leaf).astype(np.float64)) for leaf in tree_leaves(value)]
    return max(float(sizes[sizes < _INFINITE].max(initial=0.0)) for sizes in arrays)


def largest_error(value: Any, truth: Any) -> float:
    """The largest absolute difference; infinite if only one of two elements is finite."""
    values, truths = tree_leaves(value), tree_leaves(truth)
    if len(values) != len(truths) or any(leaf is None for leaf in values):
        return math.inf
    return max(_distance(*leaves) for leaves in zip(values, truths, strict=True))


def weights(actual: torch.Tensor, expected: torch.Tensor, sides: tuple[str, str]) -> Measurement:
    """Compare a weight with the checkpoint's; every number must be the same."""
    tested, stored = array(actual), array(expected)
    if actual.dtype is not expected.dtype or tested.shape != stored.shape:
        reason = (
            f"{sides[0]} has {actual.dtype} {list(actual.shape)}, and the checkpoint"
            f" {expected.dtype} {list(expected.shape)}"
        )
        return Measurement("", math.inf, 0.0, 0.0, Difference("", reason))
    wrong = (tested != stored) & ~(np.isnan(tested) & np.isnan(stored))
    if not wrong.any():
        return Measurement("", 0.0, 0.0, 0.0, None)
    place = tuple(np.argwhere(wrong)[0])
    reason = (
        f"at {[int(index) for index in place]} {sides[0]} has {tested[place]:.6g} and the"
        f" checkpoint {stored[place]:.6g}; {wrong.sum()} of {wrong.size} numbers differ"
    )
    return Measurement("", largest_error(actual, expected), 0.0, 0.0, Difference("", reason))


def leniency(
    node: Node, inputs: Mapping[str, Any], reference: Values, truth: Values
) -> tuple[float | None, list[Any]]:
    """The scale of the terms that ``node`` sums, and the reference's results after new rounding.

    A pointwise operator has no such results: on the same input it has no error to magnify.
    """
    needed = {name: inputs[name] for name in reference.needs(node)}
    scale = None
    if node.target in _SUMS:
        magnitudes = tree_map_only(torch.Tensor, _magnitudes, needed)
        scale = float(truth.call(node, magnitudes).abs().max())
    if torch.Tag.pointwise in getattr(node.target, "tags", ()):
        return scale, []
    random = torch.Generator().manual_seed(0)
    rounded = [
        tree_map_only(torch.Tensor, lambda x: moved(x, random), needed) for _ in range(_PEERS)
    ]
    return scale, [reference.call(node, values) for values in rounded]


def _distance(value: Any, truth: Any) -> float:
    values, exact = array(value).astype(np.float64), array(truth).astype(np.float64)
    if values.shape != exact.shape:
        return math.inf
    finite = np.isfinite(values) & np.isfinite(exact)
    same = finite | (values == exact) | (np.isnan(values) & np.isnan(exact))
    if not same.all():
        return math.inf
    return float(np.abs(values[finite] - exact[finite]).max(initial=0.0))


def _equal_extremes(dtype: torch.dtype, *arrays: Array) -> list[Array]:
    """Replace numbers that stand for infinity on all sides by infinities.

    A mask adds the lowest number of the dtype. At that scale, the error of every other number would
    be within rounding.
    """
    limit = torch.finfo(dtype).max / 2
    high = np.all([np.isfinite(values) & (values > limit) for values in arrays], axis=0)
    low = np.all([np.isfinite(values) & (values < -limit) for values in arrays], axis=0)
    return [np.where(high, math.inf, np.where(low, -math.inf, values)) for values in arrays]


def _magnitudes(tensor: torch.Tensor) -> torch.Tensor:
    if not tensor.is_floating_point():
        return tensor
    sizes = tensor.abs()
    return torch.where(sizes < torch.finfo(tensor.dtype).max / 2, sizes, 0)
