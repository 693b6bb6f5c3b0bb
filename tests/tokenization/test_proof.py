"""Drawn texts, and the search for the smallest text on which two tokenizers differ."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from diglot.tokenization.proof import Mismatch, mismatch, texts

# A piece is at most the longest word, and spaces can separate pieces.
LONGEST_PIECE = 121


def code_points(rows: Sequence[str], _: Sequence[str] | None = None) -> list[list[int]]:
    return [[ord(character) for character in row] for row in rows]


def without_sharp_s(rows: Sequence[str], _: Sequence[str] | None = None) -> list[list[int]]:
    return code_points([row.replace("ß", "") for row in rows])


def lengths(rows: Sequence[str], pairs: Sequence[str] | None) -> list[list[int]]:
    assert pairs is not None
    return [[len(row), len(pair)] for row, pair in zip(rows, pairs, strict=True)]


def lengths_up_to_three(rows: Sequence[str], pairs: Sequence[str] | None) -> list[list[int]]:
    return [[first, min(second, 3)] for first, second in lengths(rows, pairs)]


def test_equal_seeds_give_equal_texts() -> None:
    assert texts(3, 20) == texts(3, 20)
    assert texts(3, 20) != texts(4, 20)


def test_the_first_text_is_empty_and_the_last_is_long() -> None:
    drawn = texts(0, 30)
    assert len(drawn) == 30
    assert drawn[0] == ""
    assert len(drawn[-1]) >= 2_000 > max(map(len, drawn[:-1]))


@pytest.mark.parametrize("longest", [0, 1, 5, 40])
def test_no_text_has_more_pieces_than_the_longest(longest: int) -> None:
    drawn = texts(0, 200, longest=longest)
    assert max(map(len, drawn)) <= LONGEST_PIECE * longest
    # Tokens without a space in them can be counted.
    drawn = texts(0, 200, ["\ue001"], longest=longest)
    assert max(text.count("\ue001") for text in drawn) <= longest


def test_the_longest_text_has_the_number_of_pieces() -> None:
    # About one piece in four is the token.
    counts = [texts(seed, 3, ["\ue001"], longest=400)[-1].count("\ue001") for seed in range(5)]
    assert all(50 < count < 150 for count in counts)


def test_a_negative_number_of_pieces_is_refused() -> None:
    with pytest.raises(ValueError, match="longest=-1 is negative"):
        texts(0, 3, longest=-1)


def test_tokens_are_among_the_texts() -> None:
    assert any("[TOKEN]" in text for text in texts(0, 30, ["[TOKEN]"]))


def test_equal_tokenizers_have_no_mismatch() -> None:
    assert mismatch(code_points, code_points, texts(0, 30)) is None


def test_a_mismatch_is_shrunk_to_the_smallest_text() -> None:
    drawn = texts(0, 200)
    assert any("ß" in text and len(text) > 20 for text in drawn)
    smallest = mismatch(without_sharp_s, code_points, drawn)
    assert smallest == Mismatch("ß", None, [], [0xDF])
    assert str(smallest) == "'ß' becomes [], but [223] in the library"


def test_both_texts_of_a_pair_are_shrunk() -> None:
    smallest = mismatch(lengths_up_to_three, lengths, ["some text"], ["another text"])
    assert smallest is not None
    assert (smallest.text, len(smallest.pair or "")) == ("", 4)
    assert smallest.actual == [0, 3]
    assert smallest.expected == [0, 4]
