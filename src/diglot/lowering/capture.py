"""A PyTorch module, recorded as a graph of functional ATen operators."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import torch
from torch.export import Dim, ExportedProgram, default_decompositions, export

import diglot.lowering.ops  # noqa: F401 - fills the registry
from diglot.errors import CaptureError
from diglot.lowering.limitations import DECLINED
from diglot.lowering.registry import REGISTRY


def capture(
    module: torch.nn.Module,
    inputs: Mapping[str, torch.Tensor],
    *,
    static: frozenset[int] = frozenset(),
) -> ExportedProgram:
    """Record what ``module`` computes from ``inputs``, for any size of their dimensions.

    The graph keeps whatever has a lowering whole (``linear``, ``layer_norm``,
    ``scaled_dot_product_attention``) and is decomposed only where it has none; it is free of
    in-place operators and of control flow.

    Args:
        module: in the mode, training or evaluation, that is to be recorded.
        inputs: an example by parameter name of ``module.forward``; each dimension at least 2 long,
            since ``torch.export`` takes a 1 for a constant.
        static: the dimensions, the same for each input, that keep the example's size.

    Raises:
        CaptureError: the module branches on its data, or does something that ``torch.export``
            cannot record; the message carries the reason that it gives.
    """
    shapes = {
        name: {dim: Dim.DYNAMIC for dim in range(value.ndim) if dim not in static}
        for name, value in inputs.items()
    }
    try:
        with warnings.catch_warnings():
            # torch.export warns of its own internals, on which its caller has no influence.
            warnings.simplefilter("ignore")
            exported = export(module, (), dict(inputs), dynamic_shapes=shapes, strict=False)
            return exported.run_decompositions(_decompositions())
    except Exception as error:  # torch.export raises every kind, from AssertionError to KeyError
        raise CaptureError(
            f"torch.export could not capture {type(module).__name__}: {error}. A module must not"
            " branch in Python on the values of its inputs; rewrite that branch, or run this"
            " checkpoint with backend='torch'."
        ) from error


def _decompositions() -> dict[torch._ops.OperatorBase, object]:
    """PyTorch's own decompositions of every operator that has no lowering of its own."""
    table = default_decompositions()
    return {op: table[op] for op in list(table) if op not in REGISTRY and op not in DECLINED}
