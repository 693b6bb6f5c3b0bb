"""The inputs of a check."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diglot import checkpoints
from diglot.equality.cases import ENCODINGS, PAIRS, TEXTS, Case
from diglot.equality.stages import Stages
from diglot.errors import InputError
from diglot.parity.inputs import Inputs

ALL = frozenset({TEXTS, PAIRS, ENCODINGS})


@pytest.fixture
def inputs(tiny: Path) -> Inputs:
    return Inputs(checkpoints.find(tiny), ALL)


def test_all_forms_are_drawn(inputs: Inputs) -> None:
    drawn = inputs.drawn(60, 0)
    assert len(drawn) == 60
    kinds = {case.origin for case in drawn}
    assert kinds == {"drawn texts", "drawn pairs", "drawn encodings"}
    facts, again, other = (
        [case.facts() for case in cases]
        for cases in (drawn, inputs.drawn(60, 0), inputs.drawn(60, 1))
    )
    assert facts == again != other


@pytest.mark.parametrize("form", [TEXTS, PAIRS, ENCODINGS])
def test_only_what_both_sides_take_is_drawn(tiny: Path, form: str) -> None:
    some = Inputs(checkpoints.find(tiny), frozenset({form}))
    for case in [*some.drawn(10, 0), *some.hard()]:
        assert (case.encoding is not None) == (form == ENCODINGS)
        assert (case.pairs is not None) == (form == PAIRS)


def test_encodings_are_what_the_model_takes(inputs: Inputs) -> None:
    encodings = [case.encoding for case in inputs.hard() if case.encoding is not None]
    lengths = {encoding["input_ids"].shape[1] for encoding in encodings}
    assert max(lengths) == inputs.longest == 24
    assert min(lengths) == 1
    ids = np.concatenate([encoding["input_ids"].ravel() for encoding in encodings])
    assert {0, 1, 30, 31} <= set(ids.tolist())
    assert ids.min() == 0
    assert ids.max() == 31
    masks = [encoding["attention_mask"] for encoding in encodings]
    assert any((mask.sum(-1) == 0).any() for mask in masks)
    assert any((mask[:, 0] == 0).any() for mask in masks if mask.any(-1).all())
    for encoding in encodings:
        np.testing.assert_array_equal(encoding["input_ids"][encoding["attention_mask"] == 0], 0)
        assert set(np.unique(encoding["token_type_ids"])) <= {0, 1}


def test_unmasked_positions_hold_no_pad_token(inputs: Inputs) -> None:
    for case in inputs.hard():
        if case.encoding is None:
            continue
        ids = case.encoding["input_ids"]
        if case.origin == "edges of the vocabulary":
            assert ids.tolist() == [[0, 1, 30, 31], [31, 30, 1, 0]]
        else:
            assert (ids[case.encoding["attention_mask"] == 1] != inputs.pad).all()
    # Of so few ids, some would be the pad token by chance.
    assert (inputs._random_ids(np.random.default_rng(0), (999,)) != inputs.pad).all()


LIMITS = [(24, 24, 24), (512, 512, 512), (600, 512, 600), (131_072, 512, 2048)]


def lengths(inputs: Inputs, cases: list[Case]) -> list[tuple[int, int]]:
    """The rows and the tokens of each batch."""
    encoder = inputs._encoder
    shapes = []
    for case in cases:
        encoding = case.encoding
        if encoding is None:
            try:
                encoding = encoder.encode(case.read(), encoder.options({}))
            except InputError:  # it has no tokens
                continue
        shapes.append(encoding["input_ids"].shape)
    return shapes


@pytest.mark.parametrize(("room", "batch", "row"), LIMITS)
def test_inputs_have_a_budget_in_tokens(
    save_tiny: Callable[..., Path], room: int, batch: int, row: int
) -> None:
    # The model computes positions, so only the tokenizer bounds the length.
    found = checkpoints.find(save_tiny(max_position_embeddings=room))
    found.tokenizer.model_max_length = room
    inputs = Inputs(found, ALL)
    shapes = lengths(inputs, [*inputs.hard(), *inputs.drawn(60, 0)])
    widths = sorted(tokens for rows, tokens in shapes if rows > 1)
    assert widths[-1] == batch
    assert max(tokens for _, tokens in shapes) == row
    assert [rows for rows, tokens in shapes if tokens > batch] == [1] * (row > batch)


def test_a_text_that_is_cut_keeps_its_start(save_tiny: Callable[..., Path]) -> None:
    found = checkpoints.find(save_tiny(max_position_embeddings=4000))
    found.tokenizer.model_max_length = 4000
    inputs = Inputs(found, frozenset({PAIRS}))
    cases = {case.origin: case for case in inputs.hard()}
    long = cases["longer than most models take"]
    assert long.pairs is not None
    assert long.texts[0].startswith("a film that does not end")
    assert long.texts[1] == long.pairs[0] == "short"
    ((_, tokens),) = lengths(inputs, [long])
    assert 256 < tokens <= 512


@pytest.mark.parametrize(("room", "longest"), [(24, 24), (2000, 512)])
def test_the_longest_encoding_fits_into_memory(
    save_tiny: Callable[..., Path], room: int, longest: int
) -> None:
    found = checkpoints.find(save_tiny(max_position_embeddings=room))
    found.tokenizer.model_max_length = room
    assert found.max_tokens == room
    assert Inputs(found, ALL).longest == longest


def test_without_padding_each_row_is_an_input(save_tiny: Callable[..., Path]) -> None:
    some = Inputs(checkpoints.find(save_tiny(pad_token_id=None)), ALL)
    assert {case.rows for case in [*some.drawn(30, 0), *some.hard()]} == {1}


def test_a_near_tie_is_nearer_than_chance(inputs: Inputs) -> None:
    weights = np.random.default_rng(3).normal(size=32)

    def run(encoding: Any) -> Stages:
        sums = weights[encoding["input_ids"]].sum(-1)
        return Stages((), {"logits": np.stack([sums, np.zeros_like(sums)], -1)})

    for seed in range(5):
        case = inputs.tie(run, seed)
        assert case.rows == 1
        # The sum of eight random weights is about three on average.
        assert abs(run(case.encoding).outputs["logits"][0, 0]) < 0.1
