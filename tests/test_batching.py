"""Batches of similar length: every index once, within the budget, and nothing read too early."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diglot import batching

lengths_drawn = st.lists(st.integers(0, 40), max_size=60)


@settings(deadline=None)
@given(lengths_drawn, st.integers(1, 200), st.integers(1, 10), st.booleans())
def test_every_index_is_in_one_batch_within_the_limits(
    lengths: list[int], max_tokens: int, max_size: int, padded: bool
) -> None:
    batches = batching.buckets(lengths, max_tokens=max_tokens, max_size=max_size, padded=padded)

    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        within = [lengths[index] for index in batch]
        assert 1 <= len(batch) <= max_size
        assert len(batch) == 1 or len(batch) * max(within) <= max_tokens
        assert padded or len(set(within)) == 1


@settings(deadline=None)
@given(lengths_drawn, st.integers(1, 200), st.integers(1, 10))
def test_texts_of_similar_length_share_a_batch(
    lengths: list[int], max_tokens: int, max_size: int
) -> None:
    batches = batching.buckets(lengths, max_tokens=max_tokens, max_size=max_size)
    batch_lengths = [[lengths[index] for index in batch] for batch in batches]
    ranges = [(min(values), max(values)) for values in batch_lengths]
    assert all(before[1] <= after[0] for before, after in pairwise(ranges))


@settings(deadline=None)
@given(lengths_drawn, st.integers(1, 200), st.integers(1, 10), st.booleans())
def test_no_two_neighbours_could_be_one_batch(
    lengths: list[int], max_tokens: int, max_size: int, padded: bool
) -> None:
    batches = batching.buckets(lengths, max_tokens=max_tokens, max_size=max_size, padded=padded)
    for before, after in pairwise(batches):
        joined = [lengths[index] for index in [*before, after[0]]]
        assert (
            len(joined) > max_size
            or len(joined) * max(joined) > max_tokens
            or (not padded and len(set(joined)) > 1)
        )


@settings(deadline=None)
@given(lengths_drawn, st.integers(1, 200), st.integers(1, 10))
def test_results_come_back_in_the_callers_order(
    lengths: list[int], max_tokens: int, max_size: int
) -> None:
    batches = batching.buckets(lengths, max_tokens=max_tokens, max_size=max_size)
    answers = ([f"answer {index}" for index in batch] for batch in batches)
    assert batching.restore(batches, answers) == [f"answer {i}" for i in range(len(lengths))]


@pytest.mark.parametrize("results", [[["a"]], [["a", "b"], ["c"], ["d"]], [["a"], ["c"]]])
def test_a_result_too_few_or_too_many_is_an_error(results: list[list[str]]) -> None:
    with pytest.raises(ValueError, match="zip"):
        batching.restore([[0, 2], [1]], results)


@pytest.mark.parametrize("limits", [(0, 1), (1, 0), (-1, 1)])
def test_a_batch_needs_room_for_one_text(limits: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="room for at least one text"):
        batching.buckets([1], max_tokens=limits[0], max_size=limits[1])


@settings(deadline=None)
@given(st.integers(0, 50), st.integers(1, 10))
def test_windows_hold_everything_in_order(count: int, size: int) -> None:
    windows = list(batching.windows(range(count), size))
    assert [item for window in windows for item in window] == list(range(count))
    assert all(len(window) == size for window in windows[:-1])
    assert all(windows)


@settings(deadline=None)
@given(st.integers(1, 10), st.integers(1, 5))
def test_no_more_is_read_than_the_windows_taken(size: int, taken: int) -> None:
    read = 0

    def endless() -> Iterator[int]:
        nonlocal read
        while True:
            read += 1
            yield read

    windows = batching.windows(endless(), size)
    assert read == 0
    for _ in range(taken):
        next(windows)
    assert read == size * taken


def test_a_window_holds_one_item_at_least() -> None:
    with pytest.raises(ValueError, match="at least one item, not 0"):
        list(batching.windows([1], 0))
