"""Facts about architectures that transformers does not state in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
"""The inputs that an architecture may take for text."""

UNBOUNDED = 1_000_000_000
"""A tokenizer's ``model_max_length`` from here on means no limit; transformers writes 1e30."""

# These architectures count positions from the padding token's id, so the first rows of their table
# of positions are never used.
_POSITIONS_AFTER_PADDING = frozenset(
    {
        "camembert",
        "data2vec-text",
        "esm",
        "ibert",
        "layoutlmv3",
        "lilt",
        "longformer",
        "luke",
        "markuplm",
        "roberta",
        "roberta-prelayernorm",
        "xlm-roberta",
        "xlm-roberta-xl",
        "xmod",
    }
)


def positions(config: PreTrainedConfig) -> int | None:
    """The number of tokens that the model's table of positions has room for; ``None`` without one.

    Source: the embeddings modules of transformers 5.23. A configuration with rotary positions has
    ``rope_parameters``; ESM's has ``position_embedding_type`` instead.
    """
    rotary = getattr(config, "rope_parameters", None) is not None
    if rotary or getattr(config, "position_embedding_type", None) == "rotary":
        return None
    if not getattr(config, "position_biased_input", True):
        return None
    size: int = getattr(config, "max_position_embeddings", None) or 0
    if config.model_type in _POSITIONS_AFTER_PADDING:
        size -= config.pad_token_id + 1
    elif config.model_type == "mpnet":
        size -= 2
    return size if size > 0 else None
