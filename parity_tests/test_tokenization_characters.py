"""Normalizers and pre-tokenizers of code points, compared with the library."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
import tensorflow as tf
from hypothesis import given
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from diglot.tokenization import builders

from .hard_texts import ALL_CHARACTERS, LONG, crowds

NORMALIZERS = {
    "NFC": normalizers.NFC(),
    "NFD": normalizers.NFD(),
    "NFKC": normalizers.NFKC(),
    "NFKD": normalizers.NFKD(),
    "bert": normalizers.BertNormalizer(),
    "bert-cased": normalizers.BertNormalizer(lowercase=False),
    "bert-with-accents": normalizers.BertNormalizer(strip_accents=False),
    "bert-accents-only": normalizers.BertNormalizer(False, False, True, False),
    "bert-not-chinese": normalizers.BertNormalizer(True, False, True, True),
    "lowercase": normalizers.Lowercase(),
    "nmt": normalizers.Nmt(),
    "strip": normalizers.Strip(),
    "strip-left": normalizers.Strip(right=False),
    "strip-right": normalizers.Strip(left=False),
    "prepend": normalizers.Prepend("\u2581"),
    "replace": normalizers.Replace("e\u0301", r"\1\0é$"),
    "sequence": normalizers.Sequence(
        [
            normalizers.NFKD(),
            normalizers.StripAccents(),
            normalizers.Replace(".", ""),
            normalizers.Lowercase(),
            normalizers.Strip(),
            normalizers.Prepend("_"),
        ]
    ),
}

PRE_TOKENIZERS = {
    "bert": pre_tokenizers.BertPreTokenizer(),
    "whitespace": pre_tokenizers.Whitespace(),
    "whitespace-split": pre_tokenizers.WhitespaceSplit(),
    "digits": pre_tokenizers.Digits(),
    "single-digits": pre_tokenizers.Digits(individual_digits=True),
    "punctuation-removed": pre_tokenizers.Punctuation("removed"),
    "punctuation-isolated": pre_tokenizers.Punctuation("isolated"),
    "punctuation-contiguous": pre_tokenizers.Punctuation("contiguous"),
    "punctuation-before": pre_tokenizers.Punctuation("merged_with_previous"),
    "punctuation-after": pre_tokenizers.Punctuation("merged_with_next"),
    "sequence": pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.Punctuation("merged_with_next"),
        ]
    ),
    # Metaspace treats the first word differently, so each splitter before it must keep the start.
    "first-after-split": pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\p{L}+"), "isolated"),
            pre_tokenizers.Punctuation("merged_with_previous"),
            pre_tokenizers.Metaspace("_", "first"),
        ]
    ),
    "first-after-inverted-split": pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d| "), "merged_with_next", invert=True),
            pre_tokenizers.Metaspace("_", "first", split=False),
        ]
    ),
}


@cache
def normalizer(name: str) -> Any:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = NORMALIZERS[name]
    built = builders.build_normalizer(json.loads(tokenizer.to_str())["normalizer"])
    return tf.function(built, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)


@cache
def pre_tokenizer(name: str) -> Any:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = PRE_TOKENIZERS[name]
    built = builders.build_pre_tokenizer(json.loads(tokenizer.to_str())["pre_tokenizer"])
    signature = [tf.TensorSpec([None], tf.string), tf.TensorSpec([None], tf.bool)]
    return tf.function(built, input_signature=signature, autograph=False)


def assert_normalized(name: str, texts: list[str]) -> None:
    actual = normalizer(name)(tf.constant(texts, tf.string)).numpy()
    for text, normalized in zip(texts, actual, strict=True):
        assert normalized.decode() == NORMALIZERS[name].normalize_str(text), ascii(text[:200])


def assert_cut(name: str, texts: list[str]) -> None:
    words = pre_tokenizer(name)(tf.constant(texts, tf.string), tf.ones([len(texts)], tf.bool))
    for text, row in zip(texts, words.to_list(), strict=True):
        expected = [word for word, _ in PRE_TOKENIZERS[name].pre_tokenize_str(text)]
        assert [word.decode() for word in row] == expected, ascii(text[:200])


@pytest.mark.parametrize("name", NORMALIZERS)
def test_every_character_and_long_texts_are_normalized(name):
    assert_normalized(name, [ALL_CHARACTERS, "", *LONG])


@pytest.mark.parametrize("name", ["NFC", "NFKD", "bert"])
def test_every_character_is_normalized_next_to_marks(name):
    # Between the highest and the lowest class, every character with a class moves.
    blocks = [ALL_CHARACTERS[start : start + 64] for start in range(0, len(ALL_CHARACTERS), 64)]
    assert_normalized(
        name,
        ["".join(f"\u0345{character}\u0334\u0301-" for character in block) for block in blocks],
    )


@pytest.mark.parametrize("name", NORMALIZERS)
@given(texts=crowds)
def test_any_texts_are_normalized(name, texts):
    assert_normalized(name, texts)


@pytest.mark.parametrize("name", PRE_TOKENIZERS)
def test_every_character_and_long_texts_are_cut(name):
    assert_cut(name, [ALL_CHARACTERS, "", *LONG])


@pytest.mark.parametrize("name", PRE_TOKENIZERS)
@given(texts=crowds)
def test_any_texts_are_cut(name, texts):
    assert_cut(name, texts)
