"""Text from outside and numbers, made safe and short."""

import math

import pytest

from diglot.text import json_number, short_number, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain and naïve, 東京, <b>", "plain and naïve, 東京, <b>"),
        ("a\nb\tc\x00", r"a\nb\tc\x00"),
        ("\u202eexe", r"\u202eexe"),
        ("a\u00a0b\u2003c\u200d", r"a\xa0b\u2003c\u200d"),
        ("\ud800 \U000e0041", r"\ud800 \U000e0041"),
        ("", ""),
    ],
)
def test_invisible_characters_become_escapes(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_long_text_is_cut_and_its_length_is_shown() -> None:
    assert visible("a" * 10, 10) == "a" * 10
    assert visible("a" * 1234, 10) == "aaaaaaaaaa… (1,234 characters)"
    assert visible("\n" * 8, 3) == r"\n\n\n… (8 characters)"


@pytest.mark.parametrize(
    ("value", "shown"),
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
def test_numbers_have_three_digits(value: float, shown: str) -> None:
    assert short_number(value) == shown


def test_numbers_may_have_fewer_digits() -> None:
    assert short_number(0.4149, 2) == "0.41"


def test_numbers_for_json() -> None:
    assert json_number(0.5) == 0.5
    names = [json_number(value) for value in (math.nan, math.inf, -math.inf)]
    assert names == ["NaN", "Infinity", "-Infinity"]
    assert [float(name) for name in names[1:]] == [math.inf, -math.inf]
