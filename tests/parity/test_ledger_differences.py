"""The differences between two ledgers of known numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.parity.ledgers import LABELS, LOGITS, entry, ledger

from diglot.equality.cases import Case
from diglot.errors import LedgerError
from diglot.parity import Tolerance, result
from diglot.parity.ledger import Entry, LedgerDiff, diff

OTHER = Case("by hand", ("another",))


def moves(found: LedgerDiff) -> dict[str, Any]:
    return {move.stage: move for move in found.moves}


def test_nothing_moved() -> None:
    found = diff(ledger(), ledger())
    assert found.within
    assert (found.changes, found.flips, found.refused) == ((), (), ())
    assert [move.stage for move in found.moves] == list(result.STAGES)
    assert {(move.judged, move.moved, move.beyond, move.largest) for move in found.moves} == {
        (1, 0, 0, 0.0)
    }
    assert str(found).splitlines()[0] == "nothing moved beyond the tolerance"


@pytest.mark.parametrize(
    ("by", "ratio", "within"), [(0.25, 0.5, True), (0.5, 1.0, True), (0.75, 1.5, False)]
)
def test_the_ratio_is_a_share_of_the_limit(by: float, ratio: float, within: bool) -> None:
    # Only the logits move; the probabilities stay.
    old, new = entry(), entry()
    logits = new.outputs["logits"]
    moved_logits = replace(logits, values=logits.values + np.array([[0, by], [0, 0]], "f4"))
    new = replace(new, outputs={**new.outputs, "logits": moved_logits})
    half = Tolerance(absolute=0.5)
    found = diff(ledger(old, tolerance=half), ledger(new, tolerance=half))
    moved = moves(found)["logits"]
    assert (moved.judged, moved.moved, moved.beyond) == (1, 1, int(not within))
    assert (moved.largest, moved.ratio) == (by, ratio)
    assert found.within is within
    assert {one.moved for name, one in moves(found).items() if name != "logits"} == {0}


def test_the_old_tolerance_counts() -> None:
    old, new = ledger(entry(), tolerance=Tolerance(absolute=1.0)), ledger(entry(hidden=1.5))
    assert diff(old, new).within
    assert not diff(new, old).within


@pytest.mark.parametrize(("hidden", "within"), [(1.003, True), (1.005, False)])
def test_an_error_may_be_four_times_the_recorded_one(hidden: float, within: bool) -> None:
    # The recorded numbers are exact; the error is that of other roundings.
    assert diff(ledger(entry(error=1e-3)), ledger(entry(hidden=hidden))).within is within


def test_each_stage_has_its_own_row() -> None:
    found = diff(ledger(), ledger(entry(hidden=1.5, ids=[[2, 7, 4], [2, 3, 0]])))
    # The hidden states of other ids are not comparable.
    assert {name: one.judged for name, one in moves(found).items()} == {
        result.ENCODING: 1,
        result.HIDDEN_STATES: 0,
        result.LOGITS: 1,
        result.PROBABILITIES: 1,
    }
    assert moves(found)[result.ENCODING].beyond == 1
    found = diff(ledger(), ledger(entry(hidden=1.5)))
    assert moves(found)[result.HIDDEN_STATES].largest == 0.5
    assert moves(found)[result.HIDDEN_STATES].beyond == 1
    assert str(found).startswith("MOVED\n")
    assert "hidden states: 1 of 1 moved, 1 beyond the tolerance; by 0.5 at most" in str(found)


def test_the_largest_of_several_inputs() -> None:
    old = ledger(entry(), entry(case=OTHER))
    found = diff(old, ledger(entry(hidden=3.0), entry(case=OTHER, hidden=1.25)))
    moved = moves(found)[result.HIDDEN_STATES]
    assert (moved.judged, moved.moved, moved.beyond, moved.largest) == (2, 2, 2, 2.0)


def test_flips_are_shown_excused_or_not() -> None:
    new = [[-0.25, 1.5], LOGITS[1]]
    found = diff(ledger(), ledger(entry(case=OTHER), entry(new)))
    (flip,) = found.flips
    assert (flip.case, flip.row, flip.text) == (1, 0, "good")
    assert (flip.expected, flip.actual, flip.excused) == ("NEGATIVE", "POSITIVE", False)
    # 1.5 against -0.25: softmax's difference is tanh of half of 1.75.
    assert flip.margin == pytest.approx(np.tanh(1.75 / 2), rel=1e-6)
    assert not found.within
    excused = diff(ledger(tolerance=Tolerance(absolute=2.0)), ledger(entry(new)))
    assert [flip.excused for flip in excused.flips] == [True]
    assert excused.within
    assert "label flips: 1, 1 of them within the tolerance" in str(excused)


def test_labels_in_another_order_flip() -> None:
    found = diff(ledger(), ledger(labels=LABELS[::-1]))
    assert [(flip.row, flip.excused) for flip in found.flips] == [(0, False), (1, False)]
    assert not found.within


def test_a_number_that_is_finite_in_one_ledger_only_has_moved() -> None:
    broken = [[np.nan, -0.25], LOGITS[1]]
    with np.errstate(invalid="ignore"):
        found = diff(ledger(), ledger(entry(broken)))
    assert moves(found)[result.LOGITS].largest == np.inf
    assert not found.within
    assert '"largest": "Infinity"' in json.dumps(found.facts(), allow_nan=False)


def test_inputs_of_one_ledger_only() -> None:
    old, new = ledger(entry(), entry(case=OTHER)), ledger(entry())
    found = diff(old, new)
    assert [case.texts for case in found.only_old] == [("another",)]
    assert (found.only_new, found.within) == ((), True)
    found = diff(new, old)
    assert ([case.texts for case in found.only_new], found.only_old) == ([("another",)], ())
    assert "only in the new ledger: 1 inputs" in str(found)


def test_the_origin_of_an_input_does_not_matter() -> None:
    renamed = replace(entry().case, origin="own texts")
    assert diff(ledger(), ledger(entry(case=renamed))).only_old == ()


@pytest.mark.parametrize("turned", [False, True])
def test_a_refusal_in_one_ledger_only_is_a_move(turned: bool) -> None:
    refusing = ledger(Entry(entry().case, {}, refused="it has no tokens"))
    pair = (refusing, ledger()) if turned else (ledger(), refusing)
    found = diff(*pair)
    assert [case.texts for case in found.refused] == [("good", "bad")]
    assert not found.within
    assert diff(refusing, refusing).within


def test_facts_that_changed() -> None:
    new = ledger(
        versions={"torch": "2.14.0", "tensorflow": "2.21.0"},
        files={"config.json": "2" * 64, "model.safetensors": "1" * 64},
        seed=8,
    )
    found = diff(ledger(), new)
    assert {(change.what, change.old, change.new) for change in found.changes} == {
        ("config.json", "0" * 64, "2" * 64),
        ("seed", "7", "8"),
        ("torch", "2.13.0", "2.14.0"),
        ("python", "3.11.7", ""),
        ("tensorflow", "", "2.21.0"),
    }
    assert found.within
    assert "  torch: 2.13.0 → 2.14.0" in str(found).splitlines()
    assert "  tensorflow: none → 2.21.0" in str(found).splitlines()


def test_it_becomes_json() -> None:
    facts = json.loads(json.dumps(diff(ledger(), ledger(entry(hidden=1.5))).facts()))
    assert facts["within"] is False
    assert facts["moves"][1]["stage"] == "hidden states"
    assert facts["moves"][1]["largest"] == 0.5


def test_ledgers_that_cannot_be_compared() -> None:
    with pytest.raises(
        LedgerError, match="recorded in float32 for text-classification and in float64"
    ):
        diff(ledger(), ledger(precision="float64"))
    with pytest.raises(LedgerError, match="no input in common; record both with the same --seed"):
        diff(ledger(), ledger(entry(case=OTHER)))
