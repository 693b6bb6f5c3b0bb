"""Operations on ragged tensors, with empty rows and without rows."""

from __future__ import annotations

import pytest
import tensorflow as tf

from diglot.tokenization import ragged


def test_row_splits_and_row_ids() -> None:
    splits = ragged.row_splits(tf.constant([2, 0, 3, 0]))
    assert splits.numpy().tolist() == [0, 2, 2, 5, 5]
    assert splits.dtype == tf.int64
    assert ragged.row_ids(splits).numpy().tolist() == [0, 0, 2, 2, 2]
    assert ragged.row_splits(tf.constant([True, False])).numpy().tolist() == [0, 1, 1]


def test_row_starts() -> None:
    rows = tf.ragged.constant([[1, 2], [], [3]])
    assert ragged.row_starts(rows).numpy().tolist() == [True, False, True]


def test_repeat() -> None:
    repeated = ragged.repeat(tf.constant([7, 8, 9]), tf.constant([2, 0, 1]))
    assert repeated.numpy().tolist() == [7, 7, 9]


@pytest.mark.parametrize(
    ("values", "before", "after"),
    [([1, 2, 3], [-1, 1, 2], [2, 3, -2]), ([5], [-1], [-2]), ([], [], [])],
)
def test_previous_and_following(values: list[int], before: list[int], after: list[int]) -> None:
    vector = tf.constant(values, tf.int64)
    assert ragged.previous(vector, -1).numpy().tolist() == before
    assert ragged.following(vector, -2).numpy().tolist() == after
    assert ragged.previous(vector, -1).dtype == tf.int64


def test_select() -> None:
    rows = tf.ragged.constant([[1, 2], [], [3, 4, 5]])
    keep = tf.constant([False, True, True, False, True])
    assert ragged.select(rows, keep).to_list() == [[2], [], [3, 5]]


def test_slices() -> None:
    begins, ends = tf.constant([1, 3, 0], tf.int64), tf.constant([3, 2, 1], tf.int64)
    assert ragged.slices(tf.constant([7, 8, 9]), begins, ends).to_list() == [[8, 9], [], [7]]


def test_interleave() -> None:
    yes, no = tf.ragged.constant([[1], [2, 3]]), tf.ragged.constant([[4, 5]])
    rows = ragged.interleave(tf.constant([True, False, True]), yes, no)
    assert rows.to_list() == [[1], [4, 5], [2, 3]]
