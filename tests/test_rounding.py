"""Other valid roundings of a PyTorch model, and its coarsest rounding."""

import pytest
import torch

from diglot.equality.rounding import coarsest, moved, rounded_anew


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_elements_move_by_one_rounding_either_way(dtype: torch.dtype) -> None:
    values = torch.linspace(1, 2, 400, dtype=dtype)[:-1]
    result = moved(values, torch.Generator().manual_seed(0))
    steps = ((result - values) / torch.finfo(dtype).eps).tolist()
    # The next number below 1 is only half a step away.
    assert set(steps) - {-0.5} == {-1.0, 0.0, 1.0}
    assert 70 < steps.count(1.0) < 130
    assert 70 < len(steps) - steps.count(0.0) - steps.count(1.0) < 130


def test_exact_numbers_stay() -> None:
    exact = torch.tensor([0.0, torch.inf, -torch.inf, torch.nan] * 50)
    result = moved(exact, torch.Generator())
    assert torch.allclose(result, exact, rtol=0, atol=0, equal_nan=True)
    whole = torch.arange(100)
    assert moved(whole, torch.Generator()).equal(whole)


def test_rounding_changes_only_within_the_context_and_by_seed() -> None:
    model = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Identity())
    given = torch.rand(200)

    def result(seed: int) -> torch.Tensor:
        with rounded_anew(model, seed):
            return model(given)

    assert result(0).equal(result(0))
    assert not result(0).equal(result(1))
    assert model(given).equal(given)


def test_the_coarsest_rounding_within() -> None:
    given = torch.rand(3, dtype=torch.float64)
    assert coarsest(lambda: given * 2 + 1) == torch.finfo(torch.float64).eps
    assert coarsest(lambda: given.float().mean().double()) == torch.finfo(torch.float32).eps
    assert coarsest(lambda: given.long()) == torch.finfo(torch.float64).eps
    assert coarsest(lambda: given.to(torch.bfloat16)) == torch.finfo(torch.bfloat16).eps
