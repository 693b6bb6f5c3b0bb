"""Faults of the weights: in the variables, or in a damaged copy of the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from diglot import checkpoints
from diglot.backends.tensorflow import TensorFlowBackend
from diglot.equality.sides import ClassifierSide, Side
from diglot.parity.trace import Step

from .fault import Fault
from .ground import Ground

Array = NDArray[Any]
_NO_EFFECT = (
    "Softmax does not change when one number is added to all scores of a row, and that is all that"
    " a key's bias does: no output depends on it."
)


@dataclass(frozen=True)
class Variable:
    """A variable with other values than the checkpoint.

    Attributes:
        name: the end of the weight's name.
        wrong: makes the wrong values from the right ones.
    """

    name: str
    wrong: Callable[[Array], Array]

    @contextmanager
    def __call__(self, ground: Ground) -> Iterator[Side]:
        """Plant it."""
        variable = ground.variable(self.name)
        right = variable.numpy()
        variable.assign(self.wrong(right.copy()))
        try:
            yield ground.side()
        finally:
            variable.assign(right)

    def is_at(self, step: Step) -> bool:
        """Whether the step is the weight."""
        return step.module.endswith(self.name)


@dataclass(frozen=True)
class Exchanged:
    """Two variables that hold each other's values.

    Attributes:
        one: the end of a weight's name.
        other: the end of the name of another weight of the same shape.
    """

    one: str
    other: str

    @contextmanager
    def __call__(self, ground: Ground) -> Iterator[Side]:
        """Plant it."""
        first, second = (ground.variable(name).numpy() for name in (self.one, self.other))
        with (
            Variable(self.one, lambda _: second)(ground),
            Variable(self.other, lambda _: first)(ground) as side,
        ):
            yield side

    def is_at(self, step: Step) -> bool:
        """Whether the step is one of the two weights."""
        return step.module.endswith((self.one, self.other))


@dataclass(frozen=True)
class File:
    """A wrong file of weights.

    Attributes:
        wrong: makes the wrong weights from the right ones, by name.
    """

    wrong: Callable[[Mapping[str, Array]], Mapping[str, Array]]

    @contextmanager
    def __call__(self, ground: Ground) -> Iterator[Side]:
        """Plant it."""
        with ground.copied() as folder:
            weights = load_file(folder / "model.safetensors")
            save_file(dict(self.wrong(weights)), folder / "model.safetensors", {"format": "pt"})
            found = checkpoints.find(folder)
            backend = TensorFlowBackend.load(found, precision="float32", device="cpu")
            yield ClassifierSide.of(ground.checkpoint, backend)


def _exchange(*rows: int) -> Callable[[Array], Array]:
    def wrong(weight: Array) -> Array:
        weight[[*rows]] = weight[[*rows[::-1]]]
        return weight

    return wrong


def _set(at: Any, value: Callable[[Array], Any]) -> Callable[[Array], Array]:
    def wrong(weight: Array) -> Array:
        weight[at] = value(weight)
        return weight

    return wrong


def _rounded(dtype: Any) -> Callable[[Array], Array]:
    return lambda weight: tf.cast(tf.cast(weight, dtype), weight.dtype).numpy()


def _eight_bits(weight: Array) -> Array:
    step = np.abs(weight).max() / 127
    return np.round(weight / step).astype(np.int8).astype(weight.dtype) * step


def _layer_of_another(weights: Mapping[str, Array]) -> Mapping[str, Array]:
    random = np.random.default_rng(0)
    return {
        name: random.permutation(one.ravel()).reshape(one.shape) if ".layer.1." in name else one
        for name, one in weights.items()
    }


def _next_to_each_other(weights: Mapping[str, Array]) -> Mapping[str, Array]:
    """The result of a writer whose offsets of two tensors are wrong."""
    one, other = (
        f"roberta.encoder.layer.0.attention.self.{name}.bias" for name in ("key", "value")
    )
    return {**weights, one: weights[other], other: weights[one]}


def _zero_page(weights: Mapping[str, Array]) -> Mapping[str, Array]:
    """The result of a copy that was truncated and filled with zeros."""
    name = "distilbert.transformer.layer.1.ffn.lin2.weight"
    wrong = weights[name].copy()
    wrong.ravel()[-64:] = 0
    return {**weights, name: wrong}


FAULTS = (
    # Rows, columns and names.
    Fault(
        "two rows of a query's weight exchanged",
        "bert",
        Variable("layer.1.attention.self.query.weight", _exchange(3, 5)),
    ),
    Fault(
        "two rows of the head exchanged", "roberta", Variable("out_proj.weight", _exchange(0, 1))
    ),
    Fault(
        "a square weight transposed",
        "distilbert",
        Variable("layer.0.attention.out_lin.weight", np.transpose),
    ),
    Fault(
        "query and key exchanged",
        "roberta",
        Exchanged("layer.0.attention.self.query.weight", "layer.0.attention.self.key.weight"),
    ),
    Fault(
        "the weights of two layers exchanged",
        "gpt2",
        Exchanged("h.0.attn.c_attn.weight", "h.1.attn.c_attn.weight"),
    ),
    Fault(
        "gate and up exchanged",
        "llama",
        Exchanged("0.mlp.gate_proj.weight", "0.mlp.up_proj.weight"),
    ),
    Fault(
        "a layer norm's weight and bias exchanged",
        "mpnet",
        Exchanged("layer.1.output.LayerNorm.weight", "layer.1.output.LayerNorm.bias"),
    ),
    Fault(
        "the table of relative positions shifted by one",
        "mpnet",
        Variable("relative_attention_bias.weight", lambda one: np.roll(one, 1, axis=0)),
    ),
    # Lost values.
    Fault(
        "a value's bias dropped",
        "electra",
        Variable("layer.1.attention.self.value.bias", np.zeros_like),
    ),
    Fault("the head's bias dropped", "bert", Variable("classifier.bias", np.zeros_like)),
    Fault("the last norm's bias dropped", "gpt2", Variable("ln_f.bias", np.zeros_like)),
    Fault(
        "a key's bias dropped, with rotary positions",
        "qwen2",
        Variable("layers.0.self_attn.k_proj.bias", np.zeros_like),
    ),
    Fault(
        "a key's bias dropped",
        "bert",
        Variable("layer.0.attention.self.key.bias", np.zeros_like),
        missed=_NO_EFFECT,
    ),
    Fault(
        "the row of the last position lost",
        "bert",
        Variable("position_embeddings.weight", _set(47, lambda _: 0)),
    ),
    Fault(
        "the second token type as the first",
        "electra",
        Variable("token_type_embeddings.weight", _set(1, lambda weight: weight[0])),
    ),
    Fault(
        "the padding's row zero, as training would keep it",
        "camembert",
        Variable("word_embeddings.weight", _set(1, lambda _: 0)),
    ),
    Fault(
        "the rows of two rare tokens exchanged",
        "bert",
        # Hypothesis tries the numbers that it finds in a project's code, but not their squares.
        Variable("word_embeddings.weight", _exchange(111**2, 151**2)),
        missed="The inputs read some two thousand of the 30,522 rows, and neither of these two;"
        " the trace compares all weights.",
    ),
    # Precision.
    Fault(
        "float16 in one layer",
        "camembert",
        Variable("layer.1.intermediate.dense.weight", _rounded(tf.float16)),
    ),
    Fault(
        "bfloat16 in one norm",
        "modernbert",
        Variable("layers.1.mlp_norm.weight", _rounded(tf.bfloat16)),
    ),
    Fault(
        "eight bits in the embeddings",
        "xlm-roberta",
        Variable("word_embeddings.weight", _eight_bits),
    ),
    Fault(
        "one weight's sign flipped",
        "deberta-v2",
        Variable("layer.1.output.dense.weight", _set((7, 11), lambda weight: -weight[7, 11])),
    ),
    Fault(
        "the last bit of one weight flipped",
        "albert",
        Variable("pooler.weight", _set((2, 3), lambda one: np.nextafter(one[2, 3], np.float32(9)))),
        missed="The error is no larger than float32's own rounding; the trace compares all"
        " weights exactly.",
    ),
    # The file.
    Fault("two neighbours in the file exchanged", "roberta", File(_next_to_each_other)),
    Fault("the end of a tensor zero in the file", "distilbert", File(_zero_page)),
    Fault("a layer of another run in the file", "electra", File(_layer_of_another)),
)
