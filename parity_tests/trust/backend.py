"""Faults of the backend: what is done before and after the program runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from diglot.backends.tensorflow import TensorFlowBackend
from diglot.equality.sides import ClassifierSide, Side
from diglot.errors import InputError
from diglot.types import Outputs

from .fault import Fault
from .ground import Ground


@dataclass(frozen=True)
class Method:
    """A backend one of whose methods is wrong.

    Attributes:
        method: its name.
        wrong: takes the right method, and then what that takes.
    """

    method: str
    wrong: Callable[..., Any]

    @contextmanager
    def __call__(self, ground: Ground) -> Iterator[Side]:
        """Plant it."""

        def method(backend: Any, *args: Any, **options: Any) -> Any:
            right = partial(getattr(TensorFlowBackend, self.method), backend)
            return self.wrong(right, *args, **options)

        kind: Any = type("Faulty", (TensorFlowBackend,), {self.method: method})
        yield ClassifierSide.of(ground.checkpoint, kind(ground.model, "CPU:0"))


def _before(change: Callable[[dict[str, Any]], Any]) -> Method:
    """A model that is given another encoding."""

    def forward(right: Any, encoding: Any, **options: Any) -> Outputs:
        return right({**encoding, **change(dict(encoding))}, **options)

    return Method("forward", forward)


def _after(change: Callable[[Any], Any]) -> Method:
    """A model whose logits are changed."""

    def forward(right: Any, encoding: Any, **options: Any) -> Outputs:
        outputs = right(encoding, **options)
        return replace(outputs, logits=change(outputs.logits))

    return Method("forward", forward)


def _layers(which: slice) -> Method:
    def forward(right: Any, encoding: Any, **options: Any) -> Outputs:
        outputs = right(encoding, **options)
        return replace(outputs, hidden_states=outputs.hidden_states[which])

    return Method("forward", forward)


def _cached() -> Method:
    known: dict[Any, Outputs] = {}

    def forward(right: Any, encoding: Any, **options: Any) -> Outputs:
        key = encoding["input_ids"].shape, *options.items()
        if key not in known:
            known[key] = right(encoding, **options)
        return known[key]

    return Method("forward", forward)


def _refusing(refuses: Callable[[Any], bool]) -> Method:
    def forward(right: Any, encoding: Any, **options: Any) -> Outputs:
        if refuses(encoding["input_ids"].shape):
            raise InputError("a planted refusal")
        return right(encoding, **options)

    return Method("forward", forward)


def _by_length(right: Any, encoding: Any, **options: Any) -> Outputs:
    order = np.argsort(encoding["attention_mask"].sum(-1), kind="stable")
    return right({name: value[order] for name, value in encoding.items()}, **options)


def _in_steps(logits: Any) -> Any:
    """Eight bits, with one scale for the batch."""
    step = np.abs(logits).max() / 127
    return (np.round(logits / step) * step).astype(logits.dtype)


def _unmasked_where_nothing_is_left(encoding: Any) -> Any:
    mask = encoding["attention_mask"]
    return {"attention_mask": np.where(mask.any(-1, keepdims=True), mask, 1)}


def _random(logits: Any) -> Any:
    return logits + np.random.normal(scale=1e-4, size=logits.shape).astype(logits.dtype)


FAULTS = (
    # Before the program.
    Fault(
        "the mask not handed over",
        "xlm-roberta",
        _before(lambda encoding: {"attention_mask": np.ones_like(encoding["attention_mask"])}),
    ),
    Fault(
        "token types not handed over",
        "albert",
        _before(lambda encoding: {"token_type_ids": np.zeros_like(encoding["input_ids"])}),
    ),
    Fault(
        "the last id of the vocabulary read as the one before",
        "distilbert",
        _before(lambda encoding: {"input_ids": np.minimum(encoding["input_ids"], 30_520)}),
    ),
    Fault(
        "ids cast to eight bits, which wrap",
        "gpt2",
        _before(lambda encoding: {"input_ids": encoding["input_ids"].astype(np.uint8)}),
    ),
    Fault(
        "a row that is masked throughout read unmasked",
        "electra",
        _before(_unmasked_where_nothing_is_left),
    ),
    Fault("rows left in the order of their lengths", "camembert", Method("forward", _by_length)),
    Fault("one token refused", "deberta-v2", _refusing(lambda shape: shape[1] == 1)),
    Fault("the longest length refused", "mpnet", _refusing(lambda shape: shape[1] == 48)),
    # After it.
    Fault("answers kept by the shape of the input", "llama", _cached()),
    Fault("logits from last to first", "distilbert", _after(lambda logits: logits[:, ::-1])),
    Fault(
        "logits in half precision", "qwen2", _after(lambda one: one.astype(np.float16) + one * 0)
    ),
    Fault("logits in steps of the batch's largest", "roberta", _after(_in_steps)),
    Fault("logits with noise", "modernbert", _after(_random)),
    Fault("hidden states without the embeddings", "mpnet", _layers(slice(1, None))),
    Fault("hidden states without the last", "gpt2", _layers(slice(-1))),
    # Probabilities.
    Fault(
        "softmax over the rows",
        "bert",
        Method("probabilities", lambda right, logits, _: tf.nn.softmax(logits, axis=0).numpy()),
    ),
    Fault(
        "sigmoid for softmax",
        "roberta",
        Method("probabilities", lambda right, logits, _: right(logits, "sigmoid")),
    ),
    Fault(
        "softmax of softmax",
        "albert",
        Method("probabilities", lambda right, logits, name: right(right(logits, name), name)),
    ),
    Fault(
        "probabilities in half precision",
        "electra",
        Method(
            "probabilities",
            lambda right, logits, name: right(logits, name).astype(np.float16).astype(np.float32),
        ),
    ),
)
