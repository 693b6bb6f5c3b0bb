"""The content of a report, read without a browser."""

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
        """The visible text, with each white space as one blank."""
        hidden = {"style", "script", "title"}
        shown = (text for tag, texts in self.texts.items() if tag not in hidden for text in texts)
        return " ".join(" ".join(shown).split())


def page(result: CheckResult, folder: Path) -> tuple[Page, str]:
    report.write(result, folder / "report.html")
    source = (folder / "report.html").read_text("utf-8")
    return Page(source), source


def marks(result: CheckResult, title: str) -> list[str]:
    """The descriptions of the marks of a chart."""
    (figure,) = (figure for figure in figures(result) if figure.title == title)
    return [] if figure.drawing is None else Page(str(figure.drawing)).texts["title"]


def only(equal: CheckResult, *inputs: Input, flips: tuple[Flip, ...] = ()) -> CheckResult:
    return replace(equal, inputs=inputs, flips=flips)


def judged(**facts: object) -> Input:
    return Input(**({"case": Case("drawn texts", ("a",)), "ratios": {}} | facts))  # type: ignore[arg-type]


def test_the_report_of_an_equal_check_has_all_sections(equal: CheckResult, tmp_path: Path) -> None:
    content, source = page(equal, tmp_path)
    headings = [attributes["id"] for tag, attributes in content.elements if tag == "h2"]
    assert headings == ["stages", "charts", "flips", "invariants", "inputs", "setup"]
    assert "Equal" in content.text
    assert "Different" not in content.text
    assert 'class="wrong' not in source
    assert len([1 for tag, _ in content.elements if tag == "svg"]) == 1 + 3
    for words in ("17, 1", "4.1e-7", "2.3e-6", "torch has no such way to run", "2.21.0", "83"):
        assert words in content.text


def test_the_report_has_the_date_and_the_changes(equal: CheckResult, tmp_path: Path) -> None:
    changes = (Change("torch", "2.13.0", "2.14.0"), Change("keras", "", "3.15.0"))
    content, source = page(replace(equal, changes=changes), tmp_path)
    headings = [attributes["id"] for tag, attributes in content.elements if tag == "h2"]
    assert headings[0] == "changes"
    for words in ("2.14.0", "3.15.0", "none", "2026-11-23T09:05:07+00:00"):
        assert words in content.text
    assert source.index("2.14.0") < source.index('id="stages"')


def test_a_failure_comes_first_with_its_smallest_input(
    different: CheckResult, tmp_path: Path
) -> None:
    content, source = page(different, tmp_path)
    headings = [attributes["id"] for tag, attributes in content.elements if tag == "h2"]
    assert headings[0] == "failures"
    assert "The error 0.0311 exceeds the limit 1.2e-05" in content.text
    assert "diglot check --replay failures/hidden-states-1.json" in content.texts["code"]
    assert "[101, 1045, 102, 0]" in content.texts["code"]
    assert "600 tokens, 512 at most" in content.text
    assert source.index("so much!") < source.index('id="stages"')
    assert source.index("1 excused") < source.index('id="failures"')


@pytest.mark.parametrize("name", ["equal", "different", "hostile", "broken"])
def test_only_the_style_and_the_script_of_the_page_can_load(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    content, _ = page(request.getfixturevalue(name), tmp_path)
    (style,), (script,) = content.texts["style"], content.texts["script"]
    (policy,) = (
        str(attributes["content"])
        for _, attributes in content.elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.split("; ")[0] == "default-src 'none'"
    for source, text in (("style-src", style), ("script-src", script)):
        digested = b64encode(sha256(text.encode()).digest()).decode()
        assert f"{source} 'sha256-{digested}'" in policy.split("; ")
    for tag, attributes in content.elements:
        assert tag not in {"img", "iframe", "object", "embed", "link", "base", "form", "image"}
        for attribute in attributes:
            assert not attribute.startswith("on")
            assert attribute not in {"src", "href", "xlink:href", "style", "srcdoc", "action"}
    assert "url(" not in style
    assert "@import" not in style


def test_hostile_texts_are_shown_as_texts(hostile: CheckResult, tmp_path: Path) -> None:
    content, source = page(hostile, tmp_path)
    for words in (results.SCRIPT, results.IMAGE, results.TEMPLATE, "--><!--", "]]>", "</style>"):
        assert words in content.text
    assert r"\u202egpj.exe\u202c\u2066\u200f" in content.text
    assert r"\x00\x07\x1b[31m\r\n\u2028\ufeff\ufffe" in content.text
    assert "(100,000 characters)" in content.text
    assert not [mark for mark in source if not mark.isprintable() and mark != "\n"]


def test_a_report_of_a_thousand_inputs_is_small(broken: CheckResult, tmp_path: Path) -> None:
    assert len(broken.inputs) == 1000
    content, source = page(broken, tmp_path)
    assert len(source.encode()) < 3_000_000
    assert "7950 more are in the JSON of this check." in content.text
    assert "990 more are in the JSON of this check." in content.text


def test_a_report_of_hostile_texts_is_small(hostile: CheckResult, tmp_path: Path) -> None:
    assert len(page(hostile, tmp_path)[1]) < 1_000_000


def test_a_check_of_nothing_but_ids_has_a_report(equal: CheckResult, tmp_path: Path) -> None:
    bare = replace(
        equal,
        stages=(
            equal.stages[0],
            *(replace(stage, judged=0, absent="not shown") for stage in equal.stages[1:]),
        ),
        layers=(),
        flips=(),
        invariants=(),
        inputs=(judged(ratios={ENCODING: 0.0}),),
    )
    content, _ = page(bare, tmp_path)
    assert content.text.count("There is nothing to draw") == 3
    assert content.text.count("not judged") == 3
    assert "None: every row has the same label on both sides." in content.text


def test_errors_are_counted_between_their_bounds(equal: CheckResult) -> None:
    shares = (0.0, 0.004, 0.01, 0.3, 1.0, 1.01, 99.0, 101.0, math.inf)
    checked = only(equal, *(judged(ratios={ENCODING: 0.0, LOGITS: share}) for share in shares))
    assert marks(checked, "Error against the limit") == [
        "logits: 1 input, identical",
        "logits: 2 inputs, 0 to 0.01 of the limit",
        "logits: 1 input, 0.2 to 0.5 of the limit",
        "logits: 1 input, 0.5 to 1 of the limit",
        "logits: 1 input, 1 to 2 of the limit",
        "logits: 1 input, 10 to 100 of the limit",
        "logits: 2 inputs, more than 100 of the limit",
    ]


def test_layers_are_described_for_both_sides(equal: CheckResult) -> None:
    layers = (
        Layer("embeddings", 0.0, 0.0, 1e-7),
        Layer("layer 1", 2e-7, math.nan, 1e-6),
        Layer("layer 2", 3e-7, math.inf, 1e-6),
    )
    descriptions = marks(replace(equal, layers=layers), "Error by layer")
    assert [mark for mark in descriptions if "," in mark] == [
        "embeddings, torch: 0",
        "layer 1, torch: 2e-7",
        "layer 2, torch: 3e-7",
        "embeddings, tensorflow: 0",
        "layer 1, tensorflow: nan",
        "layer 2, tensorflow: ∞",
    ]


def test_numbers_without_a_logarithm_have_a_place_on_the_scale(equal: CheckResult) -> None:
    layers = (Layer("embeddings", 0.0, 3e-7, 1e-6), Layer("layer 1", 2e-7, math.inf, 1e-6))
    (_, chart, _) = figures(replace(equal, layers=layers))
    labels = Page(str(chart.drawing)).texts["text"]
    assert [label for label in labels if label in {"0", "1e-7", "1e-6", "not finite"}] == [
        "0",  # of the layers
        "0",
        "1e-7",
        "1e-6",
        "not finite",
    ]


def test_flips_are_marked_among_the_probabilities(equal: CheckResult) -> None:
    plain = judged(answers=(Answer((0.25, 0.75), (0.25, 0.75)), Answer((0.25, 0.75), (0.5, 0.5))))
    flipped = judged(
        answers=(
            Answer((0.6, 0.4), (0.45, 0.55), flipped=True),
            Answer((0.505, 0.495), (0.495, 0.505), flipped=True),
            Answer((math.nan, 1.0), (1.0, 0.0), flipped=True),
        )
    )
    excused = Flip(1, 1, "A", "B", 1e-7, 1e-6)
    unexcused = Flip(1, 0, "A", "B", 1e-1, 1e-6)
    descriptions = marks(
        only(equal, plain, flipped, flips=(excused, unexcused)), PROBABILITIES_CHART
    )
    assert [mark for mark in descriptions if " at " in mark] == [
        "1 row at 0.25 and 0.25",
        "1 row at 0.75 and 0.75",
        "1 row at 0.25 and 0.5",
        "1 row at 0.75 and 0.5",
        "1 excused flip at 0.505 and 0.495",
        "1 flip at 0.6 and 0.45",
        "1 flip at 1 and 0",
    ]


def test_equal_points_share_a_mark(equal: CheckResult) -> None:
    answers = (Answer((0.25,), (0.25,)),) * 30
    descriptions = marks(only(equal, judged(answers=answers)), PROBABILITIES_CHART)
    assert "30 rows at 0.25 and 0.25" in descriptions


def test_scores_outside_of_0_to_1_are_drawn(equal: CheckResult) -> None:
    answers = (Answer((-3.0,), (-3.0,)), Answer((7.0,), (7.0,)))
    checked = only(equal, judged(answers=answers))
    descriptions = marks(checked, PROBABILITIES_CHART)
    assert {"1 row at -3 and -3", "1 row at 7 and 7"} <= set(descriptions)
    (_, _, chart) = figures(checked)
    labels = Page(str(chart.drawing)).texts["text"]
    assert {"−2", "6"} <= set(labels)  # noqa: RUF001 -- Vega writes a real minus


def test_scores_that_are_not_finite_are_not_drawn(equal: CheckResult) -> None:
    answers = (Answer((math.nan, math.inf, 0.5), (0.5, 0.5, 0.5)),)
    descriptions = marks(only(equal, judged(answers=answers)), PROBABILITIES_CHART)
    assert [mark for mark in descriptions if " at " in mark] == ["1 row at 0.5 and 0.5"]
    nowhere = (Answer((math.nan,), (1.0,)),)
    assert marks(only(equal, judged(answers=nowhere)), PROBABILITIES_CHART) == []


def test_the_worst_inputs_come_first_and_refused_ones_last(equal: CheckResult) -> None:
    tokens = ((Token(1, "a", 0.1),),)
    inputs = (
        judged(refused="too long"),
        judged(ratios={LOGITS: 0.2}, tokens=tokens),
        judged(ratios={LOGITS: 0.1, HIDDEN_STATES: math.inf}),
        judged(ratios={LOGITS: 0.3}, tokens=tokens),
        judged(),
    )
    checked = only(equal, *inputs)
    assert [number for number, _ in excerpts.ranked(checked)] == [2, 3, 1, 4, 0]
    assert [number for number, _ in excerpts.worst(checked)] == [3, 1]


def test_the_worst_part_of_a_long_row_is_shown() -> None:
    row = tuple(Token(at, "x", 5.0 if at == 400 else 0.1) for at in range(512))
    (excerpt,) = excerpts.excerpts(judged(tokens=(row,)))
    assert (excerpt.row, excerpt.whole, len(excerpt.tokens)) == (0, 512, 64)
    assert excerpt.tokens[0].id == excerpt.first
    assert 400 in [token.id for token in excerpt.tokens]
    last = tuple(Token(at, "x", float(at) if at else None) for at in range(100))
    (excerpt,) = excerpts.excerpts(judged(tokens=(last,)))
    assert [token.id for token in excerpt.tokens] == list(range(36, 100))


def test_the_worst_of_many_rows_are_shown_in_their_order() -> None:
    rows = tuple((Token(0, "x", ratio),) for ratio in (0.1, 0.5, 0.2, 0.4, 0.3, 0.05))
    assert [excerpt.row for excerpt in excerpts.excerpts(judged(tokens=((), *rows)))] == [
        2,
        3,
        4,
        5,
    ]


@pytest.mark.parametrize(
    ("ratio", "heat"),
    [(0.0, 0), (0.01, 0), (0.02, 1), (0.3, 2), (1.0, 3), (1.1, 4), (math.inf, 4), (None, 0)],
)
def test_heat_has_four_steps_within_the_limit_and_one_beyond(
    ratio: float | None, heat: int
) -> None:
    assert excerpts.heat(Token(0, "x", ratio)) == heat


def test_a_missing_extra_is_named(
    equal: CheckResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "missing", lambda *names: [n for n in names if n == "altair"])
    with pytest.raises(BackendNotInstalledError, match=r"needs altair, .*'diglot\[parity\]'"):
        report.write(equal, tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_the_module_loads_neither_charts_nor_templates() -> None:
    code = "import sys, diglot.parity.report, diglot.parity.junit; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "diglot" in loaded
    assert not loaded & {"altair", "vl_convert", "jinja2", "torch", "tensorflow", "hypothesis"}
