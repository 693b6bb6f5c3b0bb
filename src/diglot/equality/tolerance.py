"""The rule that decides whether two arrays of floating-point numbers are equal.

Two correct programs differ by rounding, and the size of that difference depends on the model and
the text. So the two sides are not compared with each other: both are compared with the same model
in float64. The error of the tested side may be a small multiple of the reference's own error, plus
a few roundings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from diglot.types import Array


@dataclass(frozen=True)
class Tolerance:
    """The largest allowed error.

    Attributes:
        multiple: the multiple of the largest error that the reference makes in the same array, in
            any of its results.
        roundings: the number of roundings, relative to the array's scale (its largest magnitude),
            that are allowed in addition. They cover arrays in which the reference happens to be
            exact.
        absolute: a fixed bound that replaces both.
    """

    multiple: float = 4.0
    roundings: float = 8.0
    absolute: float | None = None

    def limit(
        self,
        expected: Sequence[Array],
        truth: Array,
        scale: float | None,
        rounding: float | None = None,
    ) -> float:
        """The largest allowed error against ``truth``, in the array's own unit.

        Args:
            expected: the reference's results in the tested precision, at least one.
            truth: the reference's result in float64.
            scale: the magnitude that rounding is relative to, if it is more than the array's own: a
                logit near zero is the difference of larger numbers.
            rounding: the relative size of one rounding, if the arrays are wider than the precision
                of the computation; NumPy holds bfloat16 as float32.
        """
        if self.absolute is not None:
            return self.absolute
        finite = np.isfinite(truth) & np.isfinite(expected).all(axis=0)
        own_error = max(_largest(_errors(values, truth)[finite]) for values in expected)
        magnitude = max(_largest(truth[finite]), scale or 0.0)
        step = float(np.finfo(expected[0].dtype).eps) if rounding is None else rounding
        return self.multiple * own_error + self.roundings * step * magnitude

    def __str__(self) -> str:
        if self.absolute is not None:
            return f"{self.absolute:g} absolute"
        return f"{self.multiple:g} times the reference's own error and {self.roundings:g} roundings"


# Measured over the architectures and MiniLM's weights, TensorFlow's error was at most 2.4 roundings
# above twice PyTorch's; the budget leaves a factor of three.
BUDGET = Tolerance()
STRICT = Tolerance(absolute=1e-5)
"""The bound of transformers' own tests between its frameworks."""
LENIENT = Tolerance(absolute=5e-5)
"""The bound of transformers' former command ``pt-to-tf``."""


@dataclass(frozen=True)
class Difference:
    """A difference between two arrays that rounding does not explain."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


@dataclass(frozen=True)
class Measurement:
    """The comparison of one array of the tested side with the reference.

    All errors are the largest absolute difference over the array, in the array's own unit.

    Attributes:
        name: the array's name.
        error: the tested side's error against float64; infinite if none can be measured.
        own_error: the reference's error against float64, the worst of its results.
        limit: the largest allowed error.
        difference: the difference; ``None`` if the arrays are equal.
    """

    name: str
    error: float
    own_error: float
    limit: float
    difference: Difference | None

    @property
    def ratio(self) -> float:
        """The error as a share of the limit; above 1 exactly if the arrays differ."""
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
    """The difference of two arrays, ``None`` if they are equal; see :func:`measure`."""
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
    """Compare one array of the tested side with the reference's.

    Args:
        name: the name of the arrays, for the message.
        actual: the tested side's array.
        expected: the reference's array in the same precision.
        reference: the reference's array in float64. Without it, ``expected`` must hold integers or
            booleans, which are compared exactly.
        peers: further results of the reference with other, equally valid roundings. One result
            alone may be exact by chance.
        tolerance: the largest allowed error.
        scale: see :meth:`Tolerance.limit`.
        rounding: see :meth:`Tolerance.limit`.
        sides: the names of the two sides, for the message.

    Returns:
        A measurement. It holds a difference if an error exceeds the limit, if a NaN or an infinity
        is on one side only, or if the shapes or dtypes differ.

    Raises:
        ValueError: the arrays are floating-point, and ``reference`` is missing.
    """
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        return unmeasured(
            name,
            f"{actual.dtype} {list(actual.shape)} for {expected.dtype} {list(expected.shape)}",
        )
    first = partial(_first, actual=actual, expected=expected, sides=sides)
    if reference is None:
        if np.issubdtype(expected.dtype, np.inexact):
            raise ValueError(f"{name}: floating-point numbers need a float64 reference")
        reason = first(actual != expected, reason="they must be identical")
        return Measurement(name, 0.0, 0.0, 0.0, None) if not reason else unmeasured(name, reason)
    infinite = np.isinf(expected)
    if reason := (
        first(np.isnan(actual) != np.isnan(expected), reason="NaN on one side only")
        or first(np.isinf(actual) != infinite, reason="infinite on one side only")
        or first(infinite & (actual != expected), reason="another sign")
    ):
        return unmeasured(name, reason)
    limit = tolerance.limit([expected, *peers], reference, scale, rounding)
    finite = np.isfinite(expected) & np.isfinite(reference)
    errors = np.where(finite, np.abs(_errors(actual, reference)), 0.0)
    own_error = max(_largest(_errors(values, reference)[finite]) for values in (expected, *peers))
    measurement = Measurement(name, _largest(errors), own_error, limit, None)
    if measurement.error <= limit:
        return measurement
    at = np.unravel_index(errors.argmax(), errors.shape)
    reason = (
        f"at {_position(at)} {sides[0]} has {actual[at]!s} and {sides[1]} {expected[at]!s}; in"
        f" float64 it is {reference[at]!s}. The error {errors[at]:.3g} exceeds the limit"
        f" {limit:.3g}, and {int((errors > limit).sum())} of {errors.size} elements do"
    )
    return replace(measurement, difference=Difference(name, reason))


def unmeasured(name: str, reason: str, limit: float = float("inf")) -> Measurement:
    """A difference whose error cannot be measured: it is infinite."""
    return Measurement(name, float("inf"), 0.0, limit, Difference(name, reason))


def _errors(values: Array, truth: Array) -> Array:
    # Infinities and NaN are compared elsewhere.
    with np.errstate(invalid="ignore"):
        errors: Array = np.asarray(values, np.float64) - truth
    return errors


def _first(
    wrong: Array, *, actual: Array, expected: Array, sides: tuple[str, str], reason: str
) -> str | None:
    """The message about the first wrong element; ``None`` if there is none."""
    if not wrong.any():
        return None
    at = tuple(np.argwhere(wrong)[0])
    return (
        f"at {_position(at)} {sides[0]} has {actual[at]!s} and {sides[1]} {expected[at]!s}:"
        f" {reason} ({int(wrong.sum())} of {wrong.size} elements)"
    )


def _position(at: tuple[Any, ...]) -> str:
    return str([int(index) for index in at])


def _largest(values: Array) -> float:
    return float(np.abs(values).max(initial=0.0))
