"""The ledger of a real model, and checks against it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import transformers
from tests.parity.fakes import Faulty, changed, changed_layer

from diglot import checkpoints
from diglot.equality.cases import Case
from diglot.equality.judge import Rule
from diglot.equality.reference import Expected, ModelReference
from diglot.equality.stages import Stages
from diglot.errors import InputError, LedgerError
from diglot.parity import STRICT, Tolerance, check, result
from diglot.parity.ledger import Ledger, compact, record, sketch, write
from diglot.parity.ledger.records import recorded_entry

if TYPE_CHECKING:
    from diglot.types import Encoding

IDS = np.array([[2, 7, 9, 11, 3], [2, 8, 3, 0, 0]])
ENCODED = Case("mine", encoding={"input_ids": IDS, "attention_mask": (IDS > 0).astype(np.int64)})
TEXTS = Case("mine", ("a b c", "d"))
LONG = Case("too long", encoding={name: np.ones((1, 99), np.int64) for name in ENCODED.encoding})
CASES = (TEXTS, ENCODED, LONG)


@pytest.fixture(scope="session")
def found(save_tiny: Any) -> checkpoints.Checkpoint:
    # Weights of the usual size would hide many faults.
    return checkpoints.find(save_tiny(initializer_range=0.8))


@pytest.fixture(scope="session")
def path(found: checkpoints.Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of a few inputs, recorded once; tests only read it."""
    written = tmp_path_factory.mktemp("ledgers") / "tiny.ledger"
    record(found, written, cases=CASES, seed=5, tolerance=Tolerance(multiple=3.0))
    return written


@pytest.fixture
def recorded(found: checkpoints.Checkpoint, tmp_path: Path) -> Ledger:
    return record(found, tmp_path / "ledger", cases=CASES, seed=5)


def test_the_results_are_those_of_the_model(
    found: checkpoints.Checkpoint, recorded: Ledger
) -> None:
    model = transformers.AutoModelForSequenceClassification.from_pretrained(found.path)
    inputs = {name: torch.tensor(value) for name, value in ENCODED.encoding.items()}
    with torch.inference_mode():
        said = model(**inputs, output_hidden_states=True)
        exact = model.double()(**inputs, output_hidden_states=True)
    entry = recorded.entries[1]
    assert list(entry.outputs) == ["logits", "probabilities"]
    for array in (*entry.hidden_states, *entry.outputs.values()):
        assert 0 < array.error < 1e-4
    logits = entry.outputs["logits"]
    np.testing.assert_allclose(logits.values, said.logits, rtol=0, atol=1e-5)
    np.testing.assert_allclose(logits.truth, exact.logits, rtol=1e-12)
    error = np.abs(said.logits.numpy() - exact.logits.numpy()).max()
    assert logits.error >= error * 0.99
    whole = Stages(tuple(state.numpy() for state in exact.hidden_states), {})
    for array, true in zip(entry.hidden_states, compact(whole).hidden_states, strict=True):
        # The truth is known to half a step of 127 steps of the error.
        np.testing.assert_allclose(array.truth, true, rtol=0, atol=array.error / 250)


def test_a_text_is_recorded_as_the_tokenizer_encodes_it(
    found: checkpoints.Checkpoint, recorded: Ledger
) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(found.path)
    wanted = tokenizer(list(TEXTS.texts), padding=True)
    entry = recorded.entries[0]
    assert entry.case.texts == TEXTS.texts
    assert entry.encoding["input_ids"].tolist() == wanted["input_ids"]
    assert entry.encoding["attention_mask"].tolist() == wanted["attention_mask"]


def test_refused_inputs_are_recorded(recorded: Ledger) -> None:
    entry = recorded.entries[2]
    assert "24 at most" in entry.refused
    assert not entry.outputs
    with pytest.raises(InputError, match="24 at most"):
        recorded.expected(LONG)
    with pytest.raises(InputError, match="does not hold this input: 'other'"):
        recorded.expected(Case("mine", ("other",)))


def test_the_files_have_their_hashes(found: checkpoints.Checkpoint, recorded: Ledger) -> None:
    assert recorded.files == {
        name: hashlib.sha256((found.path / name).read_bytes()).hexdigest()
        for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
    }


def test_the_origin_is_recorded(found: checkpoints.Checkpoint, recorded: Ledger) -> None:
    assert (recorded.checkpoint, recorded.name) == (str(found.path), "torch as recorded")
    assert recorded.task == "text-classification"
    assert (recorded.labels, recorded.function_to_apply) == (("NEGATIVE", "POSITIVE"), "softmax")
    assert (recorded.precision, recorded.seed) == ("float32", 5)
    assert recorded.versions["torch"] == torch.__version__
    assert recorded.versions["transformers"] == transformers.__version__


def test_a_second_recording_gives_the_same_file(
    found: checkpoints.Checkpoint, path: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    record(found, again, cases=CASES, seed=5, tolerance=Tolerance(multiple=3.0))
    assert again.read_bytes() == path.read_bytes()


def test_inputs_are_drawn_as_for_a_check(
    found: checkpoints.Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Recording a model takes seconds; other tests cover it.
    monkeypatch.setattr("diglot.backends.torch.TorchBackend.other_runs", lambda model: {})
    progress: list[tuple[int, int]] = []
    ledger = record(
        found,
        tmp_path / "drawn",
        examples=2,
        seed=3,
        texts=["own words"],
        progress=lambda *counts: progress.append(counts),
    )
    drawn = check(found, "torch", examples=2, seed=3, texts=["own words"]).inputs
    assert [case.facts() for case in ledger.cases] == [case.case.facts() for case in drawn]
    assert progress == [(done, len(drawn)) for done in range(1, len(drawn) + 1)]


def test_the_model_is_equal_to_its_own_record(found: checkpoints.Checkpoint, path: Path) -> None:
    judged = check(found, path)
    assert judged.equal
    assert (judged.reference, judged.against) == ("torch as recorded", "torch")
    assert (judged.seed, judged.tolerance) == (5, str(Tolerance(multiple=3.0)))
    assert len(judged.inputs) == 3
    assert "24 at most" in judged.inputs[2].refused
    assert {stage.name: stage.judged for stage in judged.stages} == {
        result.ENCODING: 1,
        result.HIDDEN_STATES: 2,
        result.LOGITS: 2,
        result.PROBABILITIES: 2,
    }


def one_off(by: float) -> Any:
    wrong = np.zeros((1, 2, 16))
    wrong[0, 1, 3] = by
    return wrong


@pytest.mark.parametrize(
    ("said", "anew", "error"),
    [
        # One element's error is smaller in a sum with weights of at most 0.4.
        (one_off(-1e-3), one_off(0), 1e-3),
        (one_off(1e-4), one_off(-2e-3), 2e-3),
        # Errors with the signs of their weights add up to a larger one.
        (1e-3 * np.sign(sketch._weights(2, 16)[0])[None], one_off(0), 3.9e-3),
    ],
)
def test_the_error_is_the_worst_of_all(said: Any, anew: Any, error: float) -> None:
    truth = np.ones((1, 2, 16))

    def stages(wrong: Any) -> Stages:
        return Stages(((truth + wrong).astype(np.float32),), {})

    right = Expected({}, stages(said), Stages((truth,), {}), lambda: [stages(anew)])
    model: Any = SimpleNamespace(name="torch", expected=lambda case: right)
    rule = Rule((("a",), ("a",)), Tolerance(absolute=1.0))
    (array,) = recorded_entry(ENCODED, model, rule).hidden_states
    assert array.error == pytest.approx(error, rel=0.05)


def test_facts_that_changed_since_the_recording_are_named(save_tiny: Any, tmp_path: Path) -> None:
    folder = save_tiny(initializer_range=0.8)
    ledger = record(folder, tmp_path / "then", cases=[ENCODED])
    assert check(folder, tmp_path / "then").changes == ()
    older = replace(ledger, versions={**ledger.versions, "torch": "1.0"})
    write(older, tmp_path / "then")
    with (folder / "config.json").open("a") as file:
        file.write("\n")
    judged = check(folder, tmp_path / "then")
    digest = hashlib.sha256((folder / "config.json").read_bytes()).hexdigest()
    assert judged.equal
    assert {(change.what, change.old, change.new) for change in judged.changes} == {
        ("torch", "1.0", torch.__version__),
        ("config.json", ledger.files["config.json"], digest),
    }
    assert f"  since the ledger was recorded: torch: 1.0 → {torch.__version__}" in str(judged)


def test_without_a_ledger_nothing_has_changed(found: checkpoints.Checkpoint) -> None:
    assert check(found, "torch", cases=[ENCODED]).changes == ()


def test_a_wrong_backend_is_not_recorded(
    found: checkpoints.Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty = Faulty(found, answers=nudged(1, 0, 1, 7, by=1e-3))

    def reference(*arguments: Any) -> ModelReference:
        model = ModelReference(*arguments)
        model.stages = faulty.run  # type: ignore[assignment]
        return model

    monkeypatch.setattr("diglot.parity.ledger.records.ModelReference", reference)
    with pytest.raises(LedgerError, match=r"torch is not fit to be recorded.*hidden state 1: at"):
        record(found, tmp_path / "far", cases=[ENCODED])
    assert not list(tmp_path.iterdir())


def test_the_coarsest_rounding_is_recorded(
    found: checkpoints.Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def coarser(stages: Stages, encoding: Encoding) -> Stages:
        return each(stages, lambda array: array * (1 + 2e-8))

    faulty = Faulty(found, precision="float64", answers=coarser)
    monkeypatch.setattr("diglot.parity.sides_by_name.side", lambda *_: faulty)
    ledger = record(found, tmp_path / "fine", cases=[ENCODED], precision="float64")
    assert ledger.rounding == 2.0**-52
    assert not check(found, tmp_path / "fine").equal
    # As for a model that computes a part in float32.
    write(replace(ledger, rounding=2.0**-23), tmp_path / "coarse")
    assert check(found, tmp_path / "coarse").equal


def test_another_tolerance_can_be_chosen(found: checkpoints.Checkpoint, path: Path) -> None:
    assert check(found, path, tolerance=STRICT).tolerance == str(STRICT)
    assert not check(found, path, tolerance=Tolerance(absolute=0)).equal


def each(stages: Stages, change: Any) -> Stages:
    """The stages with the same change to every array."""
    outputs = {name: change(array) for name, array in stages.outputs.items()}
    return Stages(tuple(map(change, stages.hidden_states)), outputs)


def nudged(stage: int | str, *place: int, by: float) -> Any:
    """Moves one element of a layer or an output by a share of the array's scale."""

    def answers(stages: Stages, encoding: Encoding) -> Stages:
        arrays: Any = stages.outputs if isinstance(stage, str) else stages.hidden_states
        values = arrays[stage].copy()
        values[place] += by * np.abs(values).max()
        if isinstance(stage, str):
            return changed(stages, stage, values)
        return changed_layer(stages, stage, values)

    return answers


def swapped(stages: Stages, encoding: Encoding) -> Stages:
    state = stages.hidden_states[1].copy()
    state[0, 1, [3, 4]] = state[0, 1, [4, 3]]
    return changed_layer(stages, 1, state)


def reversed_scores(stages: Stages, encoding: Encoding) -> Stages:
    return changed(stages, "probabilities", stages.outputs["probabilities"][:, ::-1])


@pytest.mark.parametrize(
    ("answers", "stage"),
    [
        (nudged(1, 0, 1, 7, by=1e-3), result.HIDDEN_STATES),
        (nudged(2, 1, 0, 15, by=np.nan), result.HIDDEN_STATES),
        (nudged(0, 1, 2, by=1e-4), result.HIDDEN_STATES),
        (swapped, result.HIDDEN_STATES),
        (nudged("logits", 1, 0, by=1e-4), result.LOGITS),
        (reversed_scores, result.PROBABILITIES),
    ],
)
def test_a_faulty_side_is_found(
    answers: Any,
    stage: str,
    found: checkpoints.Checkpoint,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "diglot.parity.sides_by_name.side", lambda *_: Faulty(found, answers=answers)
    )
    judged = check(found, path)
    assert {failure.stage for failure in judged.failures} == {stage}
    assert judged.reference == "torch as recorded"


def test_rounding_is_no_difference(
    found: checkpoints.Checkpoint, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answers(stages: Stages, encoding: Encoding) -> Stages:
        # Every number moves by its last bit.
        return each(stages, lambda array: np.nextafter(array, np.float32(np.inf)))

    monkeypatch.setattr(
        "diglot.parity.sides_by_name.side", lambda *_: Faulty(found, answers=answers)
    )
    assert check(found, path).equal


def test_other_ids_are_found(
    found: checkpoints.Checkpoint, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def encodes(encoding: Encoding) -> Encoding:
        return {**encoding, "input_ids": encoding["input_ids"] + 1}

    monkeypatch.setattr(
        "diglot.parity.sides_by_name.side", lambda *_: Faulty(found, encodes=encodes)
    )
    assert {failure.stage for failure in check(found, path).failures} == {result.ENCODING}


def test_an_input_that_the_ledger_refuses_must_be_refused(
    found: checkpoints.Checkpoint, tmp_path: Path
) -> None:
    ledger = record(found, tmp_path / "good", cases=[TEXTS, ENCODED])
    first, second = ledger.entries
    forged = replace(
        ledger, entries=(replace(first, hidden_states=(), outputs={}, refused="no"), second)
    )
    write(forged, tmp_path / "forged")
    (failure,) = check(found, tmp_path / "forged").failures
    assert failure.stage == result.ENCODING
    assert "only torch as recorded refuses the input: no" in failure.explanation


def test_other_weights_are_found(save_tiny: Any, path: Path) -> None:
    other = check(save_tiny(initializer_range=0.7), path)
    assert {result.HIDDEN_STATES, result.LOGITS} <= {failure.stage for failure in other.failures}


def test_labels_in_another_order_are_found(found: checkpoints.Checkpoint, path: Path) -> None:
    judged = check(found.path, path, labels=["POSITIVE", "NEGATIVE"])
    assert {failure.stage for failure in judged.failures} == {result.PROBABILITIES}
    assert len(judged.flips) == 4


def test_another_precision_cannot_be_judged(found: checkpoints.Checkpoint, path: Path) -> None:
    with pytest.raises(LedgerError, match=r"recorded in float32.*leave float64 out"):
        check(found, path, precision="float64")


@pytest.mark.parametrize("precision", ["float64", "bfloat16"])
def test_each_precision_can_be_recorded(
    precision: Any, found: checkpoints.Checkpoint, tmp_path: Path
) -> None:
    ledger = record(found, tmp_path / "ledger", cases=[ENCODED], precision=precision)
    wide = np.float64 if precision == "float64" else np.float32
    assert {array.values.dtype for array in ledger.entries[0].outputs.values()} == {np.dtype(wide)}
    judged = check(found, tmp_path / "ledger")
    assert judged.equal
    assert judged.precision == precision
