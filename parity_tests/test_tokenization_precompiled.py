"""Precompiled character maps and replacements, compared with the library."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Regex, normalizers

from diglot.tokenization.builders import build_normalizer
from diglot.tokenization.charsmap import write_charsmap

from .unigram_styles import FRAGMENTS, STRINGS, batches, nfkc_map, section, strings

# The characters that the rules of grapheme clusters name, alone and before other characters.
_KEYS = [
    *("\t", "\r", "\n", "b", "z", "ab", "©", "®", "©\u200d", "\u200d", "\u200b", "\u0301"),
    *("\u0300\u0301", "a\u0301", "e\u0301", "e\u0301\u0300", "c\u0308\u0304", "d\u0308", "ẛ"),
    *("\u0915", "\u0958", "\u094d", "\u0903", "\u0e33", "\u0e01\u0e33", "z\u0e33", "™", "😀"),
    *("\u1100", "\u1161", "\u11a8", "\uac00", "\uac01", "\u0600", "\u0600a", "\u0600\u0301"),
    *("\U000110bd", "\U000110bda", "x\U000e0100", "\U0001f1e6"),
]
_WILD = {key: ("", "X", "XY", " ", "é")[index % 5] for index, key in enumerate(_KEYS)}


def _sentencepiece_map() -> bytes:
    sentencepiece = pytest.importorskip("sentencepiece", reason="the map comes from sentencepiece")
    import io

    from transformers.utils.sentencepiece_model_pb2_new import ModelProto

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["some text to train on", "and some more of it"] * 20),
        model_writer=model,
        vocab_size=30,
        hard_vocab_limit=False,
        normalization_rule_name="nmt_nfkc",
        minloglevel=2,
    )
    normalizer = ModelProto.FromString(model.getvalue()).normalizer_spec
    precompiled: bytes = normalizer.precompiled_charsmap
    return precompiled


MAPS: dict[str, Callable[[], bytes]] = {
    "nfkc": nfkc_map,
    "wild": lambda: write_charsmap({**_WILD, "a": "A"}),
    "wild, no letter": lambda: write_charsmap(_WILD),
    "sentencepiece": _sentencepiece_map,
}


@cache
def precompiled(name: str) -> tuple[Any, Callable[..., Any]]:
    library = normalizers.Precompiled(MAPS[name]())
    return library, tf.function(build_normalizer(section(library)), input_signature=[STRINGS])


def assert_normalized(library: Any, run: Callable[..., Any], texts: list[str]) -> None:
    actual = [text.decode() for text in run(strings(texts)).numpy()]
    assert actual == [library.normalize_str(text) for text in texts]


@pytest.mark.parametrize("name", MAPS)
@given(batch=st.lists(st.lists(st.sampled_from(FRAGMENTS), max_size=6).map("".join), max_size=60))
def test_precompiled_clusters(name: str, batch: list[str]) -> None:
    assert_normalized(*precompiled(name), batch)


@pytest.mark.parametrize("name", MAPS)
def test_precompiled_pairs(name: str) -> None:
    assert_normalized(
        *precompiled(name), list(map("".join, itertools.product(FRAGMENTS, repeat=2)))
    )


# The characters that each rule names, characters that it does not name, and marks of different
# lengths.
RULES = {
    "pictographs": ["😀", "™", "©", "a", "\u0301", "\u200d", "\ufe0f", "\u0903"],
    "consonants": ["\u0915", "\u0958", "a", "\u0301", "\u200d", "\u094d", "\u0903", "\u0c4d"],
    "hangul": ["\u1100", "\u1161", "\u11a8", "\uac00", "\uac01", "\u0301", "\U00016d63", "a"],
    "prepended": ["\u0600", "\U000110bd", "a", "\u0301", "\u200b", "\r", "\n", "\U000e0100"],
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", ["wild", "wild, no letter"])
def test_precompiled_rules(rule: str, name: str) -> None:
    texts = itertools.product(RULES[rule], repeat=5)
    assert_normalized(*precompiled(name), list(map("".join, texts)))


@pytest.mark.parametrize(
    "around", ["{}", "a{}b", "{}\u0308\u0301", "{}\u200d™\u0301", "क{}\u094dक\u0301"]
)
def test_precompiled_every_character(around: str) -> None:
    characters = (chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    texts = [around.replace("{}", character) for character in characters]
    assert_normalized(*precompiled("wild"), texts)


@pytest.mark.parametrize(
    ("pattern", "content"),
    [
        ("``", '"'),
        ("\\", "\\1"),
        (".", ""),
        (Regex(" {2,}"), "▁"),
        (Regex(r"\s+"), " "),
        (Regex(r"\s{2,}|[\n\r\t]"), "\\0"),
        (Regex(r" +▁"), "▁"),
        (Regex(r"[a\s]{2,3}b|a|\."), "<>"),
    ],
    ids=["quotes", "backslash", "dot", "blanks", "spaces", "lines", "mark", "parts"],
)
@given(batch=batches)
def test_replace(pattern: Any, content: str, batch: list[str]) -> None:
    library = normalizers.Replace(pattern, content)
    assert_normalized(library, build_normalizer(section(library)), batch)
