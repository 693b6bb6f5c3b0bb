"""BPE in TensorFlow, compared with the ``tokenizers`` library."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from diglot.tokenization import bpe, bpe_long_words
from diglot.tokenization.builders import build_model

from .bytelevel_checkpoints import MODELS, STYLES, trained
from .test_tokenization_bytelevel import batches


def _assert_same(actual: list[Any], expected: list[Any], texts: list[str]) -> None:
    for actual_row, expected_row, text in zip(actual, expected, texts, strict=True):
        assert actual_row == expected_row, f"{text!r}"


# The other styles are tested as whole tokenizers.
_MODELS = ["llama3", "roberta", *(name for name in MODELS if name not in STYLES)]


@cache
def _models(name: str) -> tuple[Tokenizer, Callable[[list[str]], list[list[int]]]]:
    tokenizer = trained(name)
    model = build_model(json.loads(tokenizer.to_str())["model"])
    function = tf.function(model, input_signature=[tf.TensorSpec([None], tf.string)])
    return tokenizer, lambda words: function(tf.constant(words, tf.string)).to_list()


def _ids(tokenizer: Tokenizer, words: list[str]) -> list[list[int]]:
    return [[token.id for token in tokenizer.model.tokenize(word)] for word in words]


@pytest.mark.parametrize("name", _MODELS)
@given(texts=batches)
def test_pieces_equal_the_library_s(name: str, texts: list[str]) -> None:
    tokenizer, pieces = _models(name)
    split = tokenizer.pre_tokenizer.pre_tokenize_str
    # Raw texts contain characters that are not in the vocabulary.
    words = [word for text in texts for word, _ in split(text)] + [text for text in texts if text]
    _assert_same(pieces(words), _ids(tokenizer, words), words)


@pytest.mark.parametrize("name", _MODELS)
def test_pieces_of_very_long_words_equal_the_library_s(name: str) -> None:
    tokenizer, pieces = _models(name)
    rng = random.Random(0)
    words = [
        "a" * 100_000,
        "the" * 20_000,
        "".join(rng.choices("etaoinshrdlu", k=20_000)),
        "".join(rng.choices("ĠéaÃ©漢字", k=5_000)),
        *("ab" * length for length in range(90, 110)),
        *("".join(rng.choices("aest", k=length)) for length in range(180, 400, 5)),
    ]
    _assert_same(pieces(words), _ids(tokenizer, words), words)


@st.composite
def _merges(draw: st.DrawFn) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Merges in an order that no training would produce, some with the same result."""
    pieces = ["a", "b", "c"]
    merges = []
    for _ in range(draw(st.integers(1, 12))):
        pair = draw(st.tuples(st.sampled_from(pieces), st.sampled_from(pieces)))
        merges.append(pair)
        if "".join(pair) not in pieces:
            pieces.append("".join(pair))
    return {piece: 7 * index for index, piece in enumerate(pieces)}, draw(st.permutations(merges))


@given(
    vocabulary_and_merges=_merges(),
    words=st.lists(st.text("abc", min_size=1, max_size=60), min_size=20, max_size=20),
    stride=st.sampled_from([4, 5, 8, 13, 128]),
)
def test_any_order_of_merges_is_followed(
    vocabulary_and_merges: tuple[dict[str, int], list[tuple[str, str]]],
    words: list[str],
    stride: int,
) -> None:
    vocabulary, merges = vocabulary_and_merges
    spec = {"type": "BPE", "vocab": vocabulary, "merges": merges}
    tokenizer = Tokenizer.from_str(json.dumps({"model": spec}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bpe_long_words, "STRIDE", stride)
        patch.setattr(bpe_long_words, "OVERLAP", stride)
        # Without the shortcut for whole words, so that all words are merged.
        patch.setattr(bpe, "_whole", lambda spec, vocabulary: {})
        actual = build_model(spec)(tf.constant(words)).to_list()
    _assert_same(actual, _ids(tokenizer, words), words)


def test_windows_that_never_agree_are_merged_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    # Pairs are counted from the start of a window, and the starts differ by an odd number.
    monkeypatch.setattr(bpe_long_words, "STRIDE", 5)
    monkeypatch.setattr(bpe_long_words, "OVERLAP", 5)
    spec = {"type": "BPE", "vocab": {"a": 0, "aa": 1}, "merges": [["a", "a"]]}
    tokenizer = Tokenizer.from_str(json.dumps({"model": spec}))
    words = ["a" * length for length in (1, 10, 11, 12, 100, 101)]
    _assert_same(build_model(spec)(tf.constant(words)).to_list(), _ids(tokenizer, words), words)


def test_a_merge_can_create_a_pair_that_precedes_it() -> None:
    vocabulary = {"a": 0, "b": 1, "ab": 2, "aba": 3}
    spec = {"type": "BPE", "vocab": vocabulary, "merges": [["ab", "a"], ["a", "b"]]}
    tokenizer = Tokenizer.from_str(json.dumps({"model": spec}))
    words = ["abab", "ababab", "bababab"]
    # Merging both pairs "ab" at once would give ["ab", "ab"].
    assert tokenizer.encode("abab").tokens == ["aba", "b"]
    _assert_same(build_model(spec)(tf.constant(words)).to_list(), _ids(tokenizer, words), words)
