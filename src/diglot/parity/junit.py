"""A check as JUnit XML, which continuous integration shows as tests.

A check is one suite with a test for each stage and each invariant. The format is that of Jenkins'
xUnit plug-in, which most servers read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from diglot.files import replacing_file
from diglot.parity.result import STAGES, CheckResult, Failure, Invariant, Stage
from diglot.text import visible

_Tested = Stage | Invariant | None


def write(result: CheckResult, path: Path) -> None:
    """Write a check as JUnit XML.

    Args:
        result: the result of the check.
        path: the file to write; an existing file is replaced.

    Raises:
        OSError: the file cannot be written.
    """
    tree = ElementTree.ElementTree(_suites(result))
    ElementTree.indent(tree)
    with replacing_file(path) as file:
        tree.write(file, encoding="utf-8", xml_declaration=True)


def _suites(result: CheckResult) -> Element:
    suites = Element("testsuites", name="diglot check")
    suite = SubElement(suites, "testsuite")
    suite.set("name", visible(f"{result.checkpoint}: {result.against} against {result.reference}"))
    properties = SubElement(suite, "properties")
    facts = {
        "checkpoint": result.checkpoint,
        "reference": result.reference,
        "against": result.against,
        "precision": result.precision,
        "tolerance": result.tolerance,
        "seed": str(result.seed),
        "inputs": str(len(result.inputs)),
        **result.versions,
        **{f"since the ledger: {change.what}": str(change) for change in result.changes},
    }
    for name, value in facts.items():
        SubElement(properties, "property", name=visible(name), value=visible(value))
    tests = [_test(name, tested, failures) for name, tested, failures in _tests(result)]
    suite.extend(tests)
    counts = {
        "tests": str(len(tests)),
        "failures": str(sum(test.find("failure") is not None for test in tests)),
        "errors": "0",
        "time": f"{result.seconds:.3f}",
    }
    suites.attrib |= counts
    skipped = sum(test.find("skipped") is not None for test in tests)
    suite.attrib |= counts | {"skipped": str(skipped), "timestamp": result.date}
    return suites


def _tests(result: CheckResult) -> Iterator[tuple[str, _Tested, list[Failure]]]:
    """Each test's name, its stage or invariant, and its failures.

    A failure has a test even if the result counts no such stage or invariant.
    """
    tested: dict[str, _Tested] = {stage.name: stage for stage in result.stages}
    tested |= {_name(invariant.name, invariant.side): invariant for invariant in result.invariants}
    failures_by_name: dict[str, list[Failure]] = {name: [] for name in tested}
    for failure in result.failures:
        failures_by_name.setdefault(_name(failure.stage, failure.side), []).append(failure)
    for name, failures in failures_by_name.items():
        yield name, tested.get(name), failures


def _name(stage_or_invariant: str, side: str) -> str:
    if stage_or_invariant in STAGES:
        return stage_or_invariant
    return f"{stage_or_invariant} ({side})"


def _test(name: str, tested: _Tested, failures: list[Failure]) -> Element:
    test = Element("testcase", classname="diglot.check", name=visible(name))
    wrong = tested.different if isinstance(tested, Stage) else tested.broken if tested else 0
    if wrong or failures:
        message = f"{wrong} of {tested.judged} inputs fail" if tested else "it fails"
        failure = SubElement(test, "failure", type="different", message=message)
        failure.text = "\n\n".join([message, *map(_explanation, failures)])
    elif tested and tested.absent:
        SubElement(test, "skipped", message=visible(tested.absent))
    return test


def _explanation(failure: Failure) -> str:
    lines = {
        "": failure.explanation,
        "smallest input: ": str(failure.case),
        "saved in: ": str(failure.file or ""),
        "replay: ": failure.command,
    }
    return "\n".join(prefix + visible(text) for prefix, text in lines.items() if text)
