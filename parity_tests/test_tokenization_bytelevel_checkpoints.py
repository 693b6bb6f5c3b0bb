"""Whole tokenizers in the styles of byte-level checkpoints, compared with the library."""

from __future__ import annotations

import json
from functools import cache

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from diglot.parity.strategies import any_text
from diglot.tokenization import GraphTokenizer, compile_tokenizer

from .bytelevel_checkpoints import STYLES, checkpoint
from .test_tokenization_bytelevel import NASTY

_TOKENS = [
    *("<s>", "</s>", "<mask>", "<unk>", "[MASK]", "[SEP]", "<|endoftext|>", "<|im_start|>"),
    *("<|begin_of_text|>", "<|eot_id|>", "|||IP_ADDRESS|||", "é", "e\u0301", "<0x41>", "▁", "   "),
    *("the", " the", " value", "tokenization", " don't", "I'LL"),
]
texts = st.lists(st.sampled_from(NASTY + 2 * _TOKENS), max_size=20).map("".join) | any_text


@cache
def both(style: str, length: int | None) -> tuple[GraphTokenizer, Tokenizer]:
    reference = Tokenizer.from_str(checkpoint(style).to_str())
    side = "left" if style == "qwen2" else "right"
    reference.enable_padding(direction=side, pad_id=3, pad_token="<unk>")
    if length:
        reference.enable_truncation(length, direction=side)
    return compile_tokenizer(json.loads(reference.to_str())), reference


def assert_same(style: str, length: int | None, rows: list[str] | list[tuple[str, str]]) -> None:
    compiled, reference = both(style, length)
    tuples = [(row,) if isinstance(row, str) else row for row in rows]
    encoding = compiled(*(tf.constant(column, tf.string) for column in zip(*tuples, strict=True)))
    expected = reference.encode_batch(rows)
    assert encoding["input_ids"].numpy().tolist() == [row.ids for row in expected]
    assert encoding["attention_mask"].numpy().tolist() == [row.attention_mask for row in expected]
    assert encoding["token_type_ids"].numpy().tolist() == [row.type_ids for row in expected]


@pytest.mark.parametrize("style", STYLES)
@given(rows=st.lists(texts, min_size=1, max_size=30))
def test_texts(style: str, rows: list[str]) -> None:
    assert_same(style, None, rows)


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=10)
@given(rows=st.lists(st.tuples(texts, texts), min_size=1, max_size=15))
def test_pairs_that_are_cut(style: str, rows: list[tuple[str, str]]) -> None:
    assert_same(style, 12, rows)


@pytest.mark.parametrize("style", STYLES)
def test_very_long_texts(style: str) -> None:
    sentence = "It\u2019s a \u201ctokenizer\u201d, isn't it? "
    rows = ["a" * 100_000, " " * 20_001, "\u6771\u4eac" * 5_000, sentence * 500, "<s>" * 2_000, ""]
    for row in rows:
        assert_same(style, None, [row])
