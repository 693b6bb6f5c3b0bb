"""Tiny checkpoints on disk: a model of each architecture with a real tokenizer of its kind."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast

from . import bytelevel_checkpoints, unigram_styles
from .architectures import torch_model
from .test_worked_example import minilm

_TOKENS = 48
# The usual tokenizer of each architecture, with its pad token.
_WORDPIECE = dict.fromkeys(("bert", "distilbert", "electra", "mpnet"), "[PAD]")
_UNIGRAM = {
    "albert": "albert",
    "camembert": "camembert",
    "deberta-v2": "deberta-v3",
    "xlm-roberta": "xlm-roberta",
}
_BYTES = {
    "gpt2": "gpt2",
    "llama": "llama3",
    "modernbert": "modernbert",
    "qwen2": "qwen2",
    "roberta": "roberta",
}


@cache
def tokenizer(architecture: str) -> PreTrainedTokenizerFast:
    """A real tokenizer of the architecture's kind."""
    if architecture in _WORDPIECE:
        return PreTrainedTokenizerFast(
            tokenizer_file=str(minilm() / "tokenizer.json"),
            pad_token="[PAD]",
            model_max_length=_TOKENS,
        )
    if architecture in _UNIGRAM:
        backend = unigram_styles.tokenizer(_UNIGRAM[architecture])
    else:
        backend = bytelevel_checkpoints.checkpoint(_BYTES[architecture])
    added = backend.get_added_tokens_decoder().values()
    names = [token.content for token in added if token.special]
    pad = next((name for name in names if "pad" in name.lower()), names[0])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token=pad, model_max_length=_TOKENS
    )


def model(architecture: str, **changes: Any) -> torch.nn.Module:
    """A tiny model that fits the tokenizer.

    The pad token has an embedding, as in many trained checkpoints; a fresh model's is zero.
    """
    own = tokenizer(architecture)
    positions = "n_positions" if architecture == "gpt2" else "max_position_embeddings"
    sizes = {"vocab_size": len(own), positions: 2 * _TOKENS, "pad_token_id": own.pad_token_id}
    made = torch_model(architecture, **{**sizes, **changes})
    for module in made.modules():
        if isinstance(module, torch.nn.Embedding) and module.padding_idx is not None:
            module.weight.data[module.padding_idx] = -module.weight.data[-1]
    made.config.id2label = {0: "bad", 1: "fair", 2: "good"}
    return made


def saved(architecture: str, folder: Path, **changes: Any) -> Path:
    """A tiny checkpoint with a real tokenizer."""
    model(architecture, **changes).save_pretrained(folder)
    tokenizer(architecture).save_pretrained(folder)
    return folder
