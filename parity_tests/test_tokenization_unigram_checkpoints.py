"""Whole Unigram tokenizers, compiled from ``tokenizer.json``, compared with the library."""

from __future__ import annotations

import json
from functools import cache

import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer
from tokenizers.processors import TemplateProcessing

from diglot.tokenization import GraphTokenizer, compile_tokenizer

from . import unigram_styles
from .unigram_styles import FRAGMENTS, SPECIAL, strings

MAX_LENGTH = 24

texts = st.lists(
    st.sampled_from([*FRAGMENTS, *SPECIAL * 3, *["<mask>", "[k]", "word", " "] * 4])
    | st.characters(exclude_categories=["Cs"]),
    max_size=16,
).map("".join)


@cache
def checkpoint(style: str) -> tuple[Tokenizer, GraphTokenizer]:
    library = Tokenizer.from_str(unigram_styles.tokenizer(style).to_str())
    library.add_special_tokens(SPECIAL)
    library.add_tokens([AddedToken("<mask>", lstrip=True, normalized=False)])
    if style != "deberta-v3":  # Its Metaspace treats the first word differently.
        library.add_tokens([AddedToken("[k]"), AddedToken("word", single_word=True)])
    first, last = ("<s>", 0), ("</s>", 2)
    library.post_processor = TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B:1 </s>:1", special_tokens=[first, last]
    )
    compiled = compile_tokenizer(
        json.loads(library.to_str()), max_length=MAX_LENGTH, pad_token_id=1
    )
    library.enable_truncation(MAX_LENGTH)
    library.enable_padding(pad_id=1, pad_token="<pad>")
    return library, compiled


@pytest.mark.parametrize("style", unigram_styles.STYLES)
@given(batch=st.lists(texts, min_size=1, max_size=30))
def test_texts(style: str, batch: list[str]) -> None:
    library, compiled = checkpoint(style)
    encoding = compiled(strings(batch))
    expected = library.encode_batch(batch)
    assert encoding["input_ids"].numpy().tolist() == [row.ids for row in expected]
    assert encoding["attention_mask"].numpy().tolist() == [row.attention_mask for row in expected]


@pytest.mark.parametrize("style", ["albert", "deberta-v3"])
@given(batch=st.lists(st.tuples(texts, texts), min_size=1, max_size=20))
def test_pairs(style: str, batch: list[tuple[str, str]]) -> None:
    library, compiled = checkpoint(style)
    encoding = compiled(*map(strings, map(list, zip(*batch, strict=True))))
    expected = library.encode_batch(batch)
    assert encoding["input_ids"].numpy().tolist() == [row.ids for row in expected]
    assert encoding["token_type_ids"].numpy().tolist() == [row.type_ids for row in expected]


def test_no_texts() -> None:
    assert checkpoint("t5")[1](tf.constant([], tf.string))["input_ids"].shape[0] == 0
