"""How what comes from elsewhere is written."""

import math

import pytest

from diglot.text import short_number, visible


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plain and naïve, 東京, <b>", "plain and naïve, 東京, <b>"),
        ("a\nb\tc\x00", r"a\nb\tc\x00"),
        ("\u202eexe", r"\u202eexe"),
        ("a\u00a0b\u2003c\u200d", r"a\xa0b\u2003c\u200d"),
        ("\ud800 \U000e0041", r"\ud800 \U000e0041"),
        ("", ""),
    ],
)
def test_what_does_not_show_is_written_out(text: str, said: str) -> None:
    assert visible(text) == said


def test_what_is_long_is_cut_and_measured() -> None:
    assert visible("a" * 10, 10) == "a" * 10
    assert visible("a" * 1234, 10) == "aaaaaaaaaa… (1,234 characters)"
    assert visible("\n" * 8, 3) == r"\n\n\n… (8 characters)"


@pytest.mark.parametrize(
    ("value", "said"),
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
def test_numbers_have_three_digits(value: float, said: str) -> None:
    assert short_number(value) == said


def test_numbers_may_have_fewer_digits() -> None:
    assert short_number(0.4149, 2) == "0.41"
