"""Rounding that is drawn anew."""

import pytest
import torch

from diglot.equality.rounding import coarsest, moved, rounded_anew


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_elements_move_by_one_rounding_either_way(dtype: torch.dtype) -> None:
    given = torch.linspace(1, 2, 400, dtype=dtype)[:-1]
    found = moved(given, torch.Generator().manual_seed(0))
    steps = ((found - given) / torch.finfo(dtype).eps).tolist()
    # Below 1, the next number is half as far.
    assert set(steps) - {-0.5} == {-1.0, 0.0, 1.0}
    assert 70 < steps.count(1.0) < 130
    assert 70 < len(steps) - steps.count(0.0) - steps.count(1.0) < 130


def test_what_is_exact_stays() -> None:
    given = torch.tensor([0.0, torch.inf, -torch.inf, torch.nan] * 50)
    found = moved(given, torch.Generator())
    assert torch.allclose(found, given, rtol=0, atol=0, equal_nan=True)
    whole = torch.arange(100)
    assert moved(whole, torch.Generator()).equal(whole)


def test_only_within_the_context_and_by_seed() -> None:
    model = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Identity())
    given = torch.rand(200)

    def said(seed: int) -> torch.Tensor:
        with rounded_anew(model, seed):
            return model(given)

    assert said(0).equal(said(0))
    assert not said(0).equal(said(1))
    assert model(given).equal(given)


def test_the_coarsest_rounding_within() -> None:
    given = torch.rand(3, dtype=torch.float64)
    assert coarsest(lambda: given * 2 + 1) == torch.finfo(torch.float64).eps
    assert coarsest(lambda: given.float().mean().double()) == torch.finfo(torch.float32).eps
    assert coarsest(lambda: given.long()) == torch.finfo(torch.float64).eps
    assert coarsest(lambda: given.to(torch.bfloat16)) == torch.finfo(torch.bfloat16).eps
