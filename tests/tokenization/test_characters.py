"""The questions to the library about single characters, and the operations on code points."""

from __future__ import annotations

import pytest
import tensorflow as tf
from tokenizers import normalizers

from diglot.tokenization import characters


def test_the_library_is_asked_for_the_characters_that_change() -> None:
    answers = characters.ask(normalizers.Lowercase())
    assert answers[ord("A")] == "a"
    assert answers[ord("İ")] == "i\u0307"
    assert ord("a") not in answers
    assert ord("~") not in answers


def test_a_character_that_becomes_the_separator_does_not_shift_its_neighbours() -> None:
    answers = characters.ask(normalizers.Replace("b", "~"))
    assert dict(answers) == {ord("b"): "~"}


def test_an_equal_normalizer_is_not_asked_again() -> None:
    first = characters.ask(normalizers.BertNormalizer(lowercase=False))
    assert characters.ask(normalizers.BertNormalizer(lowercase=False)) is first
    assert characters.ask(normalizers.BertNormalizer(lowercase=True)) != first


def test_the_answers_are_read_only() -> None:
    answers = characters.ask(normalizers.Lowercase())
    with pytest.raises(TypeError):
        answers[0] = "x"  # type: ignore[index]


def test_the_library_is_asked_for_the_members_of_a_class() -> None:
    space = characters.members(r"\s")
    assert [space[ord(character)] for character in " \n\u3000x_"] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert not space.flags.writeable


def test_utf8_lengths() -> None:
    text = "a\x7f\x80\u07ff\u0800\uffff\U00010000\U0010ffff"
    lengths = characters.utf8_lengths(tf.constant([ord(character) for character in text]))
    assert lengths.numpy().tolist() == [len(character.encode()) for character in text]


def test_replacements_can_be_empty_and_longer() -> None:
    table = characters.ReplacementTable({ord("a"): "", ord("b"): "xyz", ord("c"): "c"})
    code_points = characters.decode(tf.constant(["abc", "", "aa", "é"]))
    texts = characters.encode(table(code_points)).numpy()
    assert [text.decode() for text in texts] == ["xyzc", "", "", "é"]


def test_texts_are_cut_at_dropped_characters_and_at_starts() -> None:
    code_points = characters.decode(tf.constant(["ab cd", " ", "e"]))
    values = code_points.values
    words = characters.cut(code_points, values != ord(" "), values == ord("d"))
    assert words.to_list() == [[b"ab", b"c", b"d"], [], [b"e"]]
