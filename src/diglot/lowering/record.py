"""A transformers model, recorded as a TensorFlow program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any

import tensorflow as tf
import torch

from diglot.checkpoints import architectures
from diglot.errors import CaptureError
from diglot.lowering.capture import capture
from diglot.lowering.program import Program, lower

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from transformers import PreTrainedModel

NO_PAD_TOKEN = "Cannot handle batch sizes > 1 if no padding token is defined."
"""What transformers' decoders answer to a batch of which they cannot know the last tokens."""

# What of a transformers output becomes an output of the program; the cache and the attentions do
# not.
_OUTPUTS = ("logits", "last_hidden_state", "pooler_output", "hidden_states")

# Two sizes that no checkpoint's own sizes are likely to equal: torch.export takes equal numbers
# for one and the same.
_BATCH, _TOKENS = 3, 7


PREFIX = "model."
"""What stands before the model's own names in a recording of it."""


class Plain(torch.nn.Module):  # type: ignore[misc] # seen without PyTorch
    """A transformers model that takes tensors alone and returns a plain dictionary of tensors."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        self.options = {"output_hidden_states": True, "return_dict": True}
        if "use_cache" in signature(model.forward).parameters:
            self.options["use_cache"] = False

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
    ) -> dict[str, Any]:
        """The outputs by name; ``hidden_states`` are a tuple, the embeddings first."""
        optional = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        outputs = self.model(
            input_ids=input_ids, attention_mask=attention_mask, **optional, **self.options
        )
        return {name: outputs[name] for name in _OUTPUTS if outputs.get(name) is not None}


def text_inputs(model: PreTrainedModel) -> tuple[str, ...]:
    """The inputs for text that the model's ``forward`` takes."""
    return tuple(
        name for name in architectures.INPUTS if name in signature(model.forward).parameters
    )


def recorded(model: PreTrainedModel, inputs: Sequence[str]) -> ExportedProgram:
    """Record the model for the named inputs, each int64 ``[batch, tokens]``.

    A decoder without a pad token takes one row at a time; it is recorded with a batch of one.

    Args:
        model: in the mode, training or evaluation, that is to be recorded.
        inputs: some of :data:`~diglot.checkpoints.architectures.INPUTS`, the ids and the mask
            among them.

    Returns:
        What :func:`diglot.lowering.capture` makes of a :class:`Plain`.

    Raises:
        CaptureError: ``torch.export`` cannot record the model.
    """

    def example(batch: int) -> dict[str, torch.Tensor]:
        # Zeros are no choice: an architecture may look for its pad token.
        return {name: torch.ones(batch, _TOKENS, dtype=torch.int64) for name in inputs}

    plain = Plain(model)
    try:
        return capture(plain, example(_BATCH))
    except CaptureError as error:
        if NO_PAD_TOKEN not in str(error):
            raise
        return capture(plain, example(1), static=frozenset({0}))


def record(
    model: PreTrainedModel, inputs: Sequence[str], variables: Mapping[str, tf.Variable]
) -> Program:
    """Record the model for the named inputs, and lower it.

    Args:
        model: as :func:`recorded` takes it.
        inputs: as :func:`recorded` takes them.
        variables: the parameters by name.

    Raises:
        CaptureError: ``torch.export`` cannot record the model.
        UnsupportedOperatorsError: it has operators without a lowering.
    """
    return lower(recorded(model, inputs), variables=variables, prefix=PREFIX)
