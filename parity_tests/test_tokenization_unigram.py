"""The Unigram model and Metaspace, alone and in whole tokenizers, compared with the library."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers

from diglot.tokenization.builders import build_model, build_normalizer, build_pre_tokenizer

from . import unigram_styles
from .unigram_styles import FRAGMENTS, STRINGS, STYLES, batches, section, strings

Vocabulary = list[tuple[str, float]]

WHOLE_BYTES = [(f"<0x{value:02X}>", -1.0 * (value % 7)) for value in range(256)]

VOCABULARIES: dict[str, tuple[Vocabulary, int, bool]] = {
    # Whole numbers, so that several sequences of pieces have the same sum.
    "ties": (
        [
            *[("<unk>", 0.0), ("a", -1.0), ("b", -1.0), ("c", -2.0), ("ab", -2.0), ("bc", -3.0)],
            *[("abc", -3.0), ("ca", -3.0), ("aa", -2.0), ("aaa", -3.0), ("cab", -4.0)],
        ],
        0,
        False,
    ),
    # Tenths, whose sum depends on the order of the additions.
    "rounding": (
        [("<unk>", 0.0)]
        + [
            ("".join(piece), -0.1 * sum("abc".index(letter) + 1 for letter in piece))
            for length in (1, 2, 3)
            for piece in itertools.product("abc", repeat=length)
        ],
        0,
        False,
    ),
    # Positive scores: unknown characters can be better than known pieces.
    "positive": (
        [
            *[("<unk>", 60.0), ("a", 11.0), ("ab", 70.0), ("xy", 40.0), ("xyx", 30.0)],
            *[("yx", 12.0), ("<unk><unk>", 20.0), ("é", 90.0)],
        ],
        0,
        False,
    ),
    # A penalty of nine or eleven for unknown characters would give other pieces than ten.
    "penalty": (
        [("<unk>", 0.0), ("y", 10.5), ("xy", -5.0), ("b", 9.5), ("xb", -5.0), ("a", -1.0)],
        0,
        False,
    ),
    # Two pieces cost as much as one.
    "zeros": ([("<unk>", 0.0), ("a", 0.0), ("b", 0.0), ("ab", 0.0), ("ba", 0.0)], 0, False),
    "twice": (
        [("a", -1.0), ("u", -2.0), ("ab", -5.0), ("a", -9.0), ("", 7.0), ("b", -1.0)],
        1,
        False,
    ),
    "bytes": ([("<unk>", 0.0), ("a", -1.0), ("ab", -1.5), *WHOLE_BYTES], 0, True),
    "some bytes": ([("<unk>", 0.0), ("a", -1.0), ("xé", 3.0), *WHOLE_BYTES[:200]], 0, True),
}

words = st.lists(
    st.text(st.sampled_from("aaabbbccxyé😀ख"), max_size=24)
    | st.lists(
        st.sampled_from(["a", "b", "x", "é", "<unk>", "<0x41>", "u"])
        | st.characters(exclude_categories=["Cs"]),
        max_size=12,
    ).map("".join),
    min_size=1,
    max_size=40,
)


def assert_pieces(model: models.Unigram, run: Callable[..., Any], texts: list[str]) -> None:
    expected = [[token.id for token in model.tokenize(text)] for text in texts]
    assert run(strings(texts)).to_list() == expected


@cache
def vocabulary(name: str) -> tuple[models.Unigram, Callable[..., Any]]:
    model = models.Unigram(*VOCABULARIES[name])
    return model, tf.function(build_model(section(model)), input_signature=[STRINGS])


@pytest.mark.parametrize("name", VOCABULARIES)
@given(drawn=words)
def test_small_vocabularies(name: str, drawn: list[str]) -> None:
    assert_pieces(*vocabulary(name), drawn)


# Each vocabulary is another graph to trace.
@settings(max_examples=5)
@given(
    pieces=st.lists(
        st.tuples(
            st.text("abcé😀", max_size=5),
            st.floats(-30, 5)
            | st.integers(-6, 0).map(float)
            | st.integers(-60, 0).map(lambda n: n / 10),
        ),
        min_size=1,
        max_size=40,
    ),
    unknown=st.integers(0, 39),
    drawn=words,
)
def test_drawn_vocabularies(pieces: Vocabulary, unknown: int, drawn: list[str]) -> None:
    model = models.Unigram(pieces, unknown % len(pieces), False)
    assert_pieces(model, build_model(section(model)), drawn)


@cache
def style(name: str) -> Callable[..., Any]:
    whole = unigram_styles.tokenizer(name)
    normalizer = build_normalizer(section(whole.normalizer))
    pre_tokenizer = build_pre_tokenizer(section(whole.pre_tokenizer))
    model = build_model(section(whole.model))

    @tf.function(input_signature=[STRINGS])
    def run(texts: tf.Tensor) -> Any:
        normalized = normalizer(texts)
        cut = pre_tokenizer(normalized, tf.fill(tf.shape(texts), True))
        return normalized, cut, cut.with_values(model(cut.values)).merge_dims(1, 2)

    return run


def assert_style(name: str, texts: list[str]) -> None:
    whole = unigram_styles.tokenizer(name)
    normalized, cut, ids = style(name)(strings(texts))
    expected = [whole.normalizer.normalize_str(text) for text in texts]
    assert [text.decode() for text in normalized.numpy()] == expected
    expected_words = [
        [word.encode() for word, _ in whole.pre_tokenizer.pre_tokenize_str(text)]
        for text in expected
    ]
    assert cut.to_list() == expected_words
    assert ids.to_list() == [
        [token.id for word in row for token in whole.model.tokenize(word.decode())]
        for row in expected_words
    ]


@pytest.mark.parametrize("name", STYLES)
@given(batch=batches)
def test_styles(name: str, batch: list[str]) -> None:
    assert_style(name, batch)


@pytest.mark.parametrize("name", STYLES)
def test_real_text(name: str) -> None:
    import this

    text = "".join(this.d.get(letter, letter) for letter in this.s)
    assert_style(
        name, [*text.splitlines(), text, *(module.__doc__ or "" for module in (st, tf, pytest))]
    )


@pytest.mark.parametrize("name", ["deberta-v3", "whole sentences"])
def test_a_word_of_100_000_characters(name: str) -> None:
    word = "".join(FRAGMENTS).replace(" ", "") + "instructionsformatting"
    assert_style(name, [(word * 700)[:100_000], "", "short", "x" * 5000, "the ing" * 99])


@pytest.mark.parametrize("replacement", ["▁", "_"])
@pytest.mark.parametrize("scheme", ["always", "first", "never"])
@pytest.mark.parametrize("split", [True, False])
@given(batch=batches)
def test_metaspace(replacement: str, scheme: Any, split: bool, batch: list[str]) -> None:
    library = pre_tokenizers.Metaspace(replacement, scheme, split)
    run = build_pre_tokenizer(section(library))
    actual = run(strings(batch), tf.fill([len(batch)], True)).to_list()
    assert actual == [
        [word.encode() for word, _ in library.pre_tokenize_str(text)] for text in batch
    ]
