"""The components of Unigram tokenizers: their results, what they refuse, and saving."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from diglot.errors import TokenizerNotSupportedError
from diglot.tokenization import compile_tokenizer
from diglot.tokenization.builders import build_model, build_normalizer, build_pre_tokenizer

VOCABULARY = [["<unk>", 0.0], ["▁", -2.0], ["▁a", -1.5], ["a", -1.0], ["b", -1.25], ["ab", -2.0]]


def test_the_best_pieces_win() -> None:
    model = build_model({"type": "Unigram", "unk_id": 0, "vocab": VOCABULARY})
    # -2.0 for "ab" is better than -2.25 for its letters; "▁a" "b" than "▁" "ab".
    words = tf.constant(["ab", "▁ab", "xyab", ""])
    assert model(words).to_list() == [[5], [2, 4], [0, 5], []]


def test_of_equal_sums_the_longest_piece_wins() -> None:
    vocabulary = [["<unk>", 0.0], ["a", -1.0], ["aa", -2.0], ["aaa", -3.0]]
    model = build_model({"type": "Unigram", "unk_id": 0, "vocab": vocabulary})
    assert model(tf.constant(["aaaaa"])).to_list() == [[2, 3]]


def test_unknown_characters_are_written_as_bytes() -> None:
    vocabulary = [["<unk>", 0.0], ["<0xC3>", -1.0], ["<0xA9>", -1.0]]
    spec = {"type": "Unigram", "unk_id": 0, "vocab": vocabulary, "byte_fallback": True}
    assert build_model(spec)(tf.constant(["éé", "ö"])).to_list() == [[1, 2, 1, 2], [0]]


def test_metaspace_of_old_files() -> None:
    spec = {"type": "Metaspace", "replacement": "▁", "add_prefix_space": False}
    words = build_pre_tokenizer(spec)(tf.constant(["a b"]), tf.constant([True]))
    assert words.to_list() == [[b"a", "▁b".encode()]]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"unk_id": None}, "Unigram without unk_id"),
        ({"alpha": 0.1}, "alpha 0.1"),
        ({"nbest_size": 4}, "nbest_size 4"),
    ],
    ids=["no unk_id", "alpha", "nbest_size"],
)
def test_unsupported_options_of_the_model_are_refused(
    changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(TokenizerNotSupportedError, match=message):
        build_model({"type": "Unigram", "unk_id": 0, "vocab": VOCABULARY, **changed})


@pytest.mark.parametrize(
    "pattern", ["^a", "a$", "a*", "a?", "a+?", "a++", "(a)", "[^a]", "[a-b]", r"\w", "a|", "{", ""]
)
def test_unsupported_expressions_are_refused(pattern: str) -> None:
    spec = {"type": "Replace", "pattern": {"Regex": pattern}, "content": "x"}
    with pytest.raises(TokenizerNotSupportedError, match="Replace with the Regex pattern"):
        build_normalizer(spec)


def test_an_unknown_prepend_scheme_is_refused() -> None:
    spec = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "sometimes"}
    with pytest.raises(TokenizerNotSupportedError, match="sometimes"):
        build_pre_tokenizer(spec)


def test_several_first_words_are_refused() -> None:
    """A character becomes several, and the library treats each of their words as the first."""
    vocabulary = [("<unk>", 0.0), (".", -1.0), ("▁", -1.0)]
    library = Tokenizer(models.Unigram(vocabulary, 0, False))
    library.normalizer = normalizers.NFKC()
    metaspace = pre_tokenizers.Metaspace("▁", "first")
    library.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Punctuation(), metaspace])
    assert library.encode("…").ids == [2, 1, 2, 1, 2, 1]
    with pytest.raises(TokenizerNotSupportedError, match="pre_tokenizer Sequence after normalizer"):
        compile_tokenizer(_content(library), pad_token_id=0)
    library.pre_tokenizer = metaspace
    library.add_tokens(["."])
    with pytest.raises(TokenizerNotSupportedError, match=r"added_tokens '\.' after normalizer"):
        compile_tokenizer(_content(library), pad_token_id=0)


def _content(library: Tokenizer) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(library.to_str())
    return content


def test_a_saved_model_gives_the_same_ids(tmp_path: Path) -> None:
    module = tf.Module()
    module.model = build_model({"type": "Unigram", "unk_id": 0, "vocab": VOCABULARY})
    module.run = tf.function(
        lambda words: module.model(words).values,
        input_signature=[tf.TensorSpec([None], tf.string)],
    )
    tf.saved_model.save(module, str(tmp_path))
    assert tf.saved_model.load(str(tmp_path)).run(["ab", "▁ab", "xyab"]).numpy().tolist() == [
        *(5, 2, 4),
        *(0, 5),
    ]
