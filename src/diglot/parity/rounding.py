"""How far rounding carries in a PyTorch model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def moved(tensor: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """The tensor with one element in four a rounding higher, and one in four a rounding lower.

    Zeros, infinities and whole numbers stay: they are exact.
    """
    import torch

    if not tensor.is_floating_point():
        return tensor
    draw = torch.rand(tensor.shape, generator=random).to(tensor.device)
    far = torch.full_like(tensor, torch.inf)
    moves = (abs(draw - 0.5) > 0.25) & tensor.isfinite() & (tensor != 0)
    return torch.where(moves, torch.nextafter(tensor, torch.where(draw < 0.5, -far, far)), tensor)


@contextmanager
def rounded_anew(model: torch.nn.Module, seed: int) -> Iterator[None]:
    """Round the output of each of the model's modules anew, up or down at random.

    What the model says then is as good as what it says without, by Monte Carlo arithmetic (Parker,
    "Monte Carlo Arithmetic", 1997): one result alone may be right by luck where the next is not.

    Args:
        model: in whatever precision.
        seed: the same seed gives the same rounding.
    """
    import torch

    random = torch.Generator().manual_seed(seed)

    def rounded(module: Any, inputs: Any, output: Any) -> Any:
        return moved(output, random) if isinstance(output, torch.Tensor) else output

    leaves = [module for module in model.modules() if not list(module.children())]
    hooks = [module.register_forward_hook(rounded) for module in leaves]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
