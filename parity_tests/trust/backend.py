"""Faults of the backend: the code before and after the program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from diglot import heads
from diglot.backends.tensorflow import TensorFlowBackend
from diglot.equality.sides import ClassifierSide, Side
from diglot.errors import InputError
from diglot.types import Outputs

from .fault import Fault
from .ground import Ground


@dataclass(frozen=True)
class Run:
    """A backend whose ``run`` is wrong.

    Attributes:
        wrong: called with the right method and its arguments.
    """

    wrong: Callable[..., Outputs]

    @contextmanager
    def __call__(self, ground: Ground) -> Iterator[Side]:
        """Plant it."""

        def run(backend: Any, *args: Any, **options: Any) -> Outputs:
            return self.wrong(partial(TensorFlowBackend.run, backend), *args, **options)

        kind: Any = type("Faulty", (TensorFlowBackend,), {"run": run})
        yield ClassifierSide.of(ground.checkpoint, kind(ground.model, "CPU:0"))


def _before(change: Callable[[dict[str, Any]], Any]) -> Run:
    """A model that gets another encoding."""

    def run(right: Any, encoding: Any, **options: Any) -> Outputs:
        return right({**encoding, **change(dict(encoding))}, **options)

    return Run(run)


def _logits(change: Callable[[Any], Any]) -> Run:
    """A model with other logits, and the scores of these."""

    def run(right: Any, encoding: Any, *, function: Any = None, **options: Any) -> Outputs:
        outputs = right(encoding, **options)
        raw = {"logits": change(outputs.raw["logits"])}
        scores = {} if function is None else {"logits": heads.scores(raw["logits"], function)}
        return replace(outputs, raw=raw, scores=scores)

    return Run(run)


def _scores(change: Callable[[Any, Any], Any]) -> Run:
    """A model with other scores, made from the logits and the right scores."""

    def run(right: Any, encoding: Any, **options: Any) -> Outputs:
        outputs = right(encoding, **options)
        logits = outputs.raw["logits"]
        scores = {name: change(logits, values) for name, values in outputs.scores.items()}
        return replace(outputs, scores=scores)

    return Run(run)


def _layers(which: slice) -> Run:
    def run(right: Any, encoding: Any, **options: Any) -> Outputs:
        outputs = right(encoding, **options)
        return replace(outputs, hidden_states=outputs.hidden_states[which])

    return Run(run)


def _cached() -> Run:
    known: dict[Any, Outputs] = {}

    def run(right: Any, encoding: Any, **options: Any) -> Outputs:
        key = encoding["input_ids"].shape, *options.items()
        if key not in known:
            known[key] = right(encoding, **options)
        return known[key]

    return Run(run)


def _refusing(refuses: Callable[[Any], bool]) -> Run:
    def run(right: Any, encoding: Any, **options: Any) -> Outputs:
        if refuses(encoding["input_ids"].shape):
            raise InputError("a planted refusal")
        return right(encoding, **options)

    return Run(run)


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
    Fault("rows left in the order of their lengths", "camembert", Run(_by_length)),
    Fault("one token refused", "deberta-v2", _refusing(lambda shape: shape[1] == 1)),
    Fault("the longest length refused", "mpnet", _refusing(lambda shape: shape[1] == 48)),
    # After it.
    Fault("answers kept by the shape of the input", "llama", _cached()),
    Fault("logits from last to first", "distilbert", _logits(lambda logits: logits[:, ::-1])),
    Fault(
        "logits in half precision",
        "qwen2",
        _logits(lambda logits: logits.astype(np.float16) + logits * 0),
    ),
    Fault("logits in steps of the batch's largest", "roberta", _logits(_in_steps)),
    Fault("logits with noise", "modernbert", _logits(_random)),
    Fault("hidden states without the embeddings", "mpnet", _layers(slice(1, None))),
    Fault("hidden states without the last", "gpt2", _layers(slice(-1))),
    # Probabilities.
    Fault(
        "softmax over the rows",
        "bert",
        _scores(lambda logits, scores: tf.nn.softmax(logits, axis=0).numpy()),
    ),
    Fault(
        "sigmoid for softmax",
        "roberta",
        _scores(lambda logits, scores: heads.scores(logits, "sigmoid")),
    ),
    Fault(
        "softmax of softmax",
        "albert",
        _scores(lambda logits, scores: heads.scores(scores, "softmax")),
    ),
    Fault(
        "probabilities in half precision",
        "electra",
        _scores(lambda logits, scores: scores.astype(np.float16).astype(np.float32)),
    ),
)
