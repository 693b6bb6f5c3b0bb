"""Cases, and failing cases as files."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from diglot.equality.cases import Case
from diglot.equality.tolerance import BUDGET, Tolerance
from diglot.errors import InputError
from diglot.inputs import Text
from diglot.parity.failing_case import FailingCase, command

ENCODING = {"input_ids": np.array([[5, 6], [7, 0]]), "attention_mask": np.array([[1, 1], [1, 0]])}
CASES = (
    Case("own texts", ("naïve \u0000 \U0001f642", "")),
    Case("drawn pairs", ("a", "b"), ("", "c")),
    Case("one token", encoding=ENCODING),
)


@pytest.mark.parametrize("case", CASES)
def test_a_case_is_the_same_after_json(case: Case) -> None:
    facts = json.loads(json.dumps(case.facts()))
    again = Case.from_facts(facts)
    assert (again.origin, again.texts, again.pairs) == (case.origin, case.texts, case.pairs)
    for name, value in (case.encoding or {}).items():
        assert again.encoding is not None
        np.testing.assert_array_equal(again.encoding[name], value)
        assert again.encoding[name].dtype == np.int64


def test_rows() -> None:
    single, pairs, encoded = CASES
    assert [case.rows for case in CASES] == [2, 2, 2]
    assert single.read() == [Text("naïve \u0000 \U0001f642"), Text("")]
    assert pairs.read() == [Text("a", ""), Text("b", "c")]
    assert pairs.row(1).read() == [Text("b", "c")]
    row = encoded.row(1).encoding
    assert row is not None
    assert {name: value.tolist() for name, value in row.items()} == {
        "input_ids": [[7, 0]],
        "attention_mask": [[1, 0]],
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"texts": ("a",), "encoding": ENCODING},
        {},
        {"texts": ("a", "b"), "pairs": ("c",)},
    ],
)
def test_a_case_is_texts_or_an_encoding(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Case("mine", **wrong)


@pytest.mark.parametrize(
    "facts",
    [
        [],
        {"texts": ["a"]},
        {"origin": "x", "texts": [1]},
        {"origin": "x", "encoding": {"attention_mask": [[1]]}},
        {"origin": "x", "encoding": {"input_ids": [[1, 2]], "attention_mask": [[1]]}},
        {"origin": "x", "encoding": {"input_ids": [1, 2]}},
        {"origin": "x", "encoding": {"input_ids": [["a"]]}},
        {"origin": "x", "texts": ["a"], "pairs": ["b", "c"]},
    ],
)
def test_other_objects_are_refused(facts: object) -> None:
    with pytest.raises(InputError):
        Case.from_facts(facts)


@pytest.fixture
def failing() -> FailingCase:
    tolerance = Tolerance(absolute=1e-4)
    return FailingCase(
        "a b", "torch", "tensorflow", "float32", tolerance, "logits", "why", CASES[2]
    )


def test_a_failing_case_is_written_and_read(failing: FailingCase, tmp_path: Path) -> None:
    file = failing.write(tmp_path / "new folder")
    assert failing.write(tmp_path / "new folder") == file
    again = FailingCase.read(file)
    assert again.case.facts() == failing.case.facts()
    assert (again.checkpoint, again.tolerance) == ("a b", failing.tolerance)
    assert (again.stage, again.explanation) == ("logits", "why")
    assert command(file).endswith(f"'{file}'")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "another"}, "not a failing case"),
        ({"schema": 99}, "newer diglot"),
        ({"case": {"origin": "x"}}, "a case needs either"),
        ({"tolerance": {"breadth": 1}}, "not a failing case"),
        ({"stranger": 1}, "not a failing case"),
    ],
)
def test_files_that_cannot_be_replayed(
    failing: FailingCase, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    file = failing.write(tmp_path)
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | change), "utf-8")
    with pytest.raises(InputError, match=message):
        FailingCase.read(file)


def test_a_lone_surrogate_is_written_and_read(failing: FailingCase, tmp_path: Path) -> None:
    case = Case("own texts", ("a\udc80b é",))
    file = replace(failing, case=case).write(tmp_path)
    assert FailingCase.read(file).case.texts == case.texts
    assert "é" in file.read_text("utf-8")


def test_a_file_that_is_missing_or_broken(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a failing case"):
        FailingCase.read(tmp_path / "none.json")
    (tmp_path / "half.json").write_text('{"kind": "diglot', "utf-8")
    with pytest.raises(InputError, match="not a failing case"):
        FailingCase.read(tmp_path / "half.json")


def test_the_rule_in_words() -> None:
    assert str(BUDGET) == "4 times the reference's own error and 8 roundings"
    assert str(Tolerance(absolute=1e-5)) == "1e-05 absolute"
