"""The measurement of trust, on a sample; ``nox -s trust`` runs all of it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from .architectures import ARCHITECTURES
from .trust.catalogue import FAULTS
from .trust.ground import Ground, Grounds
from .trust.records import Records
from .trust.sensitivity import Outcome, look_for
from .trust.specificity import Field, Run, most_likely_below

DOCUMENT = Path(__file__).parents[1] / "docs" / "trust.md"
ALL = [(place, fault) for place, faults in FAULTS.items() for fault in faults]
# One fault of each kind, in one architecture, which is recorded once.
SAMPLE = {
    "layer-norm epsilon 1e-5 for 1e-12": "hidden states",
    "two rows of a query's weight exchanged": "hidden states",
    "a key's bias dropped": "",
    "token types all zero": "ids and masks",
    "softmax over the rows": "probabilities and labels",
}


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Grounds:
    return Grounds(tmp_path_factory.mktemp("grounds"))


def test_the_catalogue_is_complete() -> None:
    names = Counter(fault.name for _, fault in ALL)
    assert [name for name, count in names.items() if count > 1] == []
    assert sum(not fault.missed for _, fault in ALL) >= 60
    assert {fault.architecture for _, fault in ALL} == set(ARCHITECTURES)
    assert all(fault.missed.endswith(".") for _, fault in ALL if fault.missed)


@pytest.mark.parametrize("name", SAMPLE)
def test_a_fault(name: str, bert: Grounds) -> None:
    ((place, fault),) = [(place, fault) for place, fault in ALL if fault.name == name]
    outcome = look_for(place, fault, bert)
    assert outcome.found == SAMPLE[name], outcome.explanation
    assert outcome.traced in (True, None), outcome.named
    assert outcome.expected


def test_a_fault_is_gone_when_its_context_ends(bert: Grounds) -> None:
    ground = bert["bert"]
    before = logits(ground)
    for _, fault in ALL:
        if fault.name in SAMPLE:
            with fault.plant(ground):
                pass
    np.testing.assert_array_equal(logits(ground), before)


def logits(ground: Ground) -> object:
    encoding = {name: np.array([[5, 17, 2]]) for name in ("input_ids", "attention_mask")}
    encoding["token_type_ids"] = np.array([[0, 1, 1]])
    return ground.side().run(encoding).outputs["logits"]


def test_a_seed_without_an_alarm(tmp_path: Path) -> None:
    field = Field(Grounds(tmp_path)["distilbert"], "float64")
    first, second = field.run(1), field.run(2)
    assert first.alarms == second.alarms == []
    assert first.inputs == second.inputs > 20
    assert 0 < first.ratio != second.ratio > 0


def test_a_side_with_another_seeds_weights_raises_an_alarm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    field = Field(Grounds(tmp_path)["distilbert"], "float32")
    (variable, *_) = field._backend.model.variables.values()
    monkeypatch.setattr(type(variable), "assign", lambda *_: None)
    assert "hidden state 0" in field.run(1).alarms[0]


@pytest.mark.parametrize(
    ("alarms", "runs", "rate"), [(0, 10, 0.2589), (1, 10, 0.3942), (0, 100, 0.0295), (3, 3, 1.0)]
)
def test_the_rate_is_that_of_published_tables(alarms: int, runs: int, rate: float) -> None:
    assert most_likely_below(alarms, runs) == pytest.approx(rate, abs=5e-5)


def test_a_measurement_can_be_divided_and_continued(tmp_path: Path) -> None:
    first, second = (Run("bert", "float32", seed, 9, 0.5, ["alarm"], 1.5) for seed in (0, 1))
    Records(tmp_path, Run, "0-1").add(first)
    other = Records(tmp_path, Run, "1-2")
    assert first.key in other
    assert second.key not in other
    other.add(second)
    assert list(Records(tmp_path, Run, "0-2")) == [first, second]
    assert list(Records(tmp_path, Outcome, "0-2")) == []


def test_unexpected_outcomes() -> None:
    def outcome(found: str, missed: str, traced: bool | None = None) -> bool:
        some = ("weights", "a bias dropped", "bert", missed, found, "")
        return Outcome(*some, traced=traced, named="", seconds=1.0).expected

    assert outcome("logits", "")
    assert outcome("", "It has no effect.")
    assert outcome("logits", "", traced=True)
    assert not outcome("logits", "", traced=False)
    assert not outcome("", "")
    assert not outcome("logits", "It has no effect.")


def test_the_page_is_in_step_with_the_catalogue() -> None:
    text = DOCUMENT.read_text("utf-8")
    places = "|".join(FAULTS)
    cells = r" \| ".join([f"({places})", *["(.*?)"] * 4])
    rows = re.findall(rf"^\| {cells} \|$", text, re.MULTILINE)
    assert sorted(row[:3] for row in rows) == sorted(
        (place, fault.name, fault.architecture) for place, fault in ALL
    )
    missed = {fault.name: fault.missed for _, fault in ALL if fault.missed}
    for _, name, _, last, _ in rows:
        assert last == missed[name] if name in missed else last not in missed.values()
    assert not re.search("FOUND|NOTHING|WRONGLY", text)
