"""A check as JUnit's XML, which continuous integration shows as tests.

One suite a check; in it, one test for each stage and for each invariant. The form is that of
Jenkins' xUnit plug-in, which most servers read.
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
    """Write a check as JUnit's XML.

    Args:
        result: what the check found.
        path: where to; a file that is there is replaced.

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
        **{f"since the ledger: {one.what}": str(one) for one in result.changes},
    }
    for name, value in facts.items():
        SubElement(properties, "property", name=visible(name), value=visible(value))
    found = [_test(*one) for one in _tests(result)]
    suite.extend(found)
    counts = {
        "tests": str(len(found)),
        "failures": str(sum(one.find("failure") is not None for one in found)),
        "errors": "0",
        "time": f"{result.seconds:.3f}",
    }
    suites.attrib |= counts
    skipped = sum(one.find("skipped") is not None for one in found)
    suite.attrib |= counts | {"skipped": str(skipped), "timestamp": result.date}
    return suites


def _tests(result: CheckResult) -> Iterator[tuple[str, _Tested, list[Failure]]]:
    """All tests by name; a failure always has one, even where nothing was counted."""
    tested: dict[str, _Tested] = {one.name: one for one in result.stages}
    tested |= {_name(one.name, one.side): one for one in result.invariants}
    failures: dict[str, list[Failure]] = {name: [] for name in tested}
    for one in result.failures:
        failures.setdefault(_name(one.stage, one.side), []).append(one)
    for name, some in failures.items():
        yield name, tested.get(name), some


def _name(what: str, side: str) -> str:
    return what if what in STAGES else f"{what} ({side})"


def _test(name: str, tested: _Tested, failures: list[Failure]) -> Element:
    test = Element("testcase", classname="diglot.check", name=visible(name))
    wrong = tested.different if isinstance(tested, Stage) else tested.broken if tested else 0
    if wrong or failures:
        said = f"{wrong} of {tested.judged} inputs fail" if tested else "it fails"
        failure = SubElement(test, "failure", type="different", message=said)
        failure.text = "\n\n".join([said, *map(_explained, failures)])
    elif tested and tested.absent:
        SubElement(test, "skipped", message=visible(tested.absent))
    return test


def _explained(failure: Failure) -> str:
    lines = {
        "": failure.explanation,
        "smallest input: ": str(failure.case),
        "kept in: ": str(failure.file or ""),
        "replay: ": failure.command,
    }
    return "\n".join(what + visible(said) for what, said in lines.items() if said)
