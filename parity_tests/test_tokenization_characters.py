"""Normalizers and pre-tokenizers that go by code points, held against the library's own."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
import tensorflow as tf
from hypothesis import given
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

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


def hold_normalizer(name: str, texts: list[str]) -> None:
    given_back = normalizer(name)(tf.constant(texts, tf.string)).numpy()
    for text, one in zip(texts, given_back, strict=True):
        assert one.decode() == NORMALIZERS[name].normalize_str(text), ascii(text[:200])


def hold_pre_tokenizer(name: str, texts: list[str]) -> None:
    words = pre_tokenizer(name)(tf.constant(texts, tf.string), tf.ones([len(texts)], tf.bool))
    for text, row in zip(texts, words.to_list(), strict=True):
        expected = [word for word, _ in PRE_TOKENIZERS[name].pre_tokenize_str(text)]
        assert [word.decode() for word in row] == expected, ascii(text[:200])


@pytest.mark.parametrize("name", NORMALIZERS)
def test_every_character_and_long_texts_are_normalized(name):
    hold_normalizer(name, [ALL_CHARACTERS, "", *LONG])


@pytest.mark.parametrize("name", ["NFC", "NFKD", "bert"])
def test_every_character_is_normalized_beside_marks(name):
    # The highest class before and the lowest behind: whatever has a class moves.
    every = [ALL_CHARACTERS[start : start + 64] for start in range(0, len(ALL_CHARACTERS), 64)]
    hold_normalizer(
        name, ["".join(f"\u0345{one}\u0334\u0301-" for one in block) for block in every]
    )


@pytest.mark.parametrize("name", NORMALIZERS)
@given(texts=crowds)
def test_any_texts_are_normalized(name, texts):
    hold_normalizer(name, texts)


@pytest.mark.parametrize("name", PRE_TOKENIZERS)
def test_every_character_and_long_texts_are_cut(name):
    hold_pre_tokenizer(name, [ALL_CHARACTERS, "", *LONG])


@pytest.mark.parametrize("name", PRE_TOKENIZERS)
@given(texts=crowds)
def test_any_texts_are_cut(name, texts):
    hold_pre_tokenizer(name, texts)
