"""A check as JUnit XML."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from tests.parity import results

from diglot.equality.cases import Case
from diglot.parity import junit
from diglot.parity.result import LOGITS, Change, CheckResult, Failure

# For each element of Jenkins' schema: its children, its required attributes, its other attributes.
FORM = {
    "testsuites": (["testsuite"], [], ["name", "tests", "failures", "errors", "time"]),
    "testsuite": (
        ["properties", "testcase"],
        ["name", "tests", "failures", "errors"],
        ["skipped", "time", "timestamp"],
    ),
    "properties": (["property"], [], []),
    "property": ([], ["name", "value"], []),
    "testcase": (["skipped", "failure"], ["name", "classname"], []),
    "failure": ([], [], ["message", "type"]),
    "skipped": ([], [], ["message"]),
}


def written(result: CheckResult, folder: Path) -> Element:
    junit.write(result, folder / "junit.xml")
    return ElementTree.parse(folder / "junit.xml").getroot()


def cases(root: Element) -> dict[str, Element]:
    return {str(test.get("name")): test for test in root.iter("testcase")}


@pytest.mark.parametrize("name", ["equal", "different", "hostile"])
def test_the_file_follows_the_schema(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    root = written(request.getfixturevalue(name), tmp_path)
    assert root.tag == "testsuites"
    assert len(root) == 1
    for element in root.iter():
        children, required, optional = FORM[element.tag]
        assert {child.tag for child in element} <= set(children)
        assert set(required) <= set(element.attrib) <= {*required, *optional}
    for element in (root, root[0]):
        for count, tag in (("tests", "testcase"), ("failures", "failure")):
            assert element.get(count) == str(len(list(element.iter(tag))))
        assert element.get("errors") == "0"
        assert element.get("time") == "83.400"
    assert root[0].get("timestamp")
    assert root[0].get("skipped") == str(len(list(root.iter("skipped"))))


def test_an_equal_check_passes(equal: CheckResult, tmp_path: Path) -> None:
    root = written(equal, tmp_path)
    assert root.get("failures") == "0"
    assert list(cases(root)) == [
        "ids and masks",
        "hidden states",
        "logits",
        "probabilities and labels",
        *(
            f"{name} ({side})"
            for name in ("alone as in a batch", "with more padding", "int32 as int64")
            for side in ("torch", "tensorflow")
        ),
        "under XLA (torch)",
        "under XLA (tensorflow)",
    ]
    (skipped,) = root.iter("skipped")
    assert skipped.get("message") == "torch has no such way to run"
    assert skipped in list(cases(root)["under XLA (torch)"])
    known = {element.get("name"): element.get("value") for element in root.iter("property")}
    assert known["seed"] == "0"
    assert known["inputs"] == "100"
    assert known["tensorflow"] == "2.21.0"


def test_a_difference_fails_with_its_explanation(different: CheckResult, tmp_path: Path) -> None:
    tests = cases(written(different, tmp_path))
    failed = {name: test[0] for name, test in tests.items() if test.find("failure") is not None}
    assert list(failed) == [
        "hidden states",
        "logits",
        "probabilities and labels",
        "alone as in a batch (torch)",
    ]
    assert failed["hidden states"].get("message") == "5 of 99 inputs fail"
    said = str(failed["hidden states"].text)
    assert "The error 0.0311 exceeds the limit 1.2e-05" in said
    assert "smallest input: 'so much!'" in said
    assert "saved in: failures/hidden-states-1.json" in said
    assert "replay: diglot check --replay failures/hidden-states-1.json" in said
    broken = str(failed["alone as in a batch (torch)"].text)
    assert "2 of 100 inputs fail" in broken
    assert "input_ids=[[101, 1045, 102, 0], [101, 102, 0, 0]]" in broken
    assert "replay" not in broken
    assert "saved in" not in broken


def test_a_failure_of_an_uncounted_stage_has_a_test(equal: CheckResult, tmp_path: Path) -> None:
    case = Case("drawn texts", ("a",))
    unknown = Failure("a way that is new", "tensorflow", case, case, "it went wrong")
    known = Failure(LOGITS, "tensorflow against torch", case, case, "so did this")
    root = written(replace(equal, failures=(unknown, known)), tmp_path)
    assert root.get("failures") == "2"
    assert "it went wrong" in str(cases(root)["a way that is new (tensorflow)"][0].text)
    assert "so did this" in str(cases(root)["logits"][0].text)


def test_characters_that_xml_cannot_hold_become_escapes(
    hostile: CheckResult, tmp_path: Path
) -> None:
    root = written(hostile, tmp_path)  # parsed by expat, which refuses these characters
    text = (tmp_path / "junit.xml").read_text("utf-8")
    assert not [mark for mark in text if not mark.isprintable() and mark != "\n"]
    said = str(cases(root)["logits"][0].text)
    assert results.SCRIPT in said
    assert r"\x00\x07\x1b[31m\r\n\u2028\ufeff\ufffe" in said
    assert r"\u202egpj.exe\u202c\u2066\u200f" in said
    assert len(text) < 100_000


def test_the_file_has_the_date_and_the_changes(equal: CheckResult, tmp_path: Path) -> None:
    changed = replace(equal, changes=(Change("torch", "2.13.0", "2.14.0"),))
    root = written(changed, tmp_path)
    assert root[0].get("timestamp") == "2026-11-23T09:05:07+00:00"
    properties = {element.get("name"): element.get("value") for element in root.iter("property")}
    assert properties["since the ledger: torch"] == "torch: 2.13.0 → 2.14.0"
