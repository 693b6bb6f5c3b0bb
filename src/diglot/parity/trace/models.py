"""Traces a checkpoint, or two loaded models of it."""

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
        checkpoint: a directory, a hub id, a checkpoint, or ``None`` for the small checkpoint that
            diglot ships.
        encoding: the model's inputs, each ``[batch, tokens]``; without an ``attention_mask``, every
            token counts.
        against: the tested side: ``"tensorflow"``, or PyTorch in another precision:
            ``"bfloat16"``, ``"float16"``, ``"float32"`` or ``"float64"``.
        precision: the precision of PyTorch and of TensorFlow.
        tolerance: the largest error that is allowed to one operator.

    Raises:
        BackendNotInstalledError: PyTorch or TensorFlow is missing; a trace needs both.
        CheckpointError: the checkpoint cannot be read.
        InputError: the model does not take the encoding, or ``against`` is unknown.
        LoweringError: the model cannot be captured.
    """
    backends.require(TENSORFLOW)
    if against not in (TENSORFLOW, *get_args(Precision)):
        raise InputError(
            f"PyTorch cannot be traced against {against!r}; use {TENSORFLOW}, or one of"
            f" {', '.join(get_args(Precision))} for PyTorch in another precision"
        )
    checkpoint = checkpoints.find(checkpoint)
    model = cast("PreTrainedModel", torch_model.load(checkpoint, precision=precision))
    other: TracedModel
    if against == TENSORFLOW:
        from diglot.lowering.model import LoweredModel

        other = LoweredModel(deepcopy(model))
    else:
        other = cast(
            "PreTrainedModel", torch_model.load(checkpoint, precision=cast("Precision", against))
        )
    return trace_models(model, other, encoding, checkpoint=checkpoint.name, tolerance=tolerance)


def trace_models(
    model: PreTrainedModel,
    other: TracedModel,
    encoding: Encoding,
    *,
    checkpoint: str = "",
    tolerance: Tolerance = BUDGET,
    graph: Graph | None = None,
) -> Trace:
    """Follow one input through two models of the same checkpoint.

    Args:
        model: transformers' PyTorch model in evaluation mode, the reference.
        other: the tested model: the lowered model, or a Keras model around it, in the same
            precision; or the same PyTorch model in another precision.
        encoding: as in :func:`trace`.
        checkpoint: its name, for the report.
        tolerance: as in :func:`trace`.
        graph: the captured graph of ``model``, or of ``other`` if that is a PyTorch model, for the
            same inputs. A capture takes seconds; one graph serves any number of traces.

    Raises:
        InputError: the model does not take the encoding.
        LoweringError: the model cannot be captured, or ``other`` is another model.
    """
    import torch

    from diglot.lowering import record
    from diglot.parity.trace.walk import Walk

    other = getattr(other, "lowered", other)
    inputs = record.text_inputs(model)
    if unknown := set(encoding) - set(inputs):
        raise InputError(
            f"{model.config.model_type} takes {', '.join(inputs)}, not"
            f" {', '.join(sorted(unknown))}; leave that out"
        )
    arrays = {name: np.asarray(encoding[name], np.int64) for name in inputs if name in encoding}
    arrays.setdefault("attention_mask", np.ones_like(arrays["input_ids"]))
    framework = "PyTorch" if isinstance(other, torch.nn.Module) else "TensorFlow"
    sides = (f"{framework} in {_precision(other)}", f"PyTorch in {_precision(model)}")
    with torch.no_grad():
        tensors = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
        walk = Walk(model, other, tensors, tolerance, sides, graph)
        steps = tuple(walk.steps())
        return Trace(
            checkpoint=checkpoint or model.config.model_type,
            reference=sides[1],
            against=sides[0],
            shapes={name: array.shape for name, array in arrays.items()},
            steps=steps,
            elsewhere=() if any(step.reason for step in steps) else tuple(walk.elsewhere()),
        )


def _precision(model: TracedModel) -> str:
    """The dtype of the floating-point weights."""
    import torch

    if isinstance(model, torch.nn.Module):
        return str(model.dtype).removeprefix("torch.")
    floating = (item for item in model.variables.values() if item.dtype.is_floating)
    return str(next(floating).dtype.name)
