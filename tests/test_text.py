"""Text in visible characters, and numbers in a few digits or in JSON."""

import json
import math

import pytest

from diglot.text import json_number, short_number, visible


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain and naïve, 東京, <b>", "plain and naïve, 東京, <b>"),
        ("a\nb\tc\x00", r"a\nb\tc\x00"),
        ("\u202eexe", r"\u202eexe"),
        ("a\u00a0b\u2003c\u200d", r"a\xa0b\u2003c\u200d"),
        ("\ud800 \U000e0041", r"\ud800 \U000e0041"),
        ("", ""),
    ],
)
def test_invisible_characters_become_escapes(text: str, expected: str) -> None:
    assert visible(text) == expected


def test_a_long_text_is_cut_and_its_length_appended() -> None:
    assert visible("a" * 10, 10) == "a" * 10
    assert visible("a" * 1234, 10) == "aaaaaaaaaa… (1,234 characters)"
    assert visible("\n" * 8, 3) == r"\n\n\n… (8 characters)"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "0"),
        (0.41, "0.41"),
        (41.0, "41"),
        (3.14159e-6, "3.14e-6"),
        (2.5e7, "2.5e7"),
        (-1.25, "-1.25"),
        (math.inf, "∞"),
        (-math.inf, "-∞"),
        (math.nan, "nan"),
    ],
)
def test_numbers_have_three_digits(value: float, expected: str) -> None:
    assert short_number(value) == expected


def test_numbers_may_have_fewer_digits() -> None:
    assert short_number(0.4149, 2) == "0.41"


def test_a_text_without_a_limit_is_whole() -> None:
    assert visible("a" * 9999, None) == "a" * 9999


def test_spaces_may_stay_but_other_white_space_may_not() -> None:
    assert visible("a\u00a0b\u3000c\n\u2028\u202e", spaces=True) == (
        "a\u00a0b\u3000c\\n\\u2028\\u202e"
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, 0.0),
        (-1.5e300, -1.5e300),
        (math.nan, "NaN"),
        (-math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
    ],
)
def test_numbers_are_valid_json(value: float, expected: object) -> None:
    assert json_number(value) == expected
    assert json.loads(json.dumps(json_number(value), allow_nan=False)) == expected


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_the_texts_of_numbers_are_read_back_by_python(value: float) -> None:
    assert repr(float(json_number(value))) == repr(value)
