"""The one rule by which two arrays of floating-point numbers count as equal.

Two correct programs differ by rounding, and how far depends on the model and the text. So neither
is held against the other: both are held against the same model in float64, and TensorFlow may be
wrong by as much as PyTorch is, give or take a few roundings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Tolerance:
    """How large an error may be.

    Attributes:
        multiple: of the largest error that PyTorch itself makes in the same array, in any of the
            results that are at hand.
        roundings: of the array's scale (its largest magnitude), which are allowed besides; they
            carry the cases in which PyTorch happens to be exact.
        absolute: replaces both by one fixed bound.
    """

    multiple: float = 4.0
    roundings: float = 8.0
    absolute: float | None = None

    def limit(
        self,
        expected: Sequence[Array],
        reference: Array,
        scale: float | None,
        rounding: float | None = None,
    ) -> float:
        """The largest error allowed against ``reference``, in the array's own unit.

        Args:
            expected: PyTorch's results in the precision that is tested, one at least.
            reference: PyTorch's result in float64.
            scale: the magnitude that rounding is relative to, where it is more than the array's
                own: a logit near zero is the difference of larger numbers.
            rounding: the relative size of one, where the arrays are wider than what they were
                computed in, as half precision is widened for NumPy.
        """
        if self.absolute is not None:
            return self.absolute
        finite = np.isfinite(reference) & np.isfinite(expected).all(axis=0)
        own = max(_largest(_errors(one, reference)[finite]) for one in expected)
        magnitude = max(_largest(reference[finite]), scale or 0.0)
        one = float(np.finfo(expected[0].dtype).eps) if rounding is None else rounding
        return self.multiple * own + self.roundings * one * magnitude

    def __str__(self) -> str:
        if self.absolute is not None:
            return f"{self.absolute:g} absolute"
        return f"{self.multiple:g} times the reference's own error and {self.roundings:g} roundings"


# Measured over the architectures and MiniLM's weights, TensorFlow's error was at most 2.4 roundings
# above twice PyTorch's; the budget leaves a factor of three.
BUDGET = Tolerance()
STRICT = Tolerance(absolute=1e-5)
"""As transformers' own tests of equivalence between its frameworks had it."""
LENIENT = Tolerance(absolute=5e-5)
"""As transformers' ``pt-to-tf`` had it."""


@dataclass(frozen=True)
class Difference:
    """Where two arrays part, and why that is not rounding."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


@dataclass(frozen=True)
class Measurement:
    """One array of the tested side, held against the reference.

    Attributes:
        name: what the array is.
        error: the largest against float64; infinite where none can be measured.
        own_error: the reference's own largest, in any of the results that are at hand.
        limit: what was allowed.
        difference: what is wrong; ``None`` where the arrays are equal.
    """

    name: str
    error: float
    own_error: float
    limit: float
    difference: Difference | None

    @property
    def ratio(self) -> float:
        """The error as a share of what was allowed: above 1 where, and only where, it is more."""
        if self.difference is None and not self.error:
            return 0.0
        measured = 0 < self.limit < float("inf")
        return self.error / self.limit if measured else float("inf")


def difference(
    name: str,
    actual: Array,
    expected: Array,
    reference: Array | None = None,
    *,
    peers: Sequence[Array] = (),
    tolerance: Tolerance = BUDGET,
    scale: float | None = None,
    sides: tuple[str, str] = ("TensorFlow", "PyTorch"),
) -> Difference | None:
    """What is wrong with one array of TensorFlow's; see :func:`measure`."""
    return measure(
        name,
        actual,
        expected,
        reference,
        peers=peers,
        tolerance=tolerance,
        scale=scale,
        sides=sides,
    ).difference


def measure(
    name: str,
    actual: Array,
    expected: Array,
    reference: Array | None = None,
    *,
    peers: Sequence[Array] = (),
    tolerance: Tolerance = BUDGET,
    scale: float | None = None,
    rounding: float | None = None,
    sides: tuple[str, str] = ("TensorFlow", "PyTorch"),
) -> Measurement:
    """Compare one array of TensorFlow's with PyTorch's.

    Args:
        name: what the arrays are, for the message.
        actual: TensorFlow's.
        expected: PyTorch's, in the same precision.
        reference: PyTorch's in float64; without it, ``expected`` must be integers or booleans,
            which are compared exactly.
        peers: further results of PyTorch's, as good as ``expected`` but rounded otherwise. One
            alone may be right by luck where the next is not.
        tolerance: how large an error may be.
        scale: see :meth:`Tolerance.limit`.
        rounding: see :meth:`Tolerance.limit`.
        sides: how to call the two, where they are not TensorFlow and PyTorch.

    Returns:
        A measurement with a difference where they are not equal. A NaN or an infinity on one side
        only is one, and so is another shape or dtype.
    """
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        return _unequal(
            name,
            f"{actual.dtype} {list(actual.shape)} for {expected.dtype} {list(expected.shape)}",
        )
    first = partial(_first, actual=actual, expected=expected, sides=sides)
    if reference is None:
        if np.issubdtype(expected.dtype, np.inexact):
            raise ValueError(f"{name}: floating-point numbers need a float64 reference")
        found = first(actual != expected, reason="they must be identical")
        return Measurement(name, 0.0, 0.0, 0.0, None) if found is None else _unequal(name, found)
    infinite = np.isinf(expected)
    if found := (
        first(np.isnan(actual) != np.isnan(expected), reason="NaN on one side only")
        or first(np.isinf(actual) != infinite, reason="infinite on one side only")
        or first(infinite & (actual != expected), reason="another sign")
    ):
        return _unequal(name, found)
    limit = tolerance.limit([expected, *peers], reference, scale, rounding)
    finite = np.isfinite(expected) & np.isfinite(reference)
    error = np.where(finite, np.abs(_errors(actual, reference)), 0.0)
    own = max(_largest(_errors(one, reference)[finite]) for one in (expected, *peers))
    worst = Measurement(name, _largest(error), own, limit, None)
    if worst.error <= limit:
        return worst
    at = np.unravel_index(error.argmax(), error.shape)
    reason = (
        f"at {_position(at)} {sides[0]} has {actual[at]!s} and {sides[1]} {expected[at]!s}; in"
        f" float64 it is {reference[at]!s}. The error {error[at]:.3g} exceeds the limit"
        f" {limit:.3g}, and {int((error > limit).sum())} of {error.size} elements do"
    )
    return replace(worst, difference=Difference(name, reason))


def _unequal(name: str, reason: str) -> Measurement:
    return Measurement(name, float("inf"), 0.0, float("inf"), Difference(name, reason))


def _errors(values: Array, reference: Array) -> Array:
    with np.errstate(invalid="ignore"):  # of what is not finite, which is compared otherwise
        errors: Array = np.asarray(values, np.float64) - reference
    return errors


def _first(
    wrong: Array, *, actual: Array, expected: Array, sides: tuple[str, str], reason: str
) -> str | None:
    if not wrong.any():
        return None
    at = tuple(np.argwhere(wrong)[0])
    return (
        f"at {_position(at)} {sides[0]} has {actual[at]!s} and {sides[1]} {expected[at]!s}:"
        f" {reason} ({int(wrong.sum())} of {wrong.size} elements)"
    )


def _position(at: tuple[Any, ...]) -> str:
    return str([int(one) for one in at])


def _largest(values: Array) -> float:
    return float(np.abs(values).max(initial=0.0))
