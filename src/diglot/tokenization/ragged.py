"""Operations on ragged tensors and on the flat vectors of their values.

``[total]`` is the shape of the values of all rows together.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def row_splits(counts: tf.Tensor) -> tf.Tensor:
    """Turn the number of values of each row into row splits.

    Args:
        counts: ``[n]``, integers, or bool for rows of one value or none.

    Returns:
        ``[n + 1]``, int64.
    """
    return tf.concat([[0], tf.cumsum(tf.cast(counts, tf.int64))], 0)


def row_ids(splits: tf.Tensor) -> tf.Tensor:
    """Return the row of each value.

    TensorFlow's own functions (``value_rowids``, ``tf.repeat``) allocate a rectangle of rows by the
    length of the longest row, which is terabytes for one long text among short words.

    Args:
        splits: ``[n + 1]``, int64.

    Returns:
        ``[total]``, int64.
    """
    size = splits[-1]
    # An empty row starts where the next row starts, or at the end.
    starts = tf.math.unsorted_segment_sum(tf.ones_like(splits[:-1]), splits[:-1], size + 1)
    return tf.cumsum(starts)[:-1] - 1


def row_starts(ragged: tf.RaggedTensor) -> tf.Tensor:
    """Mark the first value of each row: ``[total]``, bool."""
    starts = ragged.row_starts()
    size = tf.size(ragged.values, tf.int64)
    return tf.math.unsorted_segment_sum(tf.ones_like(starts), starts, size + 1)[:-1] > 0


def repeat(values: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
    """Repeat each value ``count`` times: ``[n]`` and ``[n]``, to ``[total]``."""
    return tf.gather(values, row_ids(row_splits(counts)))


def previous(values: tf.Tensor, first: Any) -> tf.Tensor:
    """Return the value before each value: ``[n]``, to ``[n]``; ``first`` precedes the first."""
    first = tf.fill([1], tf.cast(first, values.dtype))
    return tf.concat([first, values[:-1]], 0)[: tf.size(values)]


def following(values: tf.Tensor, last: Any) -> tf.Tensor:
    """Return the value after each value: ``[n]``, to ``[n]``; ``last`` follows the last."""
    last = tf.fill([1], tf.cast(last, values.dtype))
    return tf.concat([values[1:], last], 0)[: tf.size(values)]


def select(ragged: tf.RaggedTensor, keep: tf.Tensor) -> tf.RaggedTensor:
    """Keep the marked values of each row.

    Args:
        ragged: ``[n, values]``.
        keep: ``[total]``, bool.

    Returns:
        ``[n, values]``.
    """
    return tf.RaggedTensor.from_row_splits(
        tf.boolean_mask(ragged.values, keep),
        tf.gather(row_splits(keep), ragged.row_splits),
        validate=False,
    )


def slices(values: tf.Tensor, begins: tf.Tensor, ends: tf.Tensor) -> tf.RaggedTensor:
    """Copy ``values[begin:end]`` of each range into a row.

    Args:
        values: ``[total]``.
        begins: ``[n]``, int64.
        ends: ``[n]``, int64. A range that ends before it begins is empty.

    Returns:
        ``[n, values]``.
    """
    splits = row_splits(tf.maximum(ends - begins, 0))
    index = tf.gather(begins - splits[:-1], row_ids(splits)) + tf.range(splits[-1])
    return tf.RaggedTensor.from_row_splits(tf.gather(values, index), splits, validate=False)


def interleave(condition: tf.Tensor, yes: tf.RaggedTensor, no: tf.RaggedTensor) -> tf.RaggedTensor:
    """Merge the rows of two tensors.

    Args:
        condition: ``[n]``, bool: True takes the next row of ``yes``, False the next row of ``no``.
        yes: as many rows as ``condition`` has true values.
        no: as many rows as ``condition`` has false values.

    Returns:
        ``[n, ...]``.
    """
    row = tf.where(
        condition,
        tf.cumsum(tf.cast(condition, tf.int64)) - 1,
        tf.cumsum(tf.cast(~condition, tf.int64)) - 1 + yes.nrows(),
    )
    return tf.gather(tf.concat([yes, no], 0), row)
