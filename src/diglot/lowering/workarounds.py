"""Changes that some architectures need to be captured, as one table.

Facts about an architecture's positions are in :mod:`diglot.checkpoints.architectures`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

NO_PAD_TOKEN = "Cannot handle batch sizes > 1 if no padding token is defined."
"""The error of transformers' decoders for a batch in which they cannot find the last tokens."""


@dataclass(frozen=True)
class Workaround:
    """A change to one capture.

    Attributes:
        name: identifies the workaround in messages.
        why: the reason, with a link.
        model_types: the ``model_type`` of each architecture that needs it; empty for all.
        until: the first version of transformers that does not need it. A test fails from then on.
        error: the workaround is tried only after a capture failed with this text in its message;
            empty to use it in each attempt.
        forward: extra arguments of the model's ``forward``; names that it does not take are left
            out.
        patch: changes the model while it is captured.
        batch: the only batch size of the program; ``None`` for any.
        tokens: the largest number of tokens for which the program holds, if the model branches on
            the length and ``torch.export`` does not see the branch. It reports the branches that it
            sees itself.
    """

    name: str
    why: str
    model_types: frozenset[str] = frozenset()
    until: str | None = None
    error: str = ""
    forward: Mapping[str, Any] = field(default_factory=dict)
    patch: Callable[[PreTrainedModel], AbstractContextManager[None]] | None = None
    batch: int | None = None
    tokens: Callable[[PreTrainedConfig], int | None] | None = None


WORKAROUNDS: tuple[Workaround, ...] = (
    Workaround(
        "no cache",
        "A decoder returns a cache of keys and values for generation, which is an object that"
        " torch.export cannot return and that a classifier does not use:"
        " https://huggingface.co/docs/transformers/kv_cache",
        forward={"use_cache": False},
    ),
    Workaround(
        "one row without a pad token",
        "A decoder classifies the last token that is no padding, and refuses a batch if the"
        " configuration names no pad token: https://github.com/huggingface/transformers/blob/"
        "v5.0.0/src/transformers/modeling_layers.py (GenericForSequenceClassification)",
        error=NO_PAD_TOKEN,
        batch=1,
    ),
)


def of(model_type: str) -> tuple[Workaround, ...]:
    """The workarounds of one architecture, in the order in which they are tried."""
    return tuple(
        workaround
        for workaround in WORKAROUNDS
        if not workaround.model_types or model_type in workaround.model_types
    )
