"""Faults of an export, in a SavedModel whose proof was skipped."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import tensorflow as tf

from diglot import checkpoints, tokenization
from diglot.endpoints.model import Description
from diglot.lowering import record
from diglot.parity import BUDGET
from diglot.serving import compiled_tokenizer, export, proof
from diglot.serving.signatures import Servable

from .fault import Fault
from .ground import Ground

_UNPROVEN = proof.Report(texts=0, warmups=0, worst=(0.0, 0.0), tolerance=BUDGET, differences=())


@dataclass(frozen=True)
class Exported:
    """A SavedModel that was written with one wrong function.

    Attributes:
        owner: the module or class of the function.
        function: the function's name.
        wrong: called with the right function and its arguments.
    """

    owner: Any
    function: str
    wrong: Callable[..., Any]

    @contextmanager
    def __call__(self, ground: Ground) -> Iterator[Path]:
        """Plant it."""
        right = getattr(self.owner, self.function)

        def function(*args: Any, **options: Any) -> Any:
            return self.wrong(right, *args, **options)

        with (
            tempfile.TemporaryDirectory() as scratch,
            mock.patch.object(compiled_tokenizer.proof, "mismatch", return_value=None),
            mock.patch.object(self.owner, self.function, function),
        ):
            yield export(
                ground.path,
                scratch,
                name="faulty",
                require_text=True,
                strings=1,
                prove=lambda *_: _UNPROVEN,
            ).path


_servable = partial(Exported, Servable)
_tokenizer = partial(Exported, tokenization, "compile_tokenizer")


def _with(**changes: Callable[[Any], Any]) -> Callable[..., Any]:
    """A call with changed options."""

    def wrong(right: Any, *args: Any, **options: Any) -> Any:
        changed = {name: change(options[name]) for name, change in changes.items()}
        return right(*args, **{**options, **changed})

    return wrong


def _exchanged_outputs(right: Any, servable: Any, **encoding: Any) -> Any:
    answer = right(servable, **encoding)
    return {"logits": answer["probabilities"], "probabilities": answer["logits"]}


def _half_logits(right: Any, servable: Any, **encoding: Any) -> Any:
    answer = right(servable, **encoding)
    return {**answer, "logits": tf.cast(tf.cast(answer["logits"], tf.float16), tf.float32)}


def _without_types(right: Any, servable: Any, token_type_ids: Any, **encoding: Any) -> Any:
    return right(servable, token_type_ids=tf.zeros_like(token_type_ids), **encoding)


def _whole_lengths(right: Any, servable: Any, length: Any, **encoding: Any) -> Any:
    whole = tf.fill(tf.shape(length), tf.shape(encoding["input_ids"], length.dtype)[1])
    return right(servable, length=whole, **encoding)


def _half_layer(right: Any, *args: Any) -> Any:
    program = right(*args)
    weight = program.parameters["bert.encoder.layer.1.output.dense.weight"]
    weight.assign(tf.cast(tf.cast(weight, tf.float16), tf.float32))
    return program


def _one_weight_short(right: Any, *args: Any) -> Any:
    program = right(*args)
    bias = program.parameters["pre_classifier.bias"]
    bias.assign(np.zeros(bias.shape))
    return program


def _labels_reversed(right: Any, *args: Any, **options: Any) -> Any:
    found = right(*args, **options)
    return replace(found, labels_given=found.labels[::-1])


def _task(**changes: Callable[[Any], Any]) -> Callable[[Description], Description]:
    """A description with a changed task."""

    def change(described: Description) -> Description:
        task = described.task
        changed = {name: new(getattr(task, name)) for name, new in changes.items()}
        return described._replace(task=replace(task, **changed))

    return change


class _Misprinted(Description):
    """A description with reversed labels, but the right ones in its JSON."""

    def to_json(self) -> str:
        return _task(labels=lambda labels: labels[::-1])(Description(*self)).to_json()


def _misprinted(described: Description) -> Description:
    return _Misprinted(*_task(labels=lambda labels: labels[::-1])(described))


def _capitals_kept(right: Any, whole: Any, **options: Any) -> Any:
    whole = json.loads(json.dumps(whole))
    whole["normalizer"].update(lowercase=False, strip_accents=True)
    return right(whole, **options)


FAULTS = (
    Fault(
        "labels from last to first, wherever they are written",
        "distilbert",
        Exported(checkpoints, "find", _labels_reversed),
    ),
    Fault(
        "labels from last to first, in the graph alone",
        "distilbert",
        _servable("__init__", _with(described=_misprinted)),
    ),
    Fault(
        "sigmoid for softmax in the graph",
        "roberta",
        _servable("__init__", _with(described=_task(function=lambda _: "sigmoid"))),
    ),
    Fault(
        "logits and probabilities exchanged", "electra", _servable("encoded", _exchanged_outputs)
    ),
    Fault("logits of an export in half precision", "mpnet", _servable("encoded", _half_logits)),
    Fault("token types ignored by an export", "bert", _servable("encoded", _without_types)),
    Fault("lengths ignored", "camembert", _servable("encoded_lengths", _whole_lengths)),
    Fault(
        "what is beyond the length not padding",
        "llama",
        _servable("__init__", _with(pad=lambda pad: pad + 7)),
    ),
    Fault("float16 in one layer of an export", "bert", Exported(record, "record", _half_layer)),
    Fault(
        "a bias left out of an export",
        "distilbert",
        Exported(record, "record", _one_weight_short),
    ),
    Fault(
        "the compiled tokenizer cuts one token early",
        "albert",
        _tokenizer(_with(max_length=lambda most: most - 1)),
    ),
    Fault("the compiled tokenizer keeps capitals", "electra", _tokenizer(_capitals_kept)),
)
