"""Reading rows: every format, and every fault of a row and of a whole file."""

import csv
import gc
import io
import json
import re
import sys

import pyarrow
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import parquet

from diglot.cli import rows
from diglot.cli.rows import Columns, Fault, Kind, Row, json_array
from diglot.errors import BackendNotInstalledError, InputError


def read(file, kind=None, *, text=None, pair=None):
    with rows.opened(str(file), kind, Columns(text, pair)) as source:
        return list(source.rows)


def written(tmp_path, name, content):
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def refused(file, *words, kind=None, **columns):
    with pytest.raises(InputError) as error:
        read(file, kind, **columns)
    message = str(error.value)
    assert str(file) in message
    for word in words:
        assert word in message
    return message


# Plain text


def test_each_line_is_a_text_and_keeps_its_number(tmp_path):
    file = written(tmp_path, "reviews.txt", "good\n\n  bad \r\nüñí\tx\x0b\u2028y\rz")

    assert read(file) == [
        Row(1, "good"),
        Row(2, ""),
        Row(3, "  bad "),
        Row(4, "üñí\tx\x0b\u2028y\rz"),
    ]


@pytest.mark.parametrize("name", ["reviews", "reviews.TXT"])
def test_a_byte_order_mark_is_no_part_of_the_first_text(tmp_path, name):
    assert read(written(tmp_path, name, b"\xef\xbb\xbfone\ntwo\n")) == [
        Row(1, "one"),
        Row(2, "two"),
    ]


def test_a_line_that_is_not_utf8_is_the_only_fault(tmp_path):
    first, bad, last = read(written(tmp_path, "reviews.txt", b"a\nca\xffe\nb"))

    assert (first, last) == (Row(1, "a"), Row(3, "b"))
    assert isinstance(bad, Fault)
    assert bad.line == 2
    assert "not UTF-8 (byte 0xff at position 2)" in bad.reason


def test_an_empty_file_has_no_rows(tmp_path):
    assert read(written(tmp_path, "reviews.txt", "")) == []


@pytest.mark.parametrize(
    ("columns", "option"), [({"text": "a"}, "--column"), ({"pair": "a"}, "--pair-column")]
)
def test_plain_text_has_no_columns(tmp_path, columns, option):
    refused(written(tmp_path, "a.txt", "x"), option, "--input-format", **columns)


# CSV and TSV


def test_quoted_csv_cells_may_hold_delimiters_and_line_ends(tmp_path):
    file = written(tmp_path, "a.csv", 'id,text\n1,"a, ""b""\nc"\n\n2,"d\r\ne"\n3, f \n4,""\n')

    assert read(file) == [
        Row(2, 'a, "b"\nc'),
        Row(5, "d\r\ne"),
        Row(7, " f "),
        Row(8, ""),
    ]


def test_the_text_column_is_found_by_its_name_or_because_it_is_alone(tmp_path):
    assert read(written(tmp_path, "a.csv", "sentence,label\nx,1\n")) == [Row(2, "x")]
    assert read(written(tmp_path, "b.csv", "sentence,text\nx,y\n")) == [Row(2, "y")]
    assert read(written(tmp_path, "c.csv", "review\nx\n")) == [Row(2, "x")]
    assert read(written(tmp_path, "d.csv", "a,b\nx,y\n"), pair="b") == [Row(2, "x", "y")]


def test_the_text_column_can_be_named(tmp_path):
    file = written(tmp_path, "a.csv", b"\xef\xbb\xbftitle,text,other\nx,y,z\n")

    assert read(file, text="title") == [Row(2, "x")]
    assert read(file, text="other", pair="title") == [Row(2, "z", "x")]


def test_a_csv_file_without_a_usable_header_is_refused(tmp_path):
    refused(written(tmp_path, "a.csv", ""), "is empty", "columns' names")
    refused(written(tmp_path, "b.csv", "\n\n"), "is empty")
    refused(written(tmp_path, "c.csv", 'a"b,"c"d\n1,2\n'), "no readable header")
    refused(written(tmp_path, "d.csv", "a,b\n1,2\n"), "text or sentence", "--column", "'a', 'b'")
    refused(written(tmp_path, "e.csv", "a,text\n1,2\n"), "no column named 'c'", "'a'", text="c")
    refused(written(tmp_path, "f.csv", "text,a\n1,2\n"), "no column named 'c'", pair="c")
    refused(written(tmp_path, "g.csv", "text,text\n1,2\n"), "2 columns named 'text'")
    refused(written(tmp_path, "h.csv", "text;label\nx;1\n"), "'text;label'", "commas", "--column")
    refused(written(tmp_path, "i.csv", b"text\xff,b\nx,1\n"), "header", "not UTF-8 (byte 0xff")


def test_a_header_cell_that_only_looks_like_several_can_be_named(tmp_path):
    assert read(written(tmp_path, "a.csv", "a;b\nx\n"), text="a;b") == [Row(2, "x")]


def test_rows_with_a_wrong_number_of_cells_are_faults(tmp_path):
    file = written(tmp_path, "a.csv", "text,label\na,1\nb, c,1\nd\ne,0\n")

    first, long, short, last = read(file)
    assert (first, last) == (Row(2, "a"), Row(5, "e"))
    assert long == Fault(3, "has 3 cells, but the header has 2")
    assert short == Fault(4, "has 1 cells, but the header has 2")


@pytest.mark.parametrize("broken", ['"b', '"b" c', '"b"x'])
def test_a_broken_quotation_is_a_fault_of_its_line_only(tmp_path, broken):
    file = written(tmp_path, "a.csv", f'text\na\n{broken}\nc\n"d\ne"\nf\n')

    first, bad, *rest = read(file)
    assert first == Row(2, "a")
    assert isinstance(bad, Fault)
    assert bad.line == 3
    assert "not valid CSV" in bad.reason
    assert rest == [Row(4, "c"), Row(5, "d\ne"), Row(7, "f")]


def test_an_unending_quotation_does_not_swallow_the_file(tmp_path):
    lines = "x" * 99 + "\n"
    result = read(written(tmp_path, "a.csv", 'text\n"open\n' + lines * 3000))

    assert [row.line for row in result] == list(range(2, 3003))
    assert [row for row in result if isinstance(row, Fault)] == [
        Fault(2, "is not valid CSV: field larger than field limit (131072)")
    ]


def test_a_csv_cell_that_is_not_utf8_is_a_fault_if_it_is_read(tmp_path):
    file = written(tmp_path, "a.csv", b"id,text\n1,\xe9\n\xe9,b\n")

    bad, good = read(file)
    assert isinstance(bad, Fault)
    assert (bad.line, good) == (2, Row(3, "b"))
    assert "byte 0xe9" in bad.reason


def test_quotation_marks_have_no_meaning_in_tsv(tmp_path):
    file = written(tmp_path, "a.tsv", 'sentence\tlabel\n"a\t1\nb, "c" d\t0\n')

    assert read(file) == [Row(2, '"a'), Row(3, 'b, "c" d')]
    refused(written(tmp_path, "b.tsv", ""), "TSV")


# JSON lines


def test_json_lines_hold_objects_or_texts(tmp_path):
    file = written(tmp_path, "a.jsonl", '{"text": "a", "id": 1}\r\n\n"b\\u00fc\\n"\n {"text": ""}')

    assert read(file) == [Row(1, "a"), Row(3, "bü\n"), Row(4, "")]


def test_pairs_come_only_from_objects(tmp_path):
    file = written(tmp_path, "a.ndjson", '{"a": "x", "b": "y"}\n"z"\n{"a": "x", "b": null}\n')

    good, bare, null = read(file, text="a", pair="b")
    assert good == Row(1, "x", "y")
    assert bare == Fault(2, 'holds "z", not an object')
    assert null == Fault(3, "has null as 'b', not a text")


def test_each_bad_json_line_is_a_fault_of_its_own(tmp_path):
    lines = [
        '{"text": "a"}',
        '{"text": }',
        "{}",
        '{"other": "x"}',
        '{"text": 5}',
        "[1, 2]",
        "1" * 5000,
        "[" * 100_000,
        '{"text": "\udcff"}',
        '{"text": "b"}',
    ]
    content = "\n".join(lines).encode("utf-8", "surrogateescape")

    first, *bad, last = read(written(tmp_path, "a.jsonl", content))
    assert (first, last) == (Row(1, "a"), Row(10, "b"))
    assert [fault.line for fault in bad] == list(range(2, 10))
    reasons = [fault.reason for fault in bad]
    assert reasons[0] == "is not valid JSON: Expecting value at column 10"
    assert reasons[1] == "has no key 'text'; its keys: none"
    assert reasons[2] == "has no key 'text'; its keys: 'other'"
    assert reasons[3] == "has 5 as 'text', not a text"
    assert reasons[4] == "holds [1, 2], not an object or a text"
    assert reasons[5].startswith("is not valid JSON: Exceeds the limit")
    assert reasons[6].startswith("is not valid JSON: maximum recursion depth")
    assert reasons[7].startswith("is not UTF-8 (byte 0xff at position 10)")


def test_the_first_good_object_determines_the_key(tmp_path):
    file = written(tmp_path, "a.jsonl", '{"id": 1}\n{"review": "a"}\n{"id": "b"}\n{"x": 1, "y": 2}')

    number, good, other, unlike = read(file)
    assert number == Fault(1, "has 1 as 'id', not a text")
    assert good == Row(2, "a")
    assert other == Fault(3, "has no key 'review'; its keys: 'id'")
    assert unlike == Fault(4, "has no key 'review'; its keys: 'x', 'y'")


def test_an_object_without_a_usual_key_says_how_to_name_one(tmp_path):
    (bad,) = read(written(tmp_path, "a.jsonl", '{"x": "1", "y": "2"}'))

    assert isinstance(bad, Fault)
    assert "--column" in bad.reason
    assert "'x', 'y'" in bad.reason


def test_a_named_key_is_required_of_each_object(tmp_path):
    good, bad = read(written(tmp_path, "a.jsonl", '{"x": "1"}\n{"text": "2"}'), text="x")

    assert good == Row(1, "1")
    assert isinstance(bad, Fault)
    assert "'x'" in bad.reason


def test_long_values_are_cut_in_messages(tmp_path):
    (bad,) = read(written(tmp_path, "a.jsonl", json.dumps({"text": list(range(99))})))

    assert isinstance(bad, Fault)
    assert "…" in bad.reason
    assert len(bad.reason) < 80


# JSON arrays


def test_an_array_is_read_element_by_element(tmp_path):
    file = written(tmp_path, "a.json", '\n[ {"text": "a,]"},\n\n"b"\n, {"text":\n"c"}, 5 ]\n ')

    assert read(file) == [
        Row(2, "a,]"),
        Row(4, "b"),
        Row(5, "c"),
        Fault(6, "holds 5, not an object or a text"),
    ]
    assert read(written(tmp_path, "b.json", " [ ] ")) == []


def test_an_element_that_is_not_utf8_is_a_fault(tmp_path):
    bad, good = read(written(tmp_path, "a.json", b'["\xff", "a"]'))

    assert isinstance(bad, Fault)
    assert "byte 0xff" in bad.reason
    assert good == Row(1, "a")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("", "is empty"),
        ("{}", "begins with '{'"),
        ('["a"', "found the end of the file"),
        ('["a" "b"]', "found '\"'"),
        ('["a"]]', "there is ']' after the array's end"),
        ('["a",\n]', ":2: the element that begins here"),
        ('["a', "Unterminated string"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_a_broken_array_ends_the_reading(tmp_path, content, word):
    refused(written(tmp_path, "a.json", content), word)


def test_an_element_without_an_end_is_not_read_to_the_end_of_the_file(monkeypatch):
    monkeypatch.setattr(json_array, "_LARGEST_ELEMENT", 1000)
    monkeypatch.setattr(json_array, "_CHUNK", 100)
    stream = io.StringIO('["' + "x" * 100_000)

    with pytest.raises(InputError, match="not valid JSON"):
        list(json_array.elements(stream, "a.json"))
    assert stream.tell() < 3000


@given(
    values=st.lists(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        )
    ),
    chunk=st.integers(1, 40),
    indent=st.sampled_from([None, 0, 2]),
    ascii_only=st.booleans(),
)
@example(values=[0.5, -12e-300, "a"], chunk=1, indent=None, ascii_only=False)
def test_arrays_are_read_as_json_reads_them_for_every_chunk_size(values, chunk, indent, ascii_only):
    content = json.dumps(values, indent=indent, ensure_ascii=ascii_only)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_array, "_CHUNK", chunk)
        result = list(json_array.elements(io.StringIO(content), "a.json"))

    assert [element.value for element in result] == values
    assert [json.loads(element.written) for element in result] == values
    lines = content.split("\n")
    for element in result:
        assert element.written.split("\n")[0] in lines[element.line - 1]


# Parquet


def table(tmp_path, **columns):
    file = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table(columns), file, row_group_size=700)
    return file


def test_parquet_rows_are_numbered_and_null_is_a_fault(tmp_path):
    texts = [f"text {number}" for number in range(2500)]
    file = table(tmp_path, id=[*range(2501)], sentence=[*texts, None])

    *good, bad = read(file)
    assert good == [Row(number, text) for number, text in enumerate(texts, 1)]
    assert bad == Fault(2501, "has null in the column 'sentence', not a text")


def test_parquet_texts_may_be_large_or_dictionaries_and_pairs(tmp_path):
    file = table(
        tmp_path,
        text=pyarrow.array(["a", "b"], pyarrow.large_string()),
        other=pyarrow.array(["x", "x"]).dictionary_encode(),
    )

    assert read(file, pair="other") == [Row(1, "a", "x"), Row(2, "b", "x")]


def test_a_parquet_text_that_is_not_utf8_is_a_fault(tmp_path):
    broken = pyarrow.array([b"a", b"\xff", b"b"], pyarrow.binary()).view(pyarrow.string())

    first, bad, last = read(table(tmp_path, text=broken))
    assert (first, last) == (Row(1, "a"), Row(3, "b"))
    assert isinstance(bad, Fault)
    assert "byte 0xff" in bad.reason


def test_a_parquet_column_must_hold_texts(tmp_path):
    refused(table(tmp_path, text=[1, 2]), "'text'", "int64")
    refused(table(tmp_path, a=["x"], b=["y"]), "--column", "'a', 'b'")


def test_damaged_parquet_is_refused(tmp_path):
    refused(written(tmp_path, "a.parquet", b"PAR1 and no more"), "Parquet")

    file = table(tmp_path, text=[f"{number:099}" for number in range(5000)])
    content = bytearray(file.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 5000] = b"\xff" * 5000
    file.write_bytes(content)
    assert re.search(r":\d+: cannot be read as Parquet", refused(file))


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    file = table(tmp_path, text=["a"])
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(BackendNotInstalledError, match=re.escape("'diglot[parquet]'")) as error:
        read(file)
    assert str(file) in str(error.value)


# Files


def test_a_file_that_cannot_be_opened_is_refused(tmp_path):
    refused(tmp_path / "none.csv", "No such file")
    refused(tmp_path, "Is a directory")


def test_an_unknown_suffix_asks_for_the_format(tmp_path):
    file = written(tmp_path, "a.xlsx", "text\nx")

    refused(file, ".xlsx", "--input-format", "parquet")
    assert read(file, Kind.CSV) == [Row(2, "x")]


def test_standard_input_is_text_unless_another_format_is_named(monkeypatch):
    def piped(content, kind=None):
        stream = io.BytesIO(content)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))
        result = read("-", kind)
        assert not stream.closed
        return result

    assert piped(b"text,b\n") == [Row(1, "text,b")]
    assert piped(b"text,b\nx,y\n", Kind.CSV) == [Row(2, "x")]
    with pytest.raises(InputError, match="pipe"):
        piped(b"", Kind.PARQUET)


@pytest.mark.parametrize("name", ["a.txt", "a.parquet", "-"])
def test_reading_may_end_before_the_file_does(tmp_path, monkeypatch, name):
    table(tmp_path, text=["a", "b"])
    written(tmp_path, "a.txt", "a\nb\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\nb\n")))
    with rows.opened("-" if name == "-" else str(tmp_path / name), None, Columns()) as source:
        assert next(source.rows) == Row(1, "a")

    # A generator that fails to close is reported now, as an error of this test.
    del source
    gc.collect()


def test_a_source_reports_its_size_and_the_bytes_read(tmp_path):
    content = "text\n" + "a b c\n" * 20_000
    with rows.opened(str(written(tmp_path, "a.csv", content)), None, Columns()) as source:
        assert source.size == len(content)
        assert source.done() < source.size
        next(source.rows)
        assert 0 < source.done() < source.size
        assert len(list(source.rows)) == 19_999
        assert source.done() == source.size

    with rows.opened(str(table(tmp_path, text=["a", "b"])), None, Columns()) as source:
        assert (source.size, source.done) == (2, None)


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_files_of_pythons_csv_module_are_read_back(tmp_path_factory, texts):
    file = tmp_path_factory.mktemp("csv") / "a.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, quoting=csv.QUOTE_ALL).writerows([["text"], *([text] for text in texts)])

    assert [row.text for row in read(file)] == texts
