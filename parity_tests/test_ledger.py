"""Each framework, compared with a ledger of the other one."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest

from diglot import backends
from diglot.checkpoints import Checkpoint, find
from diglot.equality.sides import ClassifierSide
from diglot.parity import check, result
from diglot.parity.ledger import Ledger, diff, read, record

from .checkpoints import saved


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return find(saved("bert", tmp_path_factory.mktemp("bert")))


@pytest.fixture(scope="module")
def ledgers(found: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same inputs, answered by each framework."""
    folder = tmp_path_factory.mktemp("ledgers")
    cases = record(found, folder / "torch", examples=5).cases
    record(found, folder / "tensorflow", backend="tensorflow", cases=cases)
    return {path.name: path for path in folder.iterdir()}


@pytest.mark.parametrize(("tested", "recorded"), [("tensorflow", "torch"), ("torch", "tensorflow")])
def test_a_framework_is_equal_to_the_others_record(
    tested: str, recorded: str, found: Checkpoint, ledgers: dict[str, Path]
) -> None:
    judged = check(found, ledgers[recorded], reference=tested)
    assert judged.equal, str(judged)
    assert (judged.against, judged.reference) == (tested, f"{recorded} as recorded")
    assert len(judged.inputs) > 20
    assert all(stage.judged for stage in judged.stages)
    assert any(stage.ratio > 0 for stage in judged.stages)


def test_the_two_records_differ_by_rounding(ledgers: dict[str, Path]) -> None:
    torch, tensorflow = (read(ledgers[name]) for name in ("torch", "tensorflow"))
    for pair in ((torch, tensorflow), (tensorflow, torch)):
        found = diff(*pair)
        assert found.within, str(found)
        assert [change.what for change in found.changes] == ["backend"]
        moved = {move.stage: move.moved for move in found.moves}
        assert moved[result.ENCODING] == 0 < moved[result.HIDDEN_STATES]


def test_both_ledgers_have_the_same_float64_results(ledgers: dict[str, Path]) -> None:
    def logits(ledger: Ledger) -> list[list[list[float]]]:
        return [
            entry.outputs["logits"].truth.tolist() for entry in ledger.entries if not entry.refused
        ]

    assert logits(read(ledgers["torch"])) == logits(read(ledgers["tensorflow"]))


def test_one_wrong_element_of_one_weight_is_found(
    found: Checkpoint, ledgers: dict[str, Path]
) -> None:
    faulty = backends.require("tensorflow").load(found, precision="float32", device="cpu")
    weight = next(value for name, value in faulty.model.variables.items() if "layer.1" in name)
    values = weight.numpy()
    values.flat[0] += 0.05
    weight.assign(values)
    side = ClassifierSide.of(found, faulty)
    with mock.patch("diglot.parity.sides_by_name.side", return_value=side):
        judged = check(found, ledgers["torch"], reference="tensorflow")
    assert result.HIDDEN_STATES in {failure.stage for failure in judged.failures}
