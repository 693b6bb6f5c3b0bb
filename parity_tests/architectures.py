"""Tiny seeded models of every supported architecture, in PyTorch and in TensorFlow."""

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
# These count positions from the id after the pad token's.
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
    # Its embeddings count positions from 2, for any pad token.
    "mpnet": _SHIFTED | {"max_position_embeddings": MAX_TOKENS + 2},
    "qwen2": _SIZES | _TOKENS | {"num_key_value_heads": 1},
    "roberta": _SHIFTED,
    "xlm-roberta": _SHIFTED,
}

ARCHITECTURES = tuple(CONFIGURATIONS)
DECODERS = ("gpt2", "llama", "qwen2")

UNLIKE = ("albert", "bert", "deberta-v2", "distilbert", "gpt2", "llama", "modernbert", "mpnet")
"""Architectures that cover all operators: each of the others has the operators of one of these."""


def torch_model(architecture: str, *, seed: int = 0, **changes: Any) -> torch.nn.Module:
    """Makes a sequence classifier with weights, biases and norms far from their defaults.

    A freshly initialised model has zero biases and tiny weights, which would hide many faults.

    Args:
        architecture: a key of :data:`CONFIGURATIONS`.
        seed: the random seed of the weights.
        changes: further settings of the configuration.
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
    """One model in three forms.

    Attributes:
        architecture: its name.
        expected: transformers' PyTorch model in float32.
        reference: the same model in float64.
        actual: the TensorFlow model.
    """

    architecture: str
    expected: Any
    reference: Any
    actual: Any

    @property
    def takes_types(self) -> bool:
        """Whether the model distinguishes two token types."""
        return "token_type_ids" in self.actual.lowered.inputs and (
            self.architecture in DECODERS or self.expected.config.type_vocab_size > 1
        )


@cache
def subject(architecture: str) -> Subject:
    """The model of an architecture in its three forms; made once for each process."""
    from diglot import TFAutoModelForSequenceClassification

    model = torch_model(architecture)
    return reading(architecture, model, TFAutoModelForSequenceClassification)


def reading(architecture: str, model: Any, tensorflow_class: Any) -> Subject:
    """A PyTorch model in its three forms.

    Args:
        architecture: its name.
        model: the PyTorch model in float32.
        tensorflow_class: the class or function that makes the TensorFlow model.
    """
    return Subject(architecture, model, deepcopy(model).double(), tensorflow_class(deepcopy(model)))


def run_torch(model: Any, encoding: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Runs transformers' own model: hidden states by layer, logits, probabilities."""
    tensors = {name: torch.from_numpy(np.asarray(value)) for name, value in encoding.items()}
    with torch.inference_mode():
        return _stages(model(**tensors, output_hidden_states=True), torch.softmax)


def run_torch_anew(
    model: Any, encoding: Mapping[str, NDArray[Any]], seed: int
) -> dict[str, NDArray[Any]]:
    """Runs transformers' own model with random rounding of each module's output."""
    with rounded_anew(model, seed):
        return run_torch(model, encoding)


def run_tensorflow(model: Any, encoding: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Runs a TensorFlow model, or anything with the same call signature."""
    import tensorflow as tf

    return _stages(model(**encoding, output_hidden_states=True), tf.nn.softmax)


def _stages(outputs: Any, softmax: Callable[..., Any]) -> dict[str, NDArray[Any]]:
    stages = {f"hidden state {i}": state for i, state in enumerate(outputs["hidden_states"])}
    if "logits" in outputs:
        stages["logits"] = outputs["logits"]
        stages["probabilities"] = softmax(outputs["logits"], -1)
    else:
        stages["last hidden state"] = outputs["last_hidden_state"]
    return {name: stage.numpy() for name, stage in stages.items()}
