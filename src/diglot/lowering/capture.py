"""Captures a PyTorch module as a graph of functional ATen operators."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Mapping

import torch
from torch.export import Dim, ExportedProgram, default_decompositions, export

import diglot.lowering.ops  # noqa: F401 - fills the registry
from diglot.errors import CaptureError
from diglot.lowering.limitations import DECLINED
from diglot.lowering.registry import REGISTRY

# torch.export and warnings.catch_warnings change the state of the whole process.
_ONE_AT_A_TIME = threading.RLock()


def capture(
    module: torch.nn.Module,
    inputs: Mapping[str, torch.Tensor],
    *,
    static: frozenset[int] = frozenset(),
) -> ExportedProgram:
    """Capture what ``module`` computes from ``inputs``, for any size of their dimensions.

    An operator that has a lowering stays whole (``linear``, ``layer_norm``,
    ``scaled_dot_product_attention``); the others are decomposed. The graph has no in-place
    operators and no control flow. Any number of threads may call this; captures run one at a time.

    Args:
        module: the module, in the mode to capture, training or evaluation.
        inputs: an example by parameter name of ``module.forward``. Each dynamic dimension needs a
            size of at least 2: ``torch.export`` treats a size of 1 as a constant.
        static: the dimensions that keep the example's size, the same for each input.

    Returns:
        The graph, with the sizes for which it holds in ``range_constraints``.

    Raises:
        CaptureError: the module branches on its data, or does something else that
            ``torch.export`` cannot capture; the message has the reason that it gives.
    """
    shapes = {
        name: {dim: Dim.DYNAMIC for dim in range(value.ndim) if dim not in static}
        for name, value in inputs.items()
    }
    try:
        with _ONE_AT_A_TIME, warnings.catch_warnings():
            # torch.export warns about its own internals, which its caller cannot change.
            warnings.simplefilter("ignore")
            exported = export(module, (), dict(inputs), dynamic_shapes=shapes, strict=False)
            return exported.run_decompositions(_decompositions())
    except Exception as error:  # torch.export raises many types, from AssertionError to KeyError
        raise CaptureError(
            f"torch.export could not capture {type(module).__name__}: {error}. A module must not"
            " branch in Python on the values of its inputs; rewrite that branch, or run this"
            " checkpoint with backend='torch'."
        ) from error


def _decompositions() -> dict[torch._ops.OperatorBase, object]:
    """PyTorch's own decomposition of every operator that has no lowering."""
    table = default_decompositions()
    return {op: table[op] for op in list(table) if op not in REGISTRY and op not in DECLINED}
