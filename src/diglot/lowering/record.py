"""Captures a transformers model, with the workarounds that its architecture needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from inspect import signature
from typing import TYPE_CHECKING, Any

import tensorflow as tf
import torch

from diglot.checkpoints import architectures
from diglot.errors import CaptureError
from diglot.lowering import workarounds
from diglot.lowering.capture import capture
from diglot.lowering.program import Program, lower
from diglot.lowering.workarounds import Workaround

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from transformers import PreTrainedModel

# The fields of a transformers output that become outputs of the program. The cache and the
# attentions do not.
_OUTPUTS = ("logits", "last_hidden_state", "pooler_output", "hidden_states")

# Sizes that differ from each other and from the sizes of most checkpoints: torch.export takes equal
# numbers for the same size.
_BATCH, _TOKENS = 3, 7

PREFIX = "model."
"""The prefix of the model's own names in a captured program."""


class TensorOnlyModel(torch.nn.Module):  # type: ignore[misc] # mypy does not see PyTorch
    """A transformers model that takes tensors only and returns a dictionary of tensors."""

    def __init__(self, model: PreTrainedModel, arguments: Mapping[str, Any] | None = None) -> None:
        """Wrap a model.

        Args:
            model: transformers' PyTorch model.
            arguments: extra arguments of its ``forward``; by default those of the workarounds that
                are used in each attempt.
        """
        super().__init__()
        self.model = model
        if arguments is None:
            arguments = _arguments(model, _unconditional(model))
        self.arguments = {"output_hidden_states": True, "return_dict": True, **arguments}

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
    ) -> dict[str, Any]:
        """The outputs by name; ``hidden_states`` is a tuple, with the embeddings first."""
        optional = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        outputs = self.model(
            input_ids=input_ids, attention_mask=attention_mask, **optional, **self.arguments
        )
        return {name: outputs[name] for name in _OUTPUTS if outputs.get(name) is not None}


def text_inputs(model: PreTrainedModel) -> tuple[str, ...]:
    """The names of the inputs for text that the model's ``forward`` takes."""
    return tuple(
        name for name in architectures.INPUTS if name in signature(model.forward).parameters
    )


def recorded(model: PreTrainedModel, inputs: Sequence[str]) -> ExportedProgram:
    """Capture the model for the named inputs, each int64 ``[batch, tokens]``.

    The first attempt uses the workarounds of the architecture that have no ``error``. If it fails,
    each workaround whose ``error`` is in the message is tried in turn.

    Args:
        model: the model, in the mode to capture, training or evaluation.
        inputs: names from :data:`~diglot.checkpoints.architectures.INPUTS`, with the ids and the
            mask among them.

    Returns:
        The graph of a :class:`TensorOnlyModel`, made by :func:`diglot.lowering.capture`. Its
        ``range_constraints`` are the sizes for which it holds.

    Raises:
        CaptureError: ``torch.export`` cannot capture the model. The message has the failure of each
            attempt.
    """
    always = _unconditional(model)
    try:
        return _attempt(model, inputs, always)
    except CaptureError as error:
        failures = [error]
    for workaround in workarounds.of(model.config.model_type):
        if workaround.error and any(workaround.error in str(failure) for failure in failures):
            try:
                return _attempt(model, inputs, (*always, workaround))
            except CaptureError as error:
                failures.append(CaptureError(f"with {workaround.name!r}: {error}"))
    raise CaptureError("\n".join(map(str, failures))) from failures[0].__cause__


def record(
    model: PreTrainedModel,
    inputs: Sequence[str],
    variables: Mapping[str, tf.Variable],
    without: Collection[str] = (),
) -> Program:
    """Capture the model for the named inputs, and lower it.

    Args:
        model: as in :func:`recorded`.
        inputs: as in :func:`recorded`.
        variables: the parameters by name; a missing one is made from the model's value.
        without: the names of optional passes to leave out.

    Raises:
        CaptureError: ``torch.export`` cannot capture the model.
        UnsupportedOperatorsError: the model has operators without a lowering.
    """
    exported = recorded(model, inputs)
    return lower(exported, variables=variables, prefix=PREFIX, without=without)


def _unconditional(model: PreTrainedModel) -> tuple[Workaround, ...]:
    return tuple(item for item in workarounds.of(model.config.model_type) if not item.error)


def _arguments(model: PreTrainedModel, used: Sequence[Workaround]) -> dict[str, Any]:
    taken = signature(model.forward).parameters
    return {
        name: value
        for workaround in used
        for name, value in workaround.forward.items()
        if name in taken
    }


def _attempt(
    model: PreTrainedModel, inputs: Sequence[str], used: Sequence[Workaround]
) -> ExportedProgram:
    batch = next((item.batch for item in used if item.batch is not None), None)
    # Ones, not zeros: an architecture may look for its pad token.
    example = {name: torch.ones(batch or _BATCH, _TOKENS, dtype=torch.int64) for name in inputs}
    with ExitStack() as patches:
        for workaround in used:
            if workaround.patch is not None:
                patches.enter_context(workaround.patch(model))
        return capture(
            TensorOnlyModel(model, _arguments(model, used)),
            example,
            static=frozenset() if batch is None else frozenset({0}),
        )
