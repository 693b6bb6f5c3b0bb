"""Batches of texts of similar length, under a budget of tokens; lazily for streams.

A batch is padded to its longest text, so texts of similar length share a batch. These functions
know only lengths and indices, neither texts nor models.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def buckets(
    lengths: Sequence[int], *, max_tokens: int, max_size: int, padded: bool = True
) -> list[list[int]]:
    """Divide texts into batches, the shortest first.

    Args:
        lengths: the number of tokens of each text.
        max_tokens: the most tokens in a padded batch: the number of its texts times the length of
            the longest. A longer text has a batch of its own.
        max_size: the most texts in a batch.
        padded: whether shorter texts are padded to the longest; if not, all texts of a batch have
            the same length.

    Returns:
        The indices of each batch; every index of ``lengths`` occurs exactly once.

    Raises:
        ValueError: a limit is below one.
    """
    if max_tokens < 1 or max_size < 1:
        raise ValueError(
            f"a batch needs room for at least one text, not max_tokens={max_tokens},"
            f" max_size={max_size}"
        )
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        length = lengths[index]  # in ascending order, so it is the longest of its batch
        batch = batches[-1] if batches else []
        fits = len(batch) < max_size and (len(batch) + 1) * length <= max_tokens
        if batch and fits and (padded or lengths[batch[0]] == length):
            batch.append(index)
        else:
            batches.append([index])
    return batches


def restore(batches: Sequence[Sequence[int]], results: Iterable[Iterable[T]]) -> list[T]:
    """Put the results of the batches of :func:`buckets` back into the order of the texts.

    Args:
        batches: the indices of each batch, every index once.
        results: the results of each batch, one for each index.

    Raises:
        ValueError: the numbers of results and indices differ.
    """
    by_index = {
        index: result
        for batch, answers in zip(batches, results, strict=True)
        for index, result in zip(batch, answers, strict=True)
    }
    return [by_index[index] for index in range(len(by_index))]


def windows(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Cut a stream into lists of ``size`` items, the last one shorter; reads one list at a time.

    Raises:
        ValueError: the size is below one.
    """
    if size < 1:
        raise ValueError(f"a window holds at least one item, not {size}")
    iterator = iter(items)
    while window := list(islice(iterator, size)):
        yield window
