"""The check as a whole, with PyTorch on both sides and a fault planted in one."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.parity.fakes import Faulty, changed, changed_layer

from diglot import checkpoints
from diglot.backends.torch import TorchBackend
from diglot.equality.cases import Case
from diglot.equality.stages import Stages
from diglot.errors import InputError, UnknownBackendError
from diglot.parity import STRICT, Tolerance, check, invariants, result
from diglot.parity.failing_case import FailingCase
from diglot.parity.result import CheckResult

if TYPE_CHECKING:
    from diglot.types import Encoding

IDS = np.array([[2, 7, 9, 11, 3], [2, 8, 3, 0, 0]])
ENCODED = Case("mine", encoding={"input_ids": IDS, "attention_mask": (IDS > 0).astype(np.int64)})


@pytest.fixture(scope="session")
def found(save_tiny: Any) -> checkpoints.Checkpoint:
    # Weights of the usual size would hide many faults.
    return checkpoints.find(save_tiny(initializer_range=0.8))


@pytest.fixture(autouse=True)
def _no_other_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recording a model takes seconds; other tests cover it."""
    monkeypatch.setattr(TorchBackend, "other_runs", lambda model: {})


def failed(result_: CheckResult) -> set[str]:
    return {failure.stage for failure in result_.failures}


def test_a_backend_is_equal_to_itself(found: checkpoints.Checkpoint) -> None:
    progress: list[tuple[int, int]] = []
    judged = check(found, "torch", examples=8, progress=lambda *counts: progress.append(counts))
    assert judged.equal
    assert not judged.failures
    assert [stage.name for stage in judged.stages] == list(result.STAGES)
    assert all(stage.judged and not stage.different for stage in judged.stages)
    assert progress[-1] == (len(judged.inputs), len(judged.inputs))
    origins = {input_.case.origin for input_ in judged.inputs}
    assert {"fully masked rows", "one token", "longest length", "near tie"} <= origins
    assert [layer.name for layer in judged.layers] == ["embeddings", "layer 1", "layer 2"]
    assert {invariant.name for invariant in judged.invariants} >= set(invariants.VARIATIONS)
    assert not any(invariant.broken for invariant in judged.invariants)
    tokens = max((input_.tokens for input_ in judged.inputs), key=len)
    assert all(token.ratio is not None for row in tokens for token in row)


def test_the_same_seed_gives_the_same_check(found: checkpoints.Checkpoint) -> None:
    def inputs(seed: int) -> list[dict[str, Any]]:
        result_ = check(found, "torch", examples=5, seed=seed)
        return [input_.case.facts() for input_ in result_.inputs]

    assert inputs(1) == inputs(1)
    assert inputs(1) != inputs(2)


def test_it_becomes_json(found: checkpoints.Checkpoint) -> None:
    def answers(stages: Stages, encoding: Encoding) -> Stages:
        return changed(stages, "logits", np.full_like(stages.outputs["logits"], np.nan))

    judged = check(found, Faulty(found, answers=answers), cases=[ENCODED])
    facts = json.loads(json.dumps(judged.facts(), allow_nan=False))
    assert facts["equal"] is False
    assert facts["schema"] == result.SCHEMA
    assert facts["inputs"][0]["ratios"]["logits"] == "Infinity"
    assert str(judged).startswith(f"faulty against torch, {found.name}: DIFFERENT")


def test_own_texts_are_compared(found: checkpoints.Checkpoint) -> None:
    given = ["a b c", {"text": "d", "text_pair": "e"}]
    judged = check(found, "torch", examples=1, texts=given)
    own = [input_.case for input_ in judged.inputs if input_.case.origin == "own texts"]
    assert [(case.texts, case.pairs) for case in own] == [(("a b c",), None), (("d",), ("e",))]
    with pytest.raises(InputError):
        check(found, "torch", examples=1, texts=[7])


def test_a_failure_is_shrunk_kept_and_replayed(
    found: checkpoints.Checkpoint, tmp_path: Path
) -> None:
    def answers(stages: Stages, encoding: Encoding) -> Stages:
        # Only the letter "b" is misread.
        wrong = (encoding["input_ids"] == 6).any(-1)[:, None]
        return changed(stages, "logits", stages.outputs["logits"] + wrong)

    faulty = Faulty(found, answers=answers)
    judged = check(found, faulty, examples=1, texts=["x y", "c a b d e"], failures=tmp_path)
    (failure,) = judged.failures
    assert failure.stage == "logits"
    assert failure.side == "faulty against torch"
    assert failure.case.texts == ("b",) or failure.case.encoding is not None
    assert failure.file is not None
    assert not failure.command  # no command line can name the side
    again = check(found, faulty, cases=[FailingCase.read(failure.file).case])
    assert failed(again) == {"logits"}
    assert len(again.inputs) == 1


def test_without_a_folder_no_file_is_written(found: checkpoints.Checkpoint) -> None:
    judged = check(found, "torch", cases=[ENCODED], tolerance=Tolerance(absolute=0))
    assert not judged.equal
    assert {failure.file for failure in judged.failures} == {None}
    assert not list(Path.cwd().iterdir())


def test_other_ids(found: checkpoints.Checkpoint) -> None:
    def encodes(encoding: Encoding) -> Encoding:
        ids = encoding["input_ids"]
        return {**encoding, "input_ids": np.where(ids == 5, 6, ids)}

    judged = check(found, Faulty(found, encodes=encodes), cases=[Case("mine", ("b c", "c a"))])
    assert failed(judged) == {"ids and masks"}
    # The model's stages are compared on the reference's ids.
    assert judged.failures[0].case.texts == ("a",)


def test_a_refusal_by_one_side_only_is_a_difference(found: checkpoints.Checkpoint) -> None:
    def refuses(*_: Any) -> Any:
        raise InputError("no")

    texts = Case("mine", ("a",))
    assert failed(check(found, Faulty(found, encodes=refuses), cases=[texts])) == {"ids and masks"}
    judged = check(found, Faulty(found, answers=refuses), cases=[texts])
    assert failed(judged) == {"logits"}
    assert "only faulty refuses the input: no" in judged.failures[0].explanation


def test_an_input_that_both_sides_refuse_is_not_compared(found: checkpoints.Checkpoint) -> None:
    long = {name: np.ones((1, 99), np.int64) for name in ("input_ids", "attention_mask")}
    cases = [Case("too long", encoding=long), ENCODED]
    judged = check(found, "torch", cases=cases)
    assert judged.equal
    assert "24 at most" in judged.inputs[0].refused
    assert judged.refused == 1
    assert "  refused by both sides: 1 inputs" in str(judged).splitlines()
    with pytest.raises(InputError, match="neither side takes any of the 1 inputs"):
        check(found, "torch", cases=cases[:1])


def test_a_side_without_texts_and_hidden_states(found: checkpoints.Checkpoint) -> None:
    def answers(stages: Stages, encoding: Encoding) -> Stages:
        return stages._replace(hidden_states=())

    judged = check(
        found, Faulty(found, answers=answers, forms=frozenset({"encodings"})), examples=4
    )
    assert judged.equal
    absent = {stage.name for stage in judged.stages if stage.absent}
    assert absent == {"ids and masks", "hidden states"}
    assert not judged.layers
    assert all(input_.case.encoding is not None for input_ in judged.inputs)


def test_the_direct_answer_to_texts_is_compared_too(found: checkpoints.Checkpoint) -> None:
    class Answering(Faulty):
        def answer(self, texts: Any) -> Stages:
            stages = self.run(self.encode(texts))
            labels = np.array(["POSITIVE"] * len(texts), object)
            return stages._replace(hidden_states=(), labels=labels)

    judged = check(found, Answering(found), cases=[Case("mine", tuple("abcdefgh"))])
    assert failed(judged) == {"probabilities and labels"}
    assert {flip.actual for flip in judged.flips} == {"POSITIVE"}
    assert {flip.text for flip in judged.flips} <= set("abcdefgh")


def run(found: checkpoints.Checkpoint, answers: Any) -> set[tuple[str, str]]:
    judged = check(found, Faulty(found, answers=answers), cases=[ENCODED], tolerance=STRICT)
    return {(invariant.side, invariant.name) for invariant in judged.invariants if invariant.broken}


def test_answers_that_change_from_run_to_run(found: checkpoints.Checkpoint) -> None:
    runs = count(1)

    def answers(stages: Stages, encoding: Encoding) -> Stages:
        return changed(
            stages, "logits", stages.outputs["logits"] * np.float32(1 + 2e-7 * next(runs))
        )

    assert ("faulty", invariants.TWICE) in run(found, answers)


def test_narrow_ids_that_are_misread(found: checkpoints.Checkpoint) -> None:
    def answers(stages: Stages, encoding: Encoding) -> Stages:
        narrow = encoding["input_ids"].dtype == np.int32
        return changed(stages, "logits", stages.outputs["logits"] + 1e-3 * narrow)

    assert run(found, answers) == {("faulty", invariants.NARROW)}


def test_rows_that_influence_each_other(found: checkpoints.Checkpoint) -> None:
    def answers(stages: Stages, encoding: Encoding) -> Stages:
        return changed(
            stages, "logits", stages.outputs["logits"] + 1e-2 * len(encoding["input_ids"])
        )

    assert run(found, answers) == {("faulty", invariants.ALONE)}


def test_padding_that_influences_the_answer(found: checkpoints.Checkpoint) -> None:
    def answers(stages: Stages, encoding: Encoding) -> Stages:
        padding = (encoding["attention_mask"] == 0).sum(-1, keepdims=True)
        return changed(stages, "logits", stages.outputs["logits"] + 1e-2 * padding)

    assert run(found, answers) == {("faulty", invariants.PADDED)}


def test_a_wrong_side_may_have_its_invariants(found: checkpoints.Checkpoint) -> None:
    def answers(stages: Stages, encoding: Encoding) -> Stages:
        return changed_layer(stages, 1, stages.hidden_states[1] + 0.5)

    assert run(found, answers) == set()


@pytest.mark.parametrize("named", ["nothing", "./nowhere"])
def test_nothing_to_check_against(found: checkpoints.Checkpoint, named: str) -> None:
    with pytest.raises(UnknownBackendError, match="nothing to check against"):
        check(found, named)


def test_a_missing_hidden_state_breaks_no_invariant(
    found: checkpoints.Checkpoint,
) -> None:
    def answers(stages: Stages, encoding: Encoding) -> Stages:
        return stages._replace(hidden_states=stages.hidden_states[:2])

    judged = check(found, Faulty(found, answers=answers), cases=[ENCODED])
    assert not any(invariant.broken for invariant in judged.invariants)
    assert failed(judged) == {"hidden states"}
    assert "2 hidden states for 3" in judged.failures[0].explanation
    assert not judged.layers


def test_a_difference_that_comes_and_goes(found: checkpoints.Checkpoint) -> None:
    runs = count()

    def answers(stages: Stages, encoding: Encoding) -> Stages:
        return changed(stages, "logits", stages.outputs["logits"] + (next(runs) == 0))

    judged = check(found, Faulty(found, answers=answers), cases=[ENCODED])
    assert failed(judged) == {"logits"}
    assert judged.failures[0].case is ENCODED


class Closing(Faulty):
    """A side that counts how often it is closed."""

    closed = 0

    def close(self) -> None:
        """Count the call."""
        self.closed += 1


def test_a_side_that_the_check_opened_is_closed(
    found: checkpoints.Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = Closing(found)
    monkeypatch.setattr("diglot.parity.sides_by_name.side", lambda *_: side)
    assert check(found, "torch", cases=[ENCODED]).equal
    assert side.closed == 1
    with pytest.raises(InputError, match="neither side"):
        check(found, "torch", cases=[Case("too long", encoding=ids_of_length(99))])
    assert side.closed == 2


def test_a_side_of_the_callers_stays_open(found: checkpoints.Checkpoint) -> None:
    side = Closing(found)
    assert check(found, side, cases=[ENCODED]).equal
    assert side.closed == 0


def ids_of_length(tokens: int) -> Encoding:
    return {name: np.ones((1, tokens), np.int64) for name in ("input_ids", "attention_mask")}


@pytest.mark.parametrize(
    ("given", "configured", "expected"),
    [
        (None, None, None),
        (None, "cpu", "cpu"),
        ("cuda:1", "cpu", "cuda:1"),
        # TensorFlow has no such device, so it chooses its own.
        (None, "mps", {"torch": "mps", "tensorflow": None}),
    ],
)
def test_the_configured_device_counts_for_every_model(
    given: str | None,
    configured: str | None,
    expected: Any,
    found: checkpoints.Checkpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if configured is not None:
        monkeypatch.setenv("DIGLOT_DEVICE", configured)
    devices: dict[str, str | None] = {}
    load = TorchBackend.load

    def loading(name: str) -> Any:
        def loaded(checkpoint: Any, *, precision: Any, device: str | None) -> Any:
            devices.setdefault(name, device)
            model = load(checkpoint, precision=precision, device="cpu")
            model.name = name
            return model

        return staticmethod(loaded)

    monkeypatch.setattr(TorchBackend, "load", loading("torch"))
    monkeypatch.setattr("diglot.backends.tensorflow.TensorFlowBackend.load", loading("tensorflow"))
    assert check(found, "tensorflow", cases=[ENCODED], device=given).equal
    either = {"torch": expected, "tensorflow": expected}
    assert devices == (expected if isinstance(expected, dict) else either)
