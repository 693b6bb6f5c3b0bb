"""Trace a checkpoint, or two readings of it that are at hand."""

from __future__ import annotations

import os
from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any, cast, get_args

import numpy as np
from numpy.typing import NDArray

from diglot import backends, checkpoints
from diglot.checkpoints import torch_model
from diglot.equality.tolerance import BUDGET, Tolerance
from diglot.errors import InputError
from diglot.parity.trace.steps import Trace
from diglot.types import Precision

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from diglot.parity.trace.graph import Graph
    from diglot.parity.trace.walk import TracedModel

Encoding = Mapping[str, NDArray[np.integer[Any]]]

TENSORFLOW = backends.DEFAULT_TESTED


def trace(
    checkpoint: str | os.PathLike[str] | checkpoints.Checkpoint | None,
    encoding: Encoding,
    *,
    against: str = TENSORFLOW,
    precision: Precision = "float32",
    tolerance: Tolerance = BUDGET,
) -> Trace:
    """Follow one input through a checkpoint, operator by operator.

    Args:
        checkpoint: a directory, a hub id, a checkpoint that was found already, or ``None`` for the
            small one that diglot ships.
        encoding: the model's inputs, each ``[batch, tokens]``; without an ``attention_mask``, all
            tokens count.
        against: what is held against PyTorch: ``"tensorflow"``, or PyTorch itself in another
            precision: ``"bfloat16"``, ``"float16"``, ``"float32"`` or ``"float64"``.
        precision: of PyTorch, and of TensorFlow.
        tolerance: how large the error of one operator may be.

    Raises:
        BackendNotInstalledError: PyTorch or TensorFlow is missing; a trace needs both.
        CheckpointError: the checkpoint cannot be read.
        InputError: the model cannot take the encoding, or there is no such ``against``.
        LoweringError: the model cannot be recorded.
    """
    backends.require(TENSORFLOW)
    if against not in (TENSORFLOW, *get_args(Precision)):
        raise InputError(
            f"PyTorch cannot be traced against {against!r}; use {TENSORFLOW}, or for PyTorch in"
            f" another precision {', '.join(get_args(Precision))}"
        )
    found = checkpoint
    if not isinstance(found, checkpoints.Checkpoint):
        found = checkpoints.find(found)
    model = cast("PreTrainedModel", torch_model.load(found, precision=precision))
    other: TracedModel
    if against == TENSORFLOW:
        from diglot.lowering.model import LoweredModel

        other = LoweredModel(deepcopy(model))
    else:
        other = cast(
            "PreTrainedModel", torch_model.load(found, precision=cast("Precision", against))
        )
    return trace_models(model, other, encoding, checkpoint=found.name, tolerance=tolerance)


def trace_models(
    model: PreTrainedModel,
    other: TracedModel,
    encoding: Encoding,
    *,
    checkpoint: str = "",
    tolerance: Tolerance = BUDGET,
    graph: Graph | None = None,
) -> Trace:
    """Follow one input through two readings of one checkpoint.

    Args:
        model: transformers' PyTorch model, in evaluation mode: the reference.
        other: the tested model: the lowered one, maybe inside a ``TFAutoModel...``, of the same
            precision, or the same PyTorch model in another one.
        encoding: as in :func:`trace`.
        checkpoint: what to call it.
        tolerance: as in :func:`trace`.
        graph: the recording of ``model``, or of ``other`` where that is PyTorch's too, for the same
            inputs; it takes seconds to make, and serves any number of traces.

    Raises:
        InputError: the model cannot take the encoding.
        LoweringError: it cannot be recorded, or ``other`` is another model.
    """
    import torch

    from diglot.lowering import record
    from diglot.parity.trace.walk import Walk

    other = getattr(other, "lowered", other)
    taken = record.text_inputs(model)
    if strangers := set(encoding) - set(taken):
        raise InputError(
            f"{model.config.model_type} takes {', '.join(taken)}, not"
            f" {', '.join(sorted(strangers))}; leave that out"
        )
    arrays = {name: np.asarray(encoding[name], np.int64) for name in taken if name in encoding}
    arrays.setdefault("attention_mask", np.ones_like(arrays["input_ids"]))
    framework = "PyTorch" if isinstance(other, torch.nn.Module) else "TensorFlow"
    sides = (f"{framework} in {_precision(other)}", f"PyTorch in {_precision(model)}")
    with torch.no_grad():
        inputs = {name: torch.from_numpy(np.array(one)) for name, one in arrays.items()}
        walk = Walk(model, other, inputs, tolerance, sides, graph)
        steps = tuple(walk.steps())
        return Trace(
            checkpoint=checkpoint or model.config.model_type,
            reference=sides[1],
            against=sides[0],
            shapes={name: one.shape for name, one in arrays.items()},
            steps=steps,
            elsewhere=() if any(one.reason for one in steps) else tuple(walk.elsewhere()),
        )


def _precision(model: TracedModel) -> str:
    """The dtype of its floating-point weights."""
    import torch

    if isinstance(model, torch.nn.Module):
        return str(model.dtype).removeprefix("torch.")
    return next(str(one.dtype.name) for one in model.variables.values() if one.dtype.is_floating)
