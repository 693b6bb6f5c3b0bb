"""A lowered model that several threads call, and its variables."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
import transformers

from diglot.lowering.model import LoweredModel

pytestmark = pytest.mark.usefixtures("no_recordings")

INPUTS = ("input_ids", "attention_mask")
THREADS = 8
IDS = np.array([[2, 5, 6, 3], [2, 9, 3, 0]])
MASK = np.array([[1, 1, 1, 1], [1, 1, 1, 0]])


def bert(seed: int = 0) -> Any:
    config = transformers.BertConfig(
        vocab_size=20,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        max_position_embeddings=24,
        initializer_range=0.5,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return transformers.BertForSequenceClassification(config).eval()


def logits(model: LoweredModel, rows: int, **options: Any) -> Any:
    """The logits of the first rows."""
    tensors = (tf.constant(IDS[:rows]), tf.constant(MASK[:rows]))
    return model.function(INPUTS, **options)(*tensors)["logits"].numpy()


def at_once(tasks: Sequence[Callable[[], Any]]) -> list[Any]:
    """The results of tasks that threads start at the same moment."""
    barrier = threading.Barrier(len(tasks))

    def run(task: Callable[[], Any]) -> Any:
        barrier.wait()
        return task()

    with ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(run, tasks))


def test_threads_make_the_first_calls_of_one_model() -> None:
    expected = bert()(torch.from_numpy(IDS), attention_mask=torch.from_numpy(MASK)).logits
    model = LoweredModel(bert())

    def two_calls() -> tuple[Any, Any]:
        return logits(model, 2), logits(model, 1, hidden_states=True)

    results = at_once([two_calls] * THREADS)

    assert len(results) == THREADS
    for both, first in results:
        np.testing.assert_allclose(both, expected.detach(), atol=1e-5)
        np.testing.assert_allclose(first, expected.detach()[:1], atol=1e-5)
    assert len(model._programs) == 1
    assert len(model._functions) == 2


def test_threads_capture_different_models() -> None:
    models = [LoweredModel(bert(seed)) for seed in range(4)]
    results = at_once([lambda model=model: logits(model, 2) for model in models])
    for seed, result in enumerate(results):
        expected = bert(seed)(torch.from_numpy(IDS), attention_mask=torch.from_numpy(MASK)).logits
        np.testing.assert_allclose(result, expected.detach(), atol=1e-5)


def test_threads_capture_both_modes_of_one_model() -> None:
    expected = bert()(torch.from_numpy(IDS), attention_mask=torch.from_numpy(MASK)).logits
    model = LoweredModel(bert())
    tasks = [lambda training=bool(i % 2): logits(model, 2, training=training) for i in range(4)]
    evaluated, trained, *again = at_once(tasks)
    np.testing.assert_allclose(evaluated, expected.detach(), atol=1e-5)
    np.testing.assert_array_equal(evaluated, again[0])
    assert np.abs(trained - evaluated).max() > 1e-3  # dropout
    assert len(model._programs) == 2


def test_the_torch_model_is_made_while_another_thread_captures() -> None:
    model = LoweredModel(bert())
    tasks = [lambda: logits(model, 2), model.to_torch]
    result, copy = at_once(tasks)
    expected = copy(torch.from_numpy(IDS), attention_mask=torch.from_numpy(MASK)).logits
    np.testing.assert_allclose(result, expected.detach(), atol=1e-5)
    assert not copy.training


def test_tied_weights_share_a_variable() -> None:
    model = bert()
    model.bert.encoder.layer[0].output.dense.bias = model.bert.pooler.dense.bias
    lowered = LoweredModel(model)
    name = "bert.encoder.layer.0.output.dense.bias"
    assert lowered.variables[name] is lowered.variables["bert.pooler.dense.bias"]
    assert len({id(variable) for variable in lowered.variables.values()}) == (
        len(lowered.variables) - 1
    )


def test_a_model_without_weights_in_memory_is_captured_again() -> None:
    model = LoweredModel(bert())
    program = model.program(INPUTS)
    assert model.program(INPUTS[::-1]) is program
    assert model.program((*INPUTS, "token_type_ids")) is not program
    sizes = [parameter.untyped_storage().nbytes() for parameter in model._skeleton.parameters()]
    assert max(sizes) <= 8
