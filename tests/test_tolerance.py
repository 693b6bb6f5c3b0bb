"""The rule of equality, on numbers that can be checked by hand."""

import numpy as np
import pytest

from diglot.parity import BUDGET, LENIENT, STRICT, Tolerance, difference

REFERENCE = np.array([1.0, -2.0, 0.25])
EXPECTED = REFERENCE.astype(np.float32)
ROUNDING = 2.0**-23


def off_by(error: float) -> np.ndarray:
    return EXPECTED + np.array([0, error, 0], np.float32)


def test_eight_roundings_of_the_scale_are_allowed() -> None:
    assert difference("x", off_by(8 * 2 * ROUNDING), EXPECTED, REFERENCE) is None
    found = difference("x", off_by(10 * 2 * ROUNDING), EXPECTED, REFERENCE)
    assert found is not None
    assert "at [1]" in str(found)
    assert "1 of 3 elements" in str(found)


def test_four_times_the_error_of_pytorch_is_allowed() -> None:
    expected = EXPECTED + np.array([1e-3, 0, 0], np.float32)
    assert difference("x", off_by(3.9e-3), expected, REFERENCE) is None
    assert difference("x", off_by(4.1e-3), expected, REFERENCE) is not None


def test_the_worst_of_several_pytorch_results_counts() -> None:
    peer = EXPECTED + np.array([0, 0, 1e-3], np.float32)
    assert difference("x", off_by(3.9e-3), EXPECTED, REFERENCE) is not None
    assert difference("x", off_by(3.9e-3), EXPECTED, REFERENCE, peers=[EXPECTED, peer]) is None
    assert difference("x", off_by(4.1e-3), EXPECTED, REFERENCE, peers=[peer]) is not None


def test_a_larger_scale_can_be_given() -> None:
    assert difference("x", off_by(1e-4), EXPECTED, REFERENCE) is not None
    assert difference("x", off_by(1e-4), EXPECTED, REFERENCE, scale=1000.0) is None


@pytest.mark.parametrize(("tolerance", "bound"), [(STRICT, 1e-5), (LENIENT, 5e-5)])
def test_absolute_bounds(tolerance: Tolerance, bound: float) -> None:
    within = difference("x", off_by(0.9 * bound), EXPECTED, REFERENCE, tolerance=tolerance)
    beyond = difference("x", off_by(1.1 * bound), EXPECTED, REFERENCE, tolerance=tolerance)
    assert within is None
    assert beyond is not None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_must_be_on_both_sides(value: float) -> None:
    broken = EXPECTED.copy()
    broken[2] = value
    assert difference("x", broken, broken, REFERENCE) is None
    assert "on one side only" in str(difference("x", broken, EXPECTED, REFERENCE))
    assert "on one side only" in str(difference("x", EXPECTED, broken, REFERENCE))


def test_infinities_have_a_sign() -> None:
    plus, minus = np.array([np.inf], np.float32), np.array([-np.inf], np.float32)
    assert "another sign" in str(difference("x", plus, minus, minus.astype(np.float64)))


def test_shapes_and_dtypes_must_be_equal() -> None:
    assert "float64 [3] for float32 [3]" in str(difference("x", REFERENCE, EXPECTED, REFERENCE))
    assert "float32 [2] for float32 [3]" in str(difference("x", EXPECTED[:2], EXPECTED, REFERENCE))


def test_integers_are_identical_or_different() -> None:
    ids = np.array([[101, 7], [101, 8]])
    assert difference("ids", ids, ids.copy()) is None
    other = np.array([[101, 7], [101, 9]])
    assert "at [1, 1]" in str(difference("ids", other, ids))


def test_floats_need_a_reference() -> None:
    with pytest.raises(ValueError, match="float64 reference"):
        difference("x", EXPECTED, EXPECTED)


def test_empty_arrays_are_equal() -> None:
    empty = np.zeros((0, 3), np.float32)
    assert difference("x", empty, empty, empty.astype(np.float64)) is None
    assert BUDGET.limit([empty], empty.astype(np.float64), None) == 0
