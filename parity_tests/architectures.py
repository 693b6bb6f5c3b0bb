"""Tiny checkpoints of every supported architecture, random but seeded, and both their readings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from diglot.equality.rounding import rounded_anew

VOCABULARY = 60
PAD, CLS, SEP = 0, 1, 2
MAX_TOKENS = 32

_SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": MAX_TOKENS,
}
_TOKENS = {"pad_token_id": PAD, "bos_token_id": CLS, "eos_token_id": SEP}
# Positions of these start behind the pad token's id.
_SHIFTED = _SIZES | _TOKENS | {"max_position_embeddings": MAX_TOKENS + PAD + 1}

CONFIGURATIONS: Mapping[str, Mapping[str, Any]] = {
    "albert": _SIZES | _TOKENS | {"embedding_size": 8},
    "bert": _SIZES | _TOKENS,
    "camembert": _SHIFTED,
    "deberta-v2": _SIZES
    | _TOKENS
    | {
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_buckets": 8,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "position_biased_input": False,
        "max_relative_positions": -1,
        "type_vocab_size": 0,
    },
    "distilbert": {
        "vocab_size": VOCABULARY,
        "dim": 16,
        "n_layers": 2,
        "n_heads": 2,
        "hidden_dim": 24,
        "max_position_embeddings": MAX_TOKENS,
        "pad_token_id": PAD,
    },
    "electra": _SIZES | _TOKENS | {"embedding_size": 8},
    "gpt2": {
        "vocab_size": VOCABULARY,
        "n_embd": 16,
        "n_layer": 2,
        "n_head": 2,
        "n_positions": MAX_TOKENS,
    }
    | _TOKENS,
    "llama": _SIZES | _TOKENS | {"num_key_value_heads": 1},
    "modernbert": _SIZES
    | _TOKENS
    | {
        "cls_token_id": CLS,
        "sep_token_id": SEP,
        "local_attention": 8,
        "global_attn_every_n_layers": 2,
    },
    # Its embeddings count positions from 2, whatever the pad token is.
    "mpnet": _SHIFTED | {"max_position_embeddings": MAX_TOKENS + 2},
    "qwen2": _SIZES | _TOKENS | {"num_key_value_heads": 1},
    "roberta": _SHIFTED,
    "xlm-roberta": _SHIFTED,
}

ARCHITECTURES = tuple(CONFIGURATIONS)
DECODERS = ("gpt2", "llama", "qwen2")


def torch_model(architecture: str, *, seed: int = 0, **changes: Any) -> torch.nn.Module:
    """A sequence classifier whose weights, biases and norms are all far from their defaults.

    A freshly initialised model has zero biases and tiny weights, under which many a fault would
    change nothing.
    """
    from transformers import AutoConfig, AutoModelForSequenceClassification

    configuration = {"num_labels": 3, **CONFIGURATIONS[architecture], **changes}
    config = AutoConfig.for_model(architecture, **configuration)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForSequenceClassification.from_config(config).eval()
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.data += 0.3 * torch.randn_like(parameter)
            else:
                parameter.data *= 5
    return model


@dataclass(frozen=True)
class Subject:
    """One checkpoint as PyTorch in float32, as PyTorch in float64, and as TensorFlow."""

    architecture: str
    expected: Any
    reference: Any
    actual: Any

    @property
    def takes_types(self) -> bool:
        """Whether two kinds of token type mean something to it."""
        return "token_type_ids" in self.actual.lowered.inputs and (
            self.architecture in DECODERS or self.expected.config.type_vocab_size > 1
        )


@cache
def subject(architecture: str) -> Subject:
    """The three readings; made once, since recording a model takes seconds."""
    from diglot import TFAutoModelForSequenceClassification

    model = torch_model(architecture)
    return reading(architecture, model, TFAutoModelForSequenceClassification)


def reading(architecture: str, model: Any, tensorflow_class: Any) -> Subject:
    """The three readings of one PyTorch model."""
    return Subject(architecture, model, deepcopy(model).double(), tensorflow_class(deepcopy(model)))


def run_torch(model: Any, encoding: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Every stage of transformers' own model: hidden states by layer, logits, probabilities."""
    tensors = {name: torch.from_numpy(np.asarray(value)) for name, value in encoding.items()}
    with torch.inference_mode():
        return _stages(model(**tensors, output_hidden_states=True), torch.softmax)


def run_torch_anew(
    model: Any, encoding: Mapping[str, NDArray[Any]], seed: int
) -> dict[str, NDArray[Any]]:
    """The same with each module's output rounded anew."""
    with rounded_anew(model, seed):
        return run_torch(model, encoding)


def run_tensorflow(model: Any, encoding: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The same of a TensorFlow model, or of anything that is called like one."""
    import tensorflow as tf

    return _stages(model(**encoding, output_hidden_states=True), tf.nn.softmax)


def _stages(outputs: Any, softmax: Callable[..., Any]) -> dict[str, NDArray[Any]]:
    stages = {f"hidden state {i}": one for i, one in enumerate(outputs["hidden_states"])}
    if "logits" in outputs:
        stages["logits"] = outputs["logits"]
        stages["probabilities"] = softmax(outputs["logits"], -1)
    else:
        stages["last hidden state"] = outputs["last_hidden_state"]
    return {name: stage.numpy() for name, stage in stages.items()}
