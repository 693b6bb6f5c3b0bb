"""Formats of answers and of facts."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from diglot.cli import rendering
from diglot.cli.rendering import Answer, Format

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def prediction(label="GOOD", score=0.25):
    return {"label": label, "score": score}


def writer(layout, stream, *, columns=("label", "score"), labels=("GOOD",), **options):
    defaults = {"ranked": False, "pairs": False}
    return rendering.writer(
        layout, stream, columns=columns, labels=labels, **{**defaults, **options}
    )


def rendered(layout, answers, **options):
    stream = io.StringIO()
    layout_writer = writer(layout, stream, **options)
    for answer in answers:
        layout_writer.write(answer)
    layout_writer.finish()
    return stream.getvalue()


def answers(*texts, **options):
    return [Answer(line, [text], [prediction(**options)]) for line, text in enumerate(texts, 1)]


@pytest.fixture(autouse=True)
def _narrow(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def test_each_json_line_is_written_at_once():
    stream = io.StringIO()
    lines = writer(Format.JSONL, stream)
    first, second = answers("a\n", "ü")
    lines.write(first)
    expected = '{"line": 1, "text": "a\\n", "label": "GOOD", "score": 0.25}\n'
    assert stream.getvalue() == expected
    lines.write(second)
    expected += '{"line": 2, "text": "ü", "label": "GOOD", "score": 0.25}\n'
    assert stream.getvalue() == expected
    lines.finish()
    assert stream.getvalue() == expected


def test_json_is_one_array():
    records = json.loads(rendered(Format.JSON, answers("a", "b", "c")))

    assert [record["text"] for record in records] == ["a", "b", "c"]
    assert rendered(Format.JSON, []) == "[]\n"


def test_json_writes_numbers_that_are_not_finite_as_texts():
    scores = [float("nan"), float("inf"), float("-inf"), 0.0]
    ranking = Answer(1, ["a", "b"], [prediction(score=score) for score in scores])
    (record,) = json.loads(rendered(Format.JSON, [ranking], ranked=True, pairs=True))

    assert [result["score"] for result in record["predictions"]] == [
        "NaN",
        "Infinity",
        "-Infinity",
        0.0,
    ]
    assert (record["text"], record["text_pair"]) == ("a", "b")
    assert "label" not in record


@given(texts=st.lists(st.tuples(TEXTS, TEXTS)), label=TEXTS)
def test_csv_is_read_back_as_it_was(texts, label):
    pairs = [Answer(line, pair, [prediction(label)]) for line, pair in enumerate(texts, 1)]
    content = rendered(Format.CSV, pairs, pairs=True)

    assert list(csv.reader(io.StringIO(content, newline=""), strict=True)) == [
        ["line", "text", "text_pair", "label", "score"],
        *([str(line), *pair, label, "0.25"] for line, pair in enumerate(texts, 1)),
    ]


def test_csv_gives_every_label_of_a_ranking_a_record():
    ranking = Answer(3, ["a"], [prediction("x", 0.75), prediction("y")])

    assert rendered(Format.CSV, [ranking], ranked=True) == (
        'line,text,rank,label,score\n3,"a",1,"x",0.75\n3,"a",2,"y",0.25\n'
    )


def test_a_table_shows_markup_and_control_characters_as_text():
    out = rendered(Format.TABLE, answers("[bold]x[/bold] :smile: [/]\x1b[31m\n\u202e\xa0z"))

    assert "[bold]x[/bold] :smile: [/]\\x1b[31m\\n\\u202e\xa0z" in out


@given(
    texts=st.lists(TEXTS, min_size=1),
    label=st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=24),
    score=st.floats(),
)
def test_a_table_fits_80_columns_with_a_line_for_each_text(texts, label, score):
    out = rendered(Format.TABLE, answers(*texts, label=label, score=score), labels=[label])

    lines = out.split("\n")
    assert len(lines) == 1 + len(texts) + 1
    assert all(cell_len(line) <= 80 for line in lines)
    assert out.replace("\n", "").isprintable() or any(map(str.isspace, "".join(texts)))


def test_a_table_has_room_for_every_score():
    scores = [0.5, 1.0, -12.34567, 9998.5, -10000.0, 1e300, float("nan"), float("-inf")]
    rows = [Answer(1, ["a"], [prediction(score=score)]) for score in scores]
    lines = rendered(Format.TABLE, rows).splitlines()[1:]

    assert [line.split()[2] for line in lines] == [
        *("0.5000", "1.0000", "-12.3457", "9998.5000"),
        *("-1.00e+04", "1.00e+300", "nan", "-inf"),
    ]


def test_a_table_cuts_long_texts_and_folds_long_labels():
    rows = answers("word " * 50, label="a" * 30)
    header, first, second = rendered(Format.TABLE, rows, labels=["a" * 30]).splitlines()

    assert header.split() == ["line", "label", "score", "text"]
    assert first.split()[:4] == ["1", "a" * 24, "0.2500", "word"]
    assert first.rstrip().endswith("…")
    assert second.split() == ["a" * 6]
    assert len(first) <= 80


def test_a_table_has_one_header_and_names_each_row_once():
    ranking = Answer(7, ["a", "b"], [prediction("x", 0.75), prediction("y")])
    lines = rendered(Format.TABLE, [ranking, ranking], ranked=True, pairs=True).splitlines()

    assert [line.split() for line in lines] == [
        ["line", "label", "score", "text"],
        ["7", "x", "0.7500", "a", "|", "b"],
        ["y", "0.2500"],
        ["7", "x", "0.7500", "a", "|", "b"],
        ["y", "0.2500"],
    ]


def test_the_columns_of_a_table_do_not_move():
    """The labels of the classifier set the width, not the label of a row."""
    rows = [Answer(1, ["a"], [prediction("x")]), Answer(2, ["a"], [prediction("x" * 20)])]
    lines = rendered(Format.TABLE, rows, labels=["x", "x" * 20]).splitlines()

    assert len({line.rstrip().rindex("a") for line in lines[1:]}) == 1


def test_the_columns_come_from_the_head():
    result = {"word": "Ada", "start": 3, "score": 0.5}
    options = {"columns": ("word", "score", "start"), "labels": ("PER",)}
    answer = Answer(1, ["I, Ada"], [result])

    assert rendered(Format.CSV, [answer], **options) == (
        'line,text,word,score,start\n1,"I, Ada","Ada",0.5,3\n'
    )
    assert list(json.loads(rendered(Format.JSONL, [answer], **options)).items()) == [
        ("line", 1),
        ("text", "I, Ada"),
        ("word", "Ada"),
        ("score", 0.5),
        ("start", 3),
    ]
    header, row = rendered(Format.TABLE, [answer], **options).splitlines()
    assert header.split() == ["line", "word", "score", "start", "text"]
    assert row.split() == ["1", "Ada", "0.5000", "3", "I,", "Ada"]


def test_facts_are_folded_and_not_cut():
    stream = io.StringIO()
    console = rendering.console(stream)
    console.print(rendering.facts([["key", "[x]" * 50, "end"]], "a", "b", "c"))

    assert all(len(line) <= 80 for line in stream.getvalue().splitlines())
    assert stream.getvalue().count("[x]") > 40
    assert stream.getvalue().splitlines()[0].split() == ["a", "b", "c"]
