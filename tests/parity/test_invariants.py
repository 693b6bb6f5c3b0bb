"""The invariant of batching: it must find each fault in the code between a text and its answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.parity.fakes import Faulty, changed

from diglot import batching, checkpoints
from diglot.backends.torch import TorchBackend
from diglot.equality.cases import Case
from diglot.equality.sides import ClassifierSide
from diglot.equality.stages import Stages
from diglot.errors import InputError
from diglot.parity import check
from diglot.parity.invariants import BATCHED
from diglot.parity.result import CheckResult, Invariant
from diglot.preprocessing import CheckpointEncoder

TEXTS = Case("mine", ("a b c d e f", "c", "b c d", "e f", "d a"))
PAIRS = Case("mine", ("a b c d", "c", "b"), ("b", "c d e", ""))


@pytest.fixture(scope="module")
def bert(save_tiny: Any) -> checkpoints.Checkpoint:
    # Weights of the usual size would hide many a fault.
    return checkpoints.find(save_tiny(initializer_range=0.8))


@pytest.fixture(scope="module")
def gpt2(save_tiny: Any) -> checkpoints.Checkpoint:
    """A model that counts positions from the left, with a tokenizer that pads on the left."""
    folder: Path = save_tiny(
        "GPT2ForSequenceClassification",
        n_embd=16,
        n_layer=2,
        n_head=2,
        n_positions=24,
        pad_token_id=0,
        initializer_range=0.8,
    )
    found = checkpoints.find(folder)
    found.tokenizer.padding_side = "left"
    return found


@pytest.fixture(autouse=True)
def _no_other_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recording a model takes seconds; other tests cover it."""
    monkeypatch.setattr(TorchBackend, "other_runs", lambda model: {})


def batched(result: CheckResult) -> Invariant:
    """The invariant of batching on the tested side."""
    (invariant, *_) = [invariant for invariant in result.invariants if invariant.name == BATCHED]
    return invariant


def test_a_sound_call_keeps_it(bert: checkpoints.Checkpoint, gpt2: checkpoints.Checkpoint) -> None:
    for found in (bert, gpt2):
        result = check(found, "torch", cases=[TEXTS, PAIRS])
        assert result.equal, str(result)
        invariant = batched(result)
        assert (invariant.judged, invariant.broken, invariant.absent) == (2, 0, "")


def test_it_needs_several_texts_of_different_length(bert: checkpoints.Checkpoint) -> None:
    result = check(bert, "torch", cases=[Case("mine", ("a b",)), Case("mine", ("a", "b"))])
    assert batched(result).judged == 0
    assert batched(result).absent == "no input of several texts of different length"


def reversed_batches(batches: Any, results: Any) -> list[Any]:
    return restore([batch[::-1] for batch in batches], results)


def in_order_of_length(batches: Any, results: Any) -> list[Any]:
    return [answer for answers in results for answer in answers]


restore, buckets = batching.restore, batching.buckets


@pytest.mark.parametrize("fault", [reversed_batches, in_order_of_length])
def test_answers_in_the_wrong_order(
    fault: Any, bert: checkpoints.Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The fault is in the code that both sides share, so only the invariant can find it.
    monkeypatch.setattr(batching, "restore", fault)
    result = check(bert, "torch", cases=[TEXTS])
    assert {failure.stage for failure in result.failures} == {BATCHED}
    assert "logits moves by" in result.failures[0].explanation
    assert len(result.failures[0].case.texts) == 2


def test_a_text_without_an_answer(
    bert: checkpoints.Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "restore", lambda *parts: restore(*parts)[:-1])
    result = check(bert, "torch", cases=[TEXTS])
    assert {failure.stage for failure in result.failures} == {BATCHED}
    assert "logits of a call has the shape [1, 2] for [2, 2]" in result.failures[0].explanation


def test_buckets_that_mix_lengths_without_leave(
    gpt2: checkpoints.Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mixing(lengths: Any, *, padded: bool, **limits: Any) -> Any:
        return buckets(lengths, **limits)

    monkeypatch.setattr(batching, "buckets", mixing)
    result = check(gpt2, "torch", cases=[TEXTS])
    assert {failure.stage for failure in result.failures} == {BATCHED}


def test_an_encoder_that_allows_mixed_lengths_wrongly(
    gpt2: checkpoints.Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CheckpointEncoder, "mixes", lambda *_: True)
    result = check(gpt2, "torch", cases=[TEXTS])
    assert {failure.stage for failure in result.failures} == {BATCHED}


def mask_of_ones(arrays: Any) -> Any:
    return {**arrays, "attention_mask": np.ones_like(arrays["attention_mask"])}


def first_row_only(arrays: Any) -> Any:
    return {name: np.repeat(values[:1], len(values), axis=0) for name, values in arrays.items()}


def rows_exchanged(arrays: Any) -> Any:
    return {name: values[::-1].copy() for name, values in arrays.items()}


@pytest.mark.parametrize("fault", [mask_of_ones, first_row_only, rows_exchanged])
def test_padding_that_is_wrong_on_both_sides(
    fault: Any, bert: checkpoints.Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    pad = CheckpointEncoder.pad
    monkeypatch.setattr(CheckpointEncoder, "pad", lambda *parts: fault(pad(*parts)))
    result = check(bert, "torch", cases=[TEXTS])
    assert {failure.stage for failure in result.failures} == {BATCHED}


def test_a_model_whose_answer_depends_on_its_batch(bert: checkpoints.Checkpoint) -> None:
    def answers(stages: Stages, encoding: Any) -> Stages:
        rows = len(encoding["input_ids"])
        return changed(stages, "logits", stages.outputs["logits"] + 1e-2 * rows)

    assert batched(check(bert, Faulty(bert, answers=answers), cases=[TEXTS])).broken == 1


def test_a_call_that_refuses_what_its_steps_take(
    bert: checkpoints.Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> Any:
        raise InputError("no")

    monkeypatch.setattr(ClassifierSide, "call", refuse)
    (failure,) = check(bert, "torch", cases=[TEXTS]).failures
    assert failure.explanation == "only in a call torch refuses the input: no"


def test_a_model_that_itself_depends_on_its_batch_is_not_blamed(
    bert: checkpoints.Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = TorchBackend.run

    def padding_counts(model: Any, encoding: Any, **options: Any) -> Any:
        # As a model does that ignores its mask, in every precision.
        encoding = {**encoding, "attention_mask": np.ones_like(encoding["attention_mask"])}
        return run(model, encoding, **options)

    monkeypatch.setattr(TorchBackend, "run", padding_counts)
    invariant = batched(check(bert, "torch", cases=[TEXTS]))
    assert (invariant.judged, invariant.broken) == (0, 0)
    assert invariant.absent == "the reference model does not have this invariance"
