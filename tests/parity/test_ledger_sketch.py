"""The sketch of hidden states: the faults that show in it, and the effect of rounding."""

import numpy as np
import pytest

from diglot.equality.stages import Stages
from diglot.parity.ledger import compact
from diglot.parity.ledger.sketch import BLOCK, GROUPS

RANDOM = np.random.default_rng(0)


def sketch(state: np.ndarray) -> np.ndarray:
    (array,) = compact(Stages((state,), {})).hidden_states
    return array


def test_only_hidden_states_become_sketches() -> None:
    state = RANDOM.normal(size=(2, 5, 8)).astype(np.float32)
    outputs = {"logits": np.ones((2, 3), np.float32), "probabilities": np.ones((2, 3), np.float32)}
    labels = np.array(["a", "b"], object)
    short = compact(Stages((state,), outputs, labels))
    assert short.outputs is outputs
    assert short.labels is labels
    assert [array.shape for array in short.hidden_states] == [(2, 5, 2)]
    assert short.hidden_states[0].dtype == np.float32
    assert sketch(np.ones((1, 1, 8))).dtype == np.float64


@pytest.mark.parametrize(
    ("tokens", "width", "groups", "blocks"),
    [(1, 1, 1, 1), (64, 256, 64, 1), (65, 257, 33, 2), (512, 768, 64, 3)],
)
def test_a_long_text_has_no_more_groups_and_a_wide_state_more_blocks(
    tokens: int, width: int, groups: int, blocks: int
) -> None:
    assert sketch(np.zeros((1, tokens, width), np.float32)).shape == (1, groups, blocks + 1)


@pytest.mark.parametrize(("tokens", "width"), [(3, 16), (70, 300)])
def test_a_fault_in_any_one_element_shows_in_one_sum(tokens: int, width: int) -> None:
    # In each row another element is 1 and the rest are 0, so the sketch is its weight.
    count = tokens * width
    rows = np.zeros((min(count, 2000), tokens, width))
    places = RANDOM.permutation(count)[: len(rows)]
    rows.reshape(len(rows), -1)[np.arange(len(rows)), places] = 1
    sums = sketch(rows)[:, :, :-1]
    elements = min(width, BLOCK) * -(-tokens // GROUPS)
    assert ((sums != 0).sum(axis=(1, 2)) == 1).all()
    assert np.abs(sums).max(axis=(1, 2)).min() > 0.5 / np.sqrt(elements)


def test_rounding_keeps_its_size() -> None:
    noise = RANDOM.normal(scale=1e-6, size=(8, 128, 512))
    state = RANDOM.normal(size=noise.shape)
    moved = (sketch(state + noise) - sketch(state))[:, :, :-1]
    assert moved.std() == pytest.approx(1e-6, rel=0.05)


def test_the_largest_magnitude_of_the_state_is_among_the_numbers() -> None:
    state = RANDOM.normal(size=(2, 130, 16)).astype(np.float32)
    state[1, 77, 3] = -40
    assert np.abs(sketch(state)[1]).max() == 40
    assert sketch(state)[0, :, -1].max() == np.abs(state[0]).max()


def moved(state: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(sketch(other) - sketch(state))[:, :, :-1].max())


def test_faults_that_a_plain_sum_hides_show() -> None:
    state = RANDOM.normal(size=(1, 4, 32))
    for first, second in ((0, 1), (5, 30), (12, 13)):
        other = state.copy()
        other[..., [first, second]] = other[..., [second, first]]
        assert moved(state, other) > 1e-3
    balanced = state.copy()
    balanced[:, 2] += np.where(np.arange(32) % 2, 1e-3, -1e-3)
    assert moved(state, balanced) > 1e-4
    assert moved(state, state[:, [0, 2, 1, 3]]) > 1e-3
    # Two neighbours that share a sum.
    long = RANDOM.normal(size=(1, 128, 32))
    assert moved(long, long[:, [1, 0, *range(2, 128)]]) > 1e-3


def test_a_state_that_is_not_finite_has_such_a_sketch() -> None:
    state = RANDOM.normal(size=(1, 3, 8)).astype(np.float32)
    state[0, 1, 4] = np.nan
    assert np.isnan(sketch(state)[0]).tolist() == [[False] * 2, [True] * 2, [False] * 2]
    state[0, 1, 4] = -np.inf
    assert np.isinf(sketch(state)[0, 1]).all()
    state[0, 1] = np.inf
    assert not np.isfinite(sketch(state)[0, 1]).any()
    assert np.isfinite(sketch(state)[0, [0, 2]]).all()


def test_the_weights_never_change() -> None:
    """Other weights would make all existing ledgers useless."""
    # printf diglot | openssl dgst -shake256 -xoflen 4
    drawn = [0xBA, 0xD0, 0x41, 0x7B]
    weights = np.array([-(1 + 58 / 128), -(1 + 80 / 128), 1 + 65 / 128, 1 + 123 / 128])
    assert [byte & 127 for byte in drawn] == [58, 80, 65, 123]
    sums = sketch(np.eye(4)[:, None, :])[:, 0, 0]
    np.testing.assert_allclose(sums, weights / np.sqrt((weights**2).sum()), rtol=1e-12)
