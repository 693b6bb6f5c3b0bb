"""What stands in a report, read without a browser."""

import math
import subprocess
import sys
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.parity import results

from diglot import extras
from diglot.equality.cases import Case
from diglot.errors import BackendNotInstalledError
from diglot.parity import report
from diglot.parity.report import excerpts
from diglot.parity.report.charts import figures
from diglot.parity.result import (
    ENCODING,
    HIDDEN_STATES,
    LOGITS,
    Answer,
    Change,
    CheckResult,
    Flip,
    Input,
    Layer,
    Token,
)

VOID = {"meta", "br"}
PROBABILITIES_CHART = "Probabilities, side against side"


class Page(HTMLParser):
    """The elements of a page, and the text in each."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins and ends."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """An element ends, the last that began."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Text, maybe not all of it."""
        if self._open:
            self.texts.setdefault(self._open[-1], []).append(data)

    @property
    def text(self) -> str:
        """All that is shown, each white space as one blank."""
        hidden = {"style", "script", "title"}
        shown = (text for tag, some in self.texts.items() if tag not in hidden for text in some)
        return " ".join(" ".join(shown).split())


def page(result: CheckResult, folder: Path) -> tuple[Page, str]:
    report.write(result, folder / "report.html")
    source = (folder / "report.html").read_text("utf-8")
    return Page(source), source


def marks(result: CheckResult, title: str) -> list[str]:
    """What the marks of a chart say of themselves."""
    (found,) = (one for one in figures(result) if one.title == title)
    return [] if found.drawing is None else Page(str(found.drawing)).texts["title"]


def only(equal: CheckResult, *inputs: Input, flips: tuple[Flip, ...] = ()) -> CheckResult:
    return replace(equal, inputs=inputs, flips=flips)


def given(**facts: object) -> Input:
    return Input(**({"case": Case("drawn texts", ("a",)), "ratios": {}} | facts))  # type: ignore[arg-type]


def test_an_equal_check_says_so_and_shows_all_sections(equal: CheckResult, tmp_path: Path) -> None:
    found, source = page(equal, tmp_path)
    headings = [attributes["id"] for tag, attributes in found.elements if tag == "h2"]
    assert headings == ["stages", "charts", "flips", "invariants", "inputs", "setup"]
    assert "Equal" in found.text
    assert "Different" not in found.text
    assert 'class="wrong' not in source
    assert len([1 for tag, _ in found.elements if tag == "svg"]) == 1 + 3
    for said in ("17, 1", "4.1e-7", "2.3e-6", "torch has no such way to run", "2.21.0", "83"):
        assert said in found.text


def test_when_it_was_and_what_had_changed(equal: CheckResult, tmp_path: Path) -> None:
    changes = (Change("torch", "2.13.0", "2.14.0"), Change("keras", "", "3.15.0"))
    found, source = page(replace(equal, changes=changes), tmp_path)
    headings = [attributes["id"] for tag, attributes in found.elements if tag == "h2"]
    assert headings[0] == "changes"
    for said in ("2.14.0", "3.15.0", "none", "2026-11-23T09:05:07+00:00"):
        assert said in found.text
    assert source.index("2.14.0") < source.index('id="stages"')


def test_a_difference_stands_first_with_its_smallest_input(
    different: CheckResult, tmp_path: Path
) -> None:
    found, source = page(different, tmp_path)
    headings = [attributes["id"] for tag, attributes in found.elements if tag == "h2"]
    assert headings[0] == "failures"
    assert "The error 0.0311 exceeds the limit 1.2e-05" in found.text
    assert "diglot check --replay failures/hidden-states-1.json" in found.texts["code"]
    assert "[101, 1045, 102, 0]" in found.texts["code"]
    assert "600 tokens, 512 at most" in found.text
    assert source.index("so much!") < source.index('id="stages"')
    assert source.index("1 excused") < source.index('id="failures"')


@pytest.mark.parametrize("name", ["equal", "different", "hostile", "broken"])
def test_nothing_but_the_page_itself_can_run_or_load(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    found, _ = page(request.getfixturevalue(name), tmp_path)
    (style,), (script,) = found.texts["style"], found.texts["script"]
    (policy,) = (
        str(attributes["content"])
        for _, attributes in found.elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.split("; ")[0] == "default-src 'none'"
    for source, text in (("style-src", style), ("script-src", script)):
        digested = b64encode(sha256(text.encode()).digest()).decode()
        assert f"{source} 'sha256-{digested}'" in policy.split("; ")
    for tag, attributes in found.elements:
        assert tag not in {"img", "iframe", "object", "embed", "link", "base", "form", "image"}
        for attribute in attributes:
            assert not attribute.startswith("on")
            assert attribute not in {"src", "href", "xlink:href", "style", "srcdoc", "action"}
    assert "url(" not in style
    assert "@import" not in style


def test_what_is_hostile_is_shown_as_the_text_that_it_is(
    hostile: CheckResult, tmp_path: Path
) -> None:
    found, source = page(hostile, tmp_path)
    for said in (results.SCRIPT, results.IMAGE, results.TEMPLATE, "--><!--", "]]>", "</style>"):
        assert said in found.text
    assert r"\u202egpj.exe\u202c\u2066\u200f" in found.text
    assert r"\x00\x07\x1b[31m\r\n\u2028\ufeff\ufffe" in found.text
    assert "(100,000 characters)" in found.text
    assert not [one for one in source if not one.isprintable() and one != "\n"]


def test_a_report_of_a_thousand_inputs_is_small(broken: CheckResult, tmp_path: Path) -> None:
    assert len(broken.inputs) == 1000
    found, source = page(broken, tmp_path)
    assert len(source.encode()) < 3_000_000
    assert "7950 more are in the JSON of this check." in found.text
    assert "990 more are in the JSON of this check." in found.text


def test_a_hostile_one_is_no_larger(hostile: CheckResult, tmp_path: Path) -> None:
    assert len(page(hostile, tmp_path)[1]) < 1_000_000


def test_a_check_of_nothing_but_ids_has_a_report(equal: CheckResult, tmp_path: Path) -> None:
    bare = replace(
        equal,
        stages=(
            equal.stages[0],
            *(replace(one, judged=0, absent="not shown") for one in equal.stages[1:]),
        ),
        layers=(),
        flips=(),
        invariants=(),
        inputs=(given(ratios={ENCODING: 0.0}),),
    )
    found, _ = page(bare, tmp_path)
    assert found.text.count("There is nothing to draw") == 3
    assert found.text.count("not judged") == 3
    assert "None: both sides give every row the same label." in found.text


def test_errors_are_counted_between_their_bounds(equal: CheckResult) -> None:
    shares = (0.0, 0.004, 0.01, 0.3, 1.0, 1.01, 99.0, 101.0, math.inf)
    some = only(equal, *(given(ratios={ENCODING: 0.0, LOGITS: one}) for one in shares))
    assert marks(some, "Error against the limit") == [
        "logits: 1 input, identical",
        "logits: 2 inputs, 0 to 0.01 of the limit",
        "logits: 1 input, 0.2 to 0.5 of the limit",
        "logits: 1 input, 0.5 to 1 of the limit",
        "logits: 1 input, 1 to 2 of the limit",
        "logits: 1 input, 10 to 100 of the limit",
        "logits: 2 inputs, more than 100 of the limit",
    ]


def test_layers_are_told_for_either_side(equal: CheckResult) -> None:
    layers = (
        Layer("embeddings", 0.0, 0.0, 1e-7),
        Layer("layer 1", 2e-7, math.nan, 1e-6),
        Layer("layer 2", 3e-7, math.inf, 1e-6),
    )
    said = marks(replace(equal, layers=layers), "Error by layer")
    assert [one for one in said if "," in one] == [
        "embeddings, torch: 0",
        "layer 1, torch: 2e-7",
        "layer 2, torch: 3e-7",
        "embeddings, tensorflow: 0",
        "layer 1, tensorflow: nan",
        "layer 2, tensorflow: ∞",
    ]


def test_what_has_no_logarithm_has_a_place_on_the_scale(equal: CheckResult) -> None:
    layers = (Layer("embeddings", 0.0, 3e-7, 1e-6), Layer("layer 1", 2e-7, math.inf, 1e-6))
    (_, chart, _) = figures(replace(equal, layers=layers))
    labels = Page(str(chart.drawing)).texts["text"]
    assert [one for one in labels if one in {"0", "1e-7", "1e-6", "not finite"}] == [
        "0",  # of the layers
        "0",
        "1e-7",
        "1e-6",
        "not finite",
    ]


def test_flips_are_marked_among_the_probabilities(equal: CheckResult) -> None:
    plain = given(answers=(Answer((0.25, 0.75), (0.25, 0.75)), Answer((0.25, 0.75), (0.5, 0.5))))
    flipped = given(
        answers=(
            Answer((0.6, 0.4), (0.45, 0.55), flipped=True),
            Answer((0.505, 0.495), (0.495, 0.505), flipped=True),
            Answer((math.nan, 1.0), (1.0, 0.0), flipped=True),
        )
    )
    excused = Flip(1, 1, "A", "B", 1e-7, 1e-6)
    unexcused = Flip(1, 0, "A", "B", 1e-1, 1e-6)
    said = marks(only(equal, plain, flipped, flips=(excused, unexcused)), PROBABILITIES_CHART)
    assert [one for one in said if " at " in one] == [
        "1 row at 0.25 and 0.25",
        "1 row at 0.75 and 0.75",
        "1 row at 0.25 and 0.5",
        "1 row at 0.75 and 0.5",
        "1 excused flip at 0.505 and 0.495",
        "1 flip at 0.6 and 0.45",
        "1 flip at 1 and 0",
    ]


def test_points_that_meet_are_one(equal: CheckResult) -> None:
    answers = (Answer((0.25,), (0.25,)),) * 30
    said = marks(only(equal, given(answers=answers)), PROBABILITIES_CHART)
    assert "30 rows at 0.25 and 0.25" in said


def test_scores_may_be_anything(equal: CheckResult) -> None:
    answers = (Answer((-3.0,), (-3.0,)), Answer((7.0,), (7.0,)))
    some = only(equal, given(answers=answers))
    said = marks(some, PROBABILITIES_CHART)
    assert {"1 row at -3 and -3", "1 row at 7 and 7"} <= set(said)
    (_, _, chart) = figures(some)
    labels = Page(str(chart.drawing)).texts["text"]
    assert {"−2", "6"} <= set(labels)  # noqa: RUF001 -- Vega writes a real minus


def test_what_is_not_finite_is_no_point(equal: CheckResult) -> None:
    answers = (Answer((math.nan, math.inf, 0.5), (0.5, 0.5, 0.5)),)
    said = marks(only(equal, given(answers=answers)), PROBABILITIES_CHART)
    assert [one for one in said if " at " in one] == ["1 row at 0.5 and 0.5"]
    nowhere = (Answer((math.nan,), (1.0,)),)
    assert marks(only(equal, given(answers=nowhere)), PROBABILITIES_CHART) == []


def test_the_worst_come_first_and_the_refused_last(equal: CheckResult) -> None:
    tokens = ((Token(1, "a", 0.1),),)
    inputs = (
        given(refused="too long"),
        given(ratios={LOGITS: 0.2}, tokens=tokens),
        given(ratios={LOGITS: 0.1, HIDDEN_STATES: math.inf}),
        given(ratios={LOGITS: 0.3}, tokens=tokens),
        given(),
    )
    some = only(equal, *inputs)
    assert [number for number, _ in excerpts.ranked(some)] == [2, 3, 1, 4, 0]
    assert [number for number, _ in excerpts.worst(some)] == [3, 1]


def test_of_a_long_row_the_worst_part_is_shown() -> None:
    row = tuple(Token(at, "x", 5.0 if at == 400 else 0.1) for at in range(512))
    (found,) = excerpts.excerpts(given(tokens=(row,)))
    assert (found.row, found.whole, len(found.tokens)) == (0, 512, 64)
    assert found.tokens[0].id == found.first
    assert 400 in [one.id for one in found.tokens]
    last = tuple(Token(at, "x", float(at) if at else None) for at in range(100))
    (found,) = excerpts.excerpts(given(tokens=(last,)))
    assert [one.id for one in found.tokens] == list(range(36, 100))


def test_of_many_rows_the_worst_are_shown_in_their_order() -> None:
    rows = tuple((Token(0, "x", ratio),) for ratio in (0.1, 0.5, 0.2, 0.4, 0.3, 0.05))
    assert [one.row for one in excerpts.excerpts(given(tokens=((), *rows)))] == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("ratio", "heat"),
    [(0.0, 0), (0.01, 0), (0.02, 1), (0.3, 2), (1.0, 3), (1.1, 4), (math.inf, 4), (None, 0)],
)
def test_heat_is_a_step_and_beyond_the_limit_the_last(ratio: float | None, heat: int) -> None:
    assert excerpts.heat(Token(0, "x", ratio)) == heat


def test_without_the_extra_it_is_named(
    equal: CheckResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "altair" else name)
    with pytest.raises(BackendNotInstalledError, match=r"needs altair, .*'diglot\[parity\]'"):
        report.write(equal, tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_the_module_loads_neither_charts_nor_templates() -> None:
    code = "import sys, diglot.parity.report, diglot.parity.junit; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {one.split(".")[0] for one in done.stdout.split()}
    assert "diglot" in loaded
    assert not loaded & {"altair", "vl_convert", "jinja2", "torch", "tensorflow", "hypothesis"}
