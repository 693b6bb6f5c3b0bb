"""The options of the BPE model that are read from the file, and those that are refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from diglot.errors import TokenizerNotSupportedError
from diglot.tokenization.builders import build_model, build_pre_tokenizer

_VOCABULARY = {"a": 0, "b": 1, "c": 2, "ab": 3, "bc": 4, "abc": 5, "<unk>": 6}


def _spec(**options: Any) -> dict[str, Any]:
    return {"type": "BPE", "vocab": _VOCABULARY, "merges": [["b", "c"], ["a", "b"]], **options}


def _ids(spec: dict[str, Any], *words: str) -> list[list[int]]:
    ids: list[list[int]] = build_model(spec)(tf.constant(words, tf.string)).to_list()
    return ids


@pytest.mark.parametrize(
    "merges",
    [
        [["b", "c"], ["a", "b"]],
        ["#version: 0.2", "b c", "a b"],
        # The last entry of a pair counts.
        ["a b", "b c", "a b"],
    ],
)
def test_both_formats_of_merges(merges: list[Any]) -> None:
    assert _ids(_spec(merges=merges), "abc", "abab") == [[0, 4], [3, 3]]


def test_no_merges_and_no_words() -> None:
    assert _ids(_spec(merges=[]), "abc", "a") == [[0, 1, 2], [0]]
    assert _ids(_spec()) == []


def test_ignore_merges_keeps_words_whole() -> None:
    assert _ids(_spec(), "abc") == [[0, 4]]
    assert _ids(_spec(ignore_merges=True), "abc", "abca") == [[5], [0, 4, 0]]


def test_unknown_characters() -> None:
    assert _ids(_spec(), "éaxyb", "é") == [[3], []]
    assert _ids(_spec(unk_token="<unk>"), "éaxyb") == [[6, 0, 6, 6, 1]]
    assert _ids(_spec(unk_token="<unk>", fuse_unk=True), "éaxyb", "é", "x") == [
        [6, 0, 6, 1],
        [6],
        [6],
    ]


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"continuing_subword_prefix": "##"}, "continuing_subword_prefix '##'"),
        ({"end_of_word_suffix": "</w>"}, "end_of_word_suffix '</w>'"),
        ({"dropout": 0.1}, "dropout 0.1"),
        ({"unk_token": "[UNK]"}, "unk_token '\\[UNK\\]'"),
        ({"vocab": {**_VOCABULARY, "": 7}}, "an empty piece"),
        ({"vocab": {**_VOCABULARY, "d": 0}}, "several pieces with the same id"),
        ({"vocab": {**_VOCABULARY, "<0x41>": 7}, "byte_fallback": True}, "byte_fallback"),
    ],
)
def test_unsupported_options_are_refused_by_name(options: dict[str, Any], name: str) -> None:
    with pytest.raises(TokenizerNotSupportedError, match=f"model BPE with {name}"):
        build_model(_spec(**options))


def test_options_without_effect_are_accepted() -> None:
    options = {"dropout": 0.0, "continuing_subword_prefix": "", "end_of_word_suffix": ""}
    assert _ids(_spec(**options, byte_fallback=True), "abcé") == [[0, 4]]


def test_a_saved_model_needs_only_tensorflow(tmp_path: Path) -> None:
    spec = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    module = tf.Module()
    module.pre_tokenizer, module.model = build_pre_tokenizer(spec), build_model(_spec())

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def run(texts: tf.Tensor) -> tf.Tensor:
        words = module.pre_tokenizer(texts, tf.ones_like(texts, tf.bool))
        return words.with_values(module.model(words.values)).merge_dims(1, 2).to_tensor(-1)

    module.run = run
    tf.saved_model.save(module, str(tmp_path / "saved"))
    script = (
        "import sys, tensorflow as tf; loaded = tf.saved_model.load(sys.argv[1]);"
        " print(loaded.run(tf.constant(['abc', 'ab' * 500])).numpy()[:, :3].tolist());"
        " assert 'diglot' not in sys.modules and 'tokenizers' not in sys.modules"
    )
    process = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "saved"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert process.stdout.strip() == "[[0, 4, -1], [3, 3, 3]]"
