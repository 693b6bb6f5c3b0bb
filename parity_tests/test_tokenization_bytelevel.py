"""The pre-tokenizers ByteLevel and Split, compared with the ``tokenizers`` library."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
import tensorflow as tf
from hypothesis import given, reject
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer
from tokenizers.pre_tokenizers import Split

from diglot.errors import TokenizerNotSupportedError
from diglot.parity.strategies import any_text
from diglot.tokenization.builders import build_pre_tokenizer

from .bytelevel_checkpoints import BEHAVIORS, PRE_TOKENIZERS

NASTY = [
    *("'s", "'S", "'\u017f", "'t", "'T", "'re", "'rE", "'LL", "'m", "'D", "'v", "'", "''"),
    *("s", "\u017f", "a", "Ab", "É", "e\u0301", "\u0301", "ß", "İ", "ς", "ǅ", "ʰ", "ª"),
    *("12", "1234567", "٣", "Ⅷ", "½", "!", "...", "/", "//", "_", "¿"),
    *("👩\u200d👩\u200d👧", "🏽", "\u200b", "\u200d", "\ufeff", "\ufffd"),
    *("ไทย", "العربية", "漢字", "カナ", "한국어", "देवनागरी"),
    *(
        " ",
        "  ",
        "\n",
        "\r\n",
        "\r",
        "\t",
        "\v",
        "\x85",
        "\xa0",
        "\u2003",
        "\u3000",
        "\u2028",
        "\0",
    ),
]

glued = st.lists(st.sampled_from(NASTY), max_size=25).map("".join)
batches = st.lists(glued | any_text, min_size=1, max_size=60)


def sweep(step: int) -> Iterator[str]:
    """Yield texts of every ``step``-th block of Unicode, between two kinds of neighbours."""
    everything = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    for start in range(0, len(everything), 128 * step):
        for between in ("a", "1 \n"):
            yield between.join(everything[start : start + 128])


def words_of(spec: dict[str, Any]) -> Callable[[list[str]], list[list[str]]]:
    """The compiled pre-tokenizer, as a function of lists."""
    pre_tokenizer = build_pre_tokenizer(spec)
    function = tf.function(
        lambda texts: pre_tokenizer(texts, tf.ones_like(texts, tf.bool)),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )
    return lambda texts: [
        [word.decode() for word in words] for words in function(tf.constant(texts)).to_list()
    ]


def reference_words(spec: dict[str, Any]) -> Callable[[list[str]], list[list[str]]]:
    """The library's pre-tokenizer, as a function of lists."""
    model = {"type": "BPE", "vocab": {}, "merges": []}
    library = Tokenizer.from_str(json.dumps({"pre_tokenizer": spec, "model": model}))
    split = library.pre_tokenizer.pre_tokenize_str
    return lambda texts: [[word for word, _ in split(text)] for text in texts]


@cache
def _both(name: str) -> tuple[Callable[[list[str]], list[list[str]]], ...]:
    return words_of(PRE_TOKENIZERS[name]), reference_words(PRE_TOKENIZERS[name])


def _assert_same(actual: list[Any], expected: list[Any], texts: list[str]) -> None:
    for actual_row, expected_row, text in zip(actual, expected, texts, strict=True):
        assert actual_row == expected_row, f"{text!r}"


@pytest.mark.parametrize("name", PRE_TOKENIZERS)
@given(texts=batches)
def test_words_equal_the_library_s(name: str, texts: list[str]) -> None:
    compiled, reference = _both(name)
    _assert_same(compiled(texts), reference(texts), texts)


@pytest.mark.parametrize("name", PRE_TOKENIZERS)
def test_words_equal_the_library_s_on_every_character(name: str) -> None:
    compiled, reference = _both(name)
    # All pre-tokenizers ask the library for classes in the same way. One is tested on everything.
    texts = [*sweep(1 if name == "llama3" else 20)]
    _assert_same(compiled(texts), reference(texts), texts)


@pytest.mark.parametrize("behavior", BEHAVIORS)
@pytest.mark.parametrize("pattern", [{"Regex": r" ?\p{L}+"}, {"Regex": r"\s+"}, {"String": " "}])
@given(texts=batches, invert=st.booleans())
def test_behaviors_equal_the_library_s(
    behavior: str, pattern: dict[str, str], texts: list[str], invert: bool
) -> None:
    spec = {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}
    words = build_pre_tokenizer(spec)(tf.constant(texts), tf.ones(len(texts), tf.bool))
    actual = [[word.decode() for word in row] for row in words.to_list()]
    _assert_same(actual, reference_words(spec)(texts), texts)


_atoms = st.sampled_from(
    ["a", "b", "'", " ", "1", r"\s", r"\S", r"\p{L}", r"\p{N}", "[ab]", r"[^\s\p{L}]", r"[\r\n]"]
)

_repeated = st.tuples(
    _atoms,
    st.sampled_from(["", "", "?", "?+", "*", "+", "++", "*+", "{1,3}", "{2}", "{2,}"]),
).map("".join)


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    options = st.lists(inner, min_size=1, max_size=3).map("|".join)
    groups = st.builds(
        "{}{}){}".format,
        st.sampled_from(["(?:", "("]),
        options,
        st.sampled_from(["", "?", "{1,2}"]),
    )
    ahead = st.builds("{}{})".format, st.sampled_from(["(?!", "(?="]), options)
    return st.lists(_repeated | groups | ahead, min_size=1, max_size=4).map("".join)


_sequences = st.tuples(
    st.recursive(_repeated, _larger, max_leaves=10),
    _atoms,
    st.sampled_from(["", r"(?!\S)", "(?=a| )"]),
)
_patterns = st.lists(_sequences.map("".join), min_size=1, max_size=3).map("|".join)


@given(
    pattern=_patterns,
    texts=st.lists(st.text("ab'1 \n!é", max_size=25), min_size=30, max_size=30),
)
def test_patterns_match_as_in_the_library_or_are_refused(pattern: str, texts: list[str]) -> None:
    spec = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    try:
        splitter = build_pre_tokenizer(spec)
    except TokenizerNotSupportedError:
        reject()
    words = splitter(tf.constant(texts), tf.ones(len(texts), tf.bool)).to_list()
    reference = Split(Regex(pattern), "isolated")
    expected = [[word for word, _ in reference.pre_tokenize_str(text)] for text in texts]
    _assert_same([[word.decode() for word in row] for row in words], expected, texts)
