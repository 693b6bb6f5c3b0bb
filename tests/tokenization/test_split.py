"""The pre-tokenizer Split: the supported patterns, and the refusal of all others."""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf

from diglot.errors import TokenizerNotSupportedError
from diglot.tokenization.builders import build_pre_tokenizer


def _split(pattern: dict[str, str], behavior: str = "Isolated") -> dict[str, Any]:
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": False}


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("a+?", "lazy"),
        ("a{2}+", "lazy or repeated"),
        ("a??", "lazy"),
        ("^a", "'\\^a'"),
        ("a$", "'\\$'"),
        ("a.", "'.'"),
        (r"\ba", r"'\\\\b'"),
        (r"a\z", r"'\\\\z'"),
        (r"\R", r"'\\\\R'"),
        (r"(a)\1", r"'\\\\1'"),
        ("(?<=a)b", r"\(\?<=a"),
        ("(?<!a)b", r"\(\?<!a"),
        ("(?>a+)b", r"\(\?>a"),
        ("(?i)a", r"\(\?i\)"),
        ("(?:a?|b){1,2}c", "after an item that can match an empty string"),
        ("(?:ab)+", "after single characters only"),
        ("(?:ab){1,99}", "after single characters only"),
        ("(?i:é)", "'é' regardless of case"),
        (r"(?i:\p{L})", "regardless of case"),
        ("(?i:[^a])", "regardless of case"),
        ("(?i:[é])", "regardless of case"),
        ("(?i:ss)", "a single character can match one of .*ss"),
        ("(?i:office)", "a single character"),
        ("[]a]", "begins with ']'"),
        ("[^]a]", "begins with ']'"),
        ("[ab", "not closed"),
        ("(?:ab", "not closed"),
        ("ab)", r"'\)'"),
        ("a*", "it can match an empty string"),
        ("(?=a)", "it can match an empty string"),
        ("a|", "it can match an empty string"),
        ("a{,2}", "'{,2}'"),
        ("a{2,1}", "has no meaning"),
        ("|".join(f"[{chr(letter)}]" for letter in range(0x61, 0x61 + 32)), "more than 31 classes"),
    ],
)
def test_unsupported_patterns_are_refused(pattern: str, reason: str) -> None:
    with pytest.raises(TokenizerNotSupportedError, match=reason) as raised:
        build_pre_tokenizer(_split({"Regex": pattern}))
    assert raised.value.component == f"pre_tokenizer Split with the pattern {pattern!r}"


def test_an_unknown_behavior_is_refused() -> None:
    with pytest.raises(TokenizerNotSupportedError, match=r"'Shredded'.*Isolated"):
        build_pre_tokenizer(_split({"Regex": "a"}, "Shredded"))


@pytest.mark.parametrize("pattern", [{"Regex": ""}, {"String": ""}, {"Glob": "*"}])
def test_an_unknown_kind_of_pattern_is_refused(pattern: dict[str, str]) -> None:
    with pytest.raises(TokenizerNotSupportedError, match="expected a non-empty Regex or String"):
        build_pre_tokenizer(_split(pattern))


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        # As in Oniguruma, a greedy quantifier backtracks and a possessive one does not.
        (r"\s+(?!\S)|\s+", ["ab", "  ", " ", "c"]),
        (r"\s++(?!\S)|b", ["a", "b", "   c"]),
        (r"a?b|\s{2}", ["ab", "  ", " c"]),
        (r"(?i:AB) ", ["ab ", "  c"]),
        (r"[ab]{2,}| {1,2}", ["ab", "  ", " ", "c"]),
    ],
)
def test_quantifiers(pattern: str, words: list[str]) -> None:
    splitter = build_pre_tokenizer(_split({"Regex": pattern}))
    actual = splitter(tf.constant(["ab   c"]), tf.constant([True]))
    assert [word.decode() for word in actual.to_list()[0]] == words


@pytest.mark.parametrize("spec", [_split({"String": " "}), {"type": "ByteLevel"}])
@pytest.mark.parametrize("texts", [[], [""], ["", "a", ""]])
def test_no_texts_and_empty_texts(spec: dict[str, Any], texts: list[str]) -> None:
    pre_tokenizer = build_pre_tokenizer({"add_prefix_space": False, "trim_offsets": True, **spec})
    words = pre_tokenizer(tf.constant(texts, tf.string), tf.ones(len(texts), tf.bool))
    assert words.to_list() == [[text.encode()] if text else [] for text in texts]
