"""The rounding of a PyTorch model: its coarsest step, and other valid results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def moved(tensor: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """The tensor with a quarter of its elements one rounding higher, and a quarter one lower.

    Zeros, infinities and whole numbers stay, because they are exact.
    """
    import torch

    if not tensor.is_floating_point():
        return tensor
    draw = torch.rand(tensor.shape, generator=random).to(tensor.device)
    far = torch.full_like(tensor, torch.inf)
    moves = (abs(draw - 0.5) > 0.25) & tensor.isfinite() & (tensor != 0)
    return torch.where(moves, torch.nextafter(tensor, torch.where(draw < 0.5, -far, far)), tensor)


def coarsest(run: Callable[[], object]) -> float:
    """The relative size of the coarsest rounding in a PyTorch computation.

    Some models compute a part in float32 in every precision: llama and similar models their norms
    and the angles of their positions.

    Args:
        run: the computation.
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    dtypes = {torch.float64}

    class Watching(TorchDispatchMode):  # type: ignore[misc] # seen without PyTorch
        def __torch_dispatch__(
            self, operator: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            result = operator(*args, **(kwargs or {}))
            tensors = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
            dtypes.update(tensor.dtype for tensor in tensors if tensor.is_floating_point())
            return result

    with Watching():
        run()
    return max(float(torch.finfo(dtype).eps) for dtype in dtypes)


@contextmanager
def rounded_anew(model: torch.nn.Module, seed: int) -> Iterator[None]:
    """Round the output of each of the model's modules up or down at random.

    Within the context, the model's results are as valid as its usual ones. This is Monte Carlo
    arithmetic (Parker, "Monte Carlo Arithmetic", 1997): one result alone may be exact by chance.

    Args:
        model: the model, in any precision.
        seed: the random seed; the same seed gives the same rounding.
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
