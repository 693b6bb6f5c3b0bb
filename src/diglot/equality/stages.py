"""The stages of a comparison: their names, and the arrays of one side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from diglot.heads import Head
    from diglot.heads.head import Stage
    from diglot.types import Array

ENCODING = "ids and masks"
HIDDEN_STATES = "hidden states"


class Stages(NamedTuple):
    """The arrays of one side for one encoding.

    Attributes:
        hidden_states: one array per layer, the embeddings first, each ``[batch, tokens, width]``;
            empty if the side does not show them.
        outputs: the arrays of the head's stages by name, such as ``"logits"`` ``[batch, labels]``.
        labels: the labels that the side itself chose, ``[batch]``; ``None`` if it only gives
            numbers.
    """

    hidden_states: tuple[Array, ...]
    outputs: Mapping[str, Array]
    labels: Array | None = None


def stage_name(stage: Stage) -> str:
    """The name of a head's stage in results, such as ``"probabilities and labels"``."""
    return f"{stage.name} and labels" if stage.chooses else stage.name


def stage_names(head: Head) -> tuple[str, ...]:
    """The names of all stages, in the order in which a text passes them."""
    return (ENCODING, HIDDEN_STATES, *map(stage_name, head.stages))
