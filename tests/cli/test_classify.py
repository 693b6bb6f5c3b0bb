"""``diglot classify``: its inputs, its outputs, and rows that cannot be classified."""

import csv
import io
import json
import sys
from functools import cache
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from diglot import TextClassifier
from diglot.cli import main
from diglot.cli.progress import RowProgress
from diglot.errors import InputError

TEXTS = ["a b c", "x y", "q", "s s s s", "z a"]
AWKWARD = ['say "a", b', "two\nlines\r\nof\rthem", "ü 日本 👍", "[bold]x[/bold] :smile:", "", " a "]


@pytest.fixture(scope="session")
def classifier(spread):
    return TextClassifier.from_pretrained(spread, "torch")


@pytest.fixture(scope="session")
def expected(classifier):
    """A function that returns the library's answer for a text."""

    @cache
    def expected(text, pair=None, **options):
        return classifier({"text": text, "text_pair": pair}, **options)

    return expected


def lines_of(out):
    return [json.loads(line) for line in out.splitlines()]


def check(records, texts, expected, numbers=None):
    assert [record["text"] for record in records] == list(texts)
    assert [record["line"] for record in records] == list(numbers or range(1, len(texts) + 1))
    for record in records:
        answer = expected(record["text"])
        assert record["label"] == answer["label"]
        assert record["score"] == pytest.approx(answer["score"], abs=1e-6)


# Inputs


def test_the_checkpoint_gives_different_labels(expected):
    assert len({expected(text)["label"] for text in TEXTS}) > 1


def test_texts_of_the_command_line(classify, expected):
    result = classify(*TEXTS)

    assert (result.code, result.err) == (0, "")
    check(lines_of(result.out), TEXTS, expected)


@pytest.mark.parametrize("arguments", [[], ["-"], ["--input", "-"]])
def test_texts_of_a_pipe(classify, expected, arguments):
    result = classify(*arguments, stdin="\n".join(TEXTS))

    assert (result.code, result.err) == (0, "")
    check(lines_of(result.out), TEXTS, expected)


def test_a_text_that_looks_like_an_option_follows_two_dashes(classify, expected):
    result = classify("--", "--traceback", "-")

    assert result.code == 0
    check(lines_of(result.out), ["--traceback", "-"], expected)


def write(tmp_path, name, texts):
    file = tmp_path / name
    match file.suffix:
        case ".txt":
            file.write_text("\n".join(texts))
        case ".csv":
            with file.open("w", newline="") as stream:
                csv.writer(stream).writerows([["id", "text"], *enumerate(texts)])
        case ".tsv":
            file.write_text("".join(f"{text}\t1\n" for text in ["sentence", *texts]))
        case ".jsonl":
            file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        case ".json":
            file.write_text(json.dumps(texts, indent=1))
        case ".parquet":
            parquet.write_table(pyarrow.table({"text": texts}), file)
    return file


@pytest.mark.parametrize(
    ("suffix", "first"),
    [("txt", 1), ("csv", 2), ("tsv", 2), ("jsonl", 1), ("json", 2), ("parquet", 1)],
)
def test_texts_of_files_in_more_than_one_window(
    classify, expected, tmp_path, monkeypatch, suffix, first
):
    monkeypatch.setenv("DIGLOT_BATCH_SIZE", "2")
    texts = TEXTS * 4
    assert len(texts) > 8 * 2
    result = classify("--input", write(tmp_path, f"a.{suffix}", texts))

    assert (result.code, result.err) == (0, "")
    check(lines_of(result.out), texts, expected, range(first, first + len(texts)))


def test_pairs_of_texts(classify, expected, tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("first,second,id\na b,c,1\nx,y z,2\n")
    result = classify("-i", file, "--column", "first", "--pair-column", "second")

    assert (result.code, result.err) == (0, "")
    records = lines_of(result.out)
    assert [(record["text"], record["text_pair"]) for record in records] == [
        ("a b", "c"),
        ("x", "y z"),
    ]
    for record in records:
        answer = expected(record["text"], record["text_pair"])
        assert record["score"] == pytest.approx(answer["score"], abs=1e-6)


def test_rows_are_answered_one_by_one_at_a_batch_size_of_one(classify, monkeypatch):
    answered = []
    # Unlike pytest's stream, it buffers output until it is flushed, as a pipe does.
    out = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", out)

    class Pipe(io.RawIOBase):
        """Returns one line at a time, and records the number of answers so far."""

        lines = iter([b"a\n", b"b\n", b"c\n"])

        def readable(self):
            return True

        def readinto(self, buffer):
            answered.append(out.buffer.getvalue().count(b"\n"))
            line = next(self.lines, b"")
            buffer[: len(line)] = line
            return len(line)

    pipe = io.TextIOWrapper(io.BufferedReader(Pipe()))
    result = classify("--batch-size", 1, stdin=pipe)

    assert result.code == 0
    answers = lines_of(out.buffer.getvalue().decode())
    assert [answer["text"] for answer in answers] == ["a", "b", "c"]
    assert answered[:4] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.txt", ""), ("a.csv", "text\n"), ("a.json", "[]"), ("a.jsonl", "\n\n")],
)
def test_a_source_without_texts_is_reported(classify, tmp_path, name, content):
    file = tmp_path / name
    file.write_text(content)
    result = classify("-i", file)

    assert (result.code, result.out) == (0, "")
    assert result.err == f"there is nothing to classify: {file} holds no texts\n"


def test_an_empty_pipe_gives_well_formed_output(classify):
    assert classify("-f", "json", stdin="").out == "[]\n"
    assert classify("-f", "csv", stdin="").out == "line,text,label,score\n"
    assert "<stdin> holds no texts" in classify(stdin="").err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give texts, or --input FILE, or a pipe"),
        (["a", "--input", "b.txt"], "give texts or --input, not both"),
        (["a", "--column", "b"], "neither format nor columns"),
        (["a", "--input-format", "csv"], "neither format nor columns"),
        (["a", "--top-k", "0"], "--top-k"),
        (["a", "--top-k", "few"], "'few' is neither a whole number above 0 nor 'all'"),
        (["a", "--output", "b.xml"], "'b.xml' does not end in one of .csv"),
        (["a", "--format", "xml"], "xml"),
        (["a", "--batch-size", "0"], "--batch-size"),
        (["a", "--max-length", "0"], "--max-length"),
    ],
)
def test_wrong_use_is_exit_code_2(run, arguments, words):
    result = run("classify", *arguments)

    assert (result.code, result.out) == (2, "")
    plain = " ".join(result.err.replace("│", " ").split())
    assert words in plain


def test_a_closed_standard_input_is_not_read(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SystemExit) as ended:
        main(["classify"])

    assert ended.value.code == 2
    assert "a pipe to read from" in capsys.readouterr().err


# Outputs


def test_top_k_ranks_labels(classify, expected, classifier):
    ((record,), (whole,)) = (
        lines_of(classify("a b c", "--top-k", count).out) for count in ("2", "all")
    )

    answers = expected("a b c", top_k=None)
    assert [result["label"] for result in record["predictions"]] == [
        answer["label"] for answer in answers[:2]
    ]
    assert [result["score"] for result in whole["predictions"]] == pytest.approx(
        [answer["score"] for answer in answers]
    )
    assert len(whole["predictions"]) == len(classifier.labels) == 3
    assert set(record) == {"line", "text", "predictions"}


def test_options_reach_the_classifier(classify, expected):
    def score(*arguments):
        (record,) = lines_of(classify("a b c d", *arguments).out)
        return record["score"]

    raw = expected("a b c d", function_to_apply="none")["score"]
    assert score("--function", "none") == pytest.approx(raw)
    assert score("--function", "sigmoid") == pytest.approx(1 / (1 + 2.718281828459045**-raw))
    cut = expected("a b c d", function_to_apply="none", max_length=4)["score"]
    assert cut != raw
    assert score("--function", "none", "--max-length", "4") == pytest.approx(cut)
    exact = score("--function", "none", "--precision", "float64", "--device", "cpu")
    assert exact == pytest.approx(raw, rel=1e-5)
    assert exact != raw


def test_labels_can_be_named(classify):
    (record,) = lines_of(classify("a", "--labels", "x, y ,z", "-k", "all").out)

    assert {result["label"] for result in record["predictions"]} == {"x", "y", "z"}


def test_a_fresh_head_must_be_requested(run, save_tiny):
    model = save_tiny("BertModel")
    refused = run("classify", "a", "-m", model, "-b", "torch")
    assert refused.code == 1
    assert "--fresh-head" in refused.err
    assert run("classify", "a", "-m", model, "-b", "torch", "--fresh-head").code == 0


@pytest.mark.parametrize("suffix", ["csv", "json", "jsonl"])
def test_an_output_can_be_read_as_an_input(classify, expected, tmp_path, suffix):
    source = tmp_path / "source.json"
    source.write_text(json.dumps(AWKWARD))
    first, second = tmp_path / f"first.{suffix}", tmp_path / f"second.{suffix}"

    assert classify("-i", source, "-o", first).code == 0
    assert classify("-i", first, "-o", second).code == 0

    content = second.read_bytes().decode()
    if suffix == "csv":
        rows = csv.DictReader(io.StringIO(content, newline=""))
        records = [row | {"score": float(row["score"]), "line": int(row["line"])} for row in rows]
    else:
        records = json.loads(content) if suffix == "json" else lines_of(content)
    check(records, AWKWARD, expected, [record["line"] for record in records])


def test_csv_numbers_the_labels_of_a_ranking(classify, expected):
    rows = list(csv.DictReader(io.StringIO(classify("a b", "-k", "2", "-f", "csv").out)))

    answers = expected("a b", top_k=2)
    assert [(row["line"], row["text"], row["rank"]) for row in rows] == [
        ("1", "a b", "1"),
        ("1", "a b", "2"),
    ]
    assert [row["label"] for row in rows] == [answer["label"] for answer in answers]


def test_json_is_an_array(classify):
    records = json.loads(classify("a", "b", "-f", "json").out)

    assert [record["text"] for record in records] == ["a", "b"]


def test_a_terminal_gets_a_table(classify, monkeypatch, expected):
    shown = classify("a b", "-f", "table").out
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert classify("a b").out == shown
    header, row = shown.splitlines()
    assert header.split() == ["line", "label", "score", "text"]
    answer = expected("a b")
    assert row.split() == ["1", answer["label"], f"{answer['score']:.4f}", "a", "b"]


@pytest.mark.parametrize(
    ("output", "terminals", "shown"),
    [
        (None, "stderr", True),
        ("-", "stderr", True),
        ("a.csv", "stderr", True),
        ("a.csv", "stdout stderr", True),
        # The bar would be printed between the answers.
        (None, "stdout stderr", False),
        ("-", "stdout stderr", False),
        # Standard error is no terminal.
        (None, "", False),
        ("a.csv", "stdout", False),
    ],
)
def test_the_progress_bar_is_shown_on_a_terminal_without_answers(
    classify, monkeypatch, output, terminals, shown
):
    seen = []
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(getattr(sys, name), "isatty", lambda name=name: name in terminals)
    monkeypatch.setattr(
        "diglot.cli.classify.RowProgress",
        lambda console, shown: seen.append(shown) or RowProgress(console, shown=False),
    )
    assert classify("a", *(["-o", output] if output else [])).code == 0
    assert seen == [shown]


# Rows that cannot be classified


BAD = '{"text": "a"}\n{"text": 1}\nnot json\n{"text": "\\ud800"}\n{"text": "b"}\n'


def test_the_first_bad_row_is_an_error_and_does_not_change_the_output(classify, tmp_path):
    source, output = tmp_path / "a.jsonl", tmp_path / "b.csv"
    source.write_text(BAD)
    output.write_text("as it was")
    result = classify("-i", source, "-o", output)

    assert (result.code, result.out) == (1, "")
    assert result.err == (
        f"diglot: {source}:2: has 1 as 'text', not a text (--on-error skip skips such rows)\n"
    )
    assert output.read_text() == "as it was"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "b.csv"]


def test_a_late_bad_row_does_not_change_the_output(classify, tmp_path):
    source, output = tmp_path / "a.jsonl", tmp_path / "b.csv"
    source.write_text('{"text": "a"}\n' * 30 + '{"text": "\\ud800"}\n')
    output.write_text("as it was")
    result = classify("-i", source, "-o", output, "--batch-size", "2")

    assert result.code == 1
    assert f"{source}:31: the input holds a lone surrogate, U+D800" in result.err
    assert output.read_text() == "as it was"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "b.csv"]


@pytest.mark.parametrize("size", ["1", "32"])
def test_bad_rows_can_be_skipped(classify, expected, tmp_path, size):
    source, output = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    source.write_text(BAD)
    result = classify("-i", source, "-o", output, "--on-error", "skip", "--batch-size", size)

    assert (result.code, result.out) == (0, "")
    first, second, third, count = result.err.splitlines()
    assert first == f"{source}:2: has 1 as 'text', not a text"
    assert second == f"{source}:3: is not valid JSON: Expecting value at column 1"
    assert third.startswith(f"{source}:4: the input holds a lone surrogate")
    assert count == "skipped 3 of 5 rows"
    check(lines_of(output.read_text()), ["a", "b"], expected, [1, 5])


def test_an_argument_that_is_no_text_is_named_by_its_number(classify):
    result = classify("a", "b\udcff")

    assert result.code == 1
    assert "TEXT 2: the input holds a lone surrogate, U+DCFF" in result.err


@pytest.mark.parametrize("row", ["\udcff", '{"text": "\\ud800"}'])
def test_no_answer_at_all_is_an_error_and_does_not_change_the_output(classify, tmp_path, row):
    source, output = tmp_path / "a.jsonl", tmp_path / "b.json"
    source.write_bytes(f"{row}\n{row}\n".encode("utf-8", "surrogateescape"))
    output.write_text("as it was")
    result = classify("--on-error", "skip", "-i", source, "-o", output)

    assert (result.code, result.out) == (1, "")
    first, second, last = result.err.splitlines()
    assert first.startswith(f"{source}:1: ")
    assert second.startswith(f"{source}:2: ")
    assert last.startswith("diglot: none of the 2 rows could be classified;")
    assert output.read_text() == "as it was"


@pytest.mark.parametrize(
    ("error", "raised"), [(InputError, SystemExit), (ZeroDivisionError, ZeroDivisionError)]
)
def test_a_model_that_fails_on_every_row_is_an_error(classify, spread, monkeypatch, error, raised):
    """Even with skipped rows: a defect is raised, and a refusal of all rows exits with 1."""

    def fail(*_, **__):
        raise error("broken")

    monkeypatch.setattr("diglot.backends.torch.TorchBackend.run", fail)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\nb\n")))
    with pytest.raises(raised) as ended:
        main(["classify", "-m", str(spread), "-b", "torch", "--on-error", "skip"])

    assert raised is not SystemExit or ended.value.code == 1


def test_messages_about_rows_hold_no_control_characters(classify):
    result = classify("--on-error", "skip", "--input-format", "jsonl", stdin='{"\\u001b[2J": 1}\n')

    assert "\x1b" not in result.err
    assert "[2J" in result.err


# The output file


def test_the_folders_of_an_output_are_created(classify, tmp_path):
    output = tmp_path / "new" / "deep" / "a.jsonl"

    assert classify("a", "-o", output).code == 0
    assert [record["text"] for record in lines_of(output.read_text())] == ["a"]


def test_the_input_may_be_the_output(classify, tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text('{"text": "a"}\n')

    assert classify("-i", file, "-o", file).code == 0
    assert "label" in lines_of(file.read_text())[0]


def test_output_to_a_dash_is_standard_output(classify):
    assert len(lines_of(classify("a", "-o", "-").out)) == 1


@pytest.mark.parametrize("name", ["", "/dev/full"])
def test_an_output_that_cannot_be_written_is_an_error(classify, tmp_path, name):
    target = Path(name) if name else tmp_path
    result = classify("a", "-o", target, "-f", "csv")

    assert result.code == 1
    assert result.err.startswith("diglot: ")
    assert len(result.err.splitlines()) == 1


def test_a_device_is_not_replaced(classify):
    assert classify("a", "-o", "/dev/null", "-f", "csv").code == 0
    assert Path("/dev/null").is_char_device()
