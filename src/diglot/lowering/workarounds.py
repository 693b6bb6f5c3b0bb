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
        tokens: the largest number of tokens for which the program holds, if the model takes
            another branch for longer inputs. Longer inputs are refused.
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


def _big_bird_tokens(config: PreTrainedConfig) -> int | None:
    if config.attention_type != "block_sparse":
        return None
    tokens: int = (5 + 2 * config.num_random_blocks) * config.block_size
    return tokens


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
    Workaround(
        "attention to all tokens",
        "BigBird attends to blocks of tokens, in NumPy and with random blocks, for inputs above a"
        " length: https://huggingface.co/docs/transformers/model_doc/big_bird. The program computes"
        " the attention to all tokens, which the model uses up to that length.",
        model_types=frozenset({"big_bird"}),
        tokens=_big_bird_tokens,
    ),
)


def of(model_type: str) -> tuple[Workaround, ...]:
    """The workarounds of one architecture, in the order in which they are tried."""
    return tuple(
        workaround
        for workaround in WORKAROUNDS
        if not workaround.model_types or model_type in workaround.model_types
    )


def most_tokens(config: PreTrainedConfig) -> int | None:
    """The largest number of tokens for which a program of the model holds; ``None`` for any."""
    limits = [item.tokens(config) for item in of(config.model_type) if item.tokens is not None]
    return min((limit for limit in limits if limit is not None), default=None)
