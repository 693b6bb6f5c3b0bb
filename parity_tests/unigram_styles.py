"""Unigram tokenizers in the styles of published checkpoints, trained when a test needs them."""

from __future__ import annotations

import inspect
import json
import unicodedata
from collections.abc import Callable
from functools import cache
from typing import Any

import tensorflow as tf
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from diglot.tokenization.charsmap import write_charsmap

STRINGS = tf.TensorSpec([None], tf.string)
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]


def strings(texts: list[str]) -> tf.Tensor:
    """Return the texts as a tensor of strings, even if there are none."""
    return tf.constant([text.encode() for text in texts], tf.string)


def section(part: Any) -> dict[str, Any]:
    """Return the section of ``tokenizer.json`` for one of the library's components."""
    tokenizer = Tokenizer(part if isinstance(part, models.Model) else models.Unigram())
    if isinstance(part, normalizers.Normalizer):
        tokenizer.normalizer = part
        name = "normalizer"
    elif isinstance(part, pre_tokenizers.PreTokenizer):
        tokenizer.pre_tokenizer = part
        name = "pre_tokenizer"
    else:
        name = "model"
    spec: dict[str, Any] = json.loads(tokenizer.to_str())[name]
    return spec


@cache
def nfkc_map() -> bytes:
    """Return a character map like SentencePiece's ``nmt_nfkc``, from Python's Unicode data."""
    pairs: dict[str, str] = {}
    for code_point in range(1, 0x30000):
        character = chr(code_point)
        if unicodedata.category(character) == "Cs":
            continue
        composed = unicodedata.normalize("NFKC", character)
        if composed != character:
            pairs[character] = composed
        parts = unicodedata.normalize("NFD", character)
        if len(parts) > 1 and unicodedata.normalize("NFC", parts) == character:
            pairs[parts] = composed
    for character in "\t\n\x0b\x0c\r\u2028\u2029\u200b\ufeff\u00a0":
        pairs[character] = " "
    for character in "\x01\x02\x03\x04\x05\x06\x07\x08\x0e\x0f\x7f\u00ad":
        pairs[character] = ""
    return write_charsmap(pairs)


@cache
def trained() -> Tokenizer:
    """Return a tokenizer trained on the docstrings of Python's own modules."""
    import argparse
    import decimal
    import email.message
    import logging
    import pathlib
    import subprocess

    lines: list[str] = []
    for module in (argparse, decimal, email.message, logging, pathlib, subprocess, unicodedata):
        for owner in (module, *filter(callable, vars(module).values())):
            members = vars(owner).values() if inspect.isclass(owner) else ()
            for documented in (owner, *members):
                lines += (inspect.getdoc(documented) or "").splitlines()
    lines += ["naïve café Zürich déjà vu", "東京 привет नमस्ते สวัสดี", "İstanbul ΣΑΣ weiß"] * 3
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=2500, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(lines, trainer)
    return tokenizer


def _albert() -> tuple[Any, Any]:
    return (
        normalizers.Sequence(
            [
                normalizers.Replace("``", '"'),
                normalizers.Replace("''", '"'),
                normalizers.NFKD(),
                normalizers.StripAccents(),
                normalizers.Lowercase(),
                normalizers.Precompiled(nfkc_map()),
                normalizers.Replace(Regex(" {2,}"), " "),
            ]
        ),
        pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]),
    )


def _camembert() -> tuple[Any, Any]:
    return (
        normalizers.Sequence(
            [
                normalizers.Precompiled(nfkc_map()),
                normalizers.Replace(Regex(" {2,}"), " "),
            ]
        ),
        pre_tokenizers.Metaspace(),
    )


def _deberta_v3() -> tuple[Any, Any]:
    return (
        normalizers.Sequence(
            [
                normalizers.Replace(Regex(r"\s{2,}|[\n\r\t]"), " "),
                normalizers.NFC(),
                normalizers.Strip(left=False, right=True),
            ]
        ),
        pre_tokenizers.Sequence([pre_tokenizers.Metaspace("▁", "first")]),
    )


def _t5() -> tuple[Any, Any]:
    return (
        normalizers.Sequence(
            [
                normalizers.Precompiled(nfkc_map()),
                normalizers.Strip(left=False, right=True),
                normalizers.Replace(Regex(" {2,}"), "▁"),
            ]
        ),
        pre_tokenizers.Metaspace(),
    )


def _xlm_roberta() -> tuple[Any, Any]:
    return (
        normalizers.Precompiled(nfkc_map()),
        pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]),
    )


def _whole_sentences() -> tuple[Any, Any]:
    return normalizers.Precompiled(nfkc_map()), pre_tokenizers.Metaspace("▁", "never", False)


STYLES: dict[str, Callable[[], tuple[Any, Any]]] = {
    "albert": _albert,
    "camembert": _camembert,
    "deberta-v3": _deberta_v3,
    "t5": _t5,
    "xlm-roberta": _xlm_roberta,
    "whole sentences": _whole_sentences,
}
"""The normalizer and the pre-tokenizer of each style, as transformers writes them."""


@cache
def tokenizer(style: str) -> Tokenizer:
    """Return the trained model with the normalizer and the pre-tokenizer of a style."""
    copy = Tokenizer.from_str(trained().to_str())
    for special in SPECIAL:
        assert copy.token_to_id(special) is not None
    copy.normalizer, copy.pre_tokenizer = STYLES[style]()
    return copy


FRAGMENTS = [
    *"abcdezx.,'`_ßéİıσςΣ \t\n\r\x00\x01\x7f\x85\xa0\xad©®½¨™ﬁＡ㍿…",
    *"\u0300\u0301\u0304\u0308\u0327\u3099\u302a\ufe0f\u20e3\u0345",
    *"\u200b\u200c\u200d\u200e\u2028\u2581\u3000\ufeff\ufffd\uffff",
    *"कक़ক਼ਕക\u094d\u09cd\u0a4d\u0d4d\u0d4e\u0903\u093e\u1b44ᬓကေ\u102b\u1039ក\u17d2",
    *"ก\u0e33\u0e31あ東京가각각\u1160\ud7b0\ud7cb\u0600\u0605\u06dd\u070f\u0627\u0644",
    *"😀❤👩\U0001f3fb\U0001f1e6\U0001f1e7\U000110bd\U000110d1\U000e0061\U000e0100",
    *"\U00016d63\U00016d67\U0001e000\U0001d15e\U0002f800\U000111c2\U0010ffff",
    *(
        "  ",
        "▁▁",
        " ▁",
        "<unk>",
        "<s>",
        "</s>",
        "\r\n",
        "e\u0301",
        "👩\u200d👧",
        "the ",
        "ing",
        "``",
    ),
]
"""Strings that normalizers and pre-tokenizers treat in different ways."""

texts = st.lists(
    st.sampled_from(FRAGMENTS) | st.characters(exclude_categories=["Cs"]), max_size=12
).map("".join)
batches = st.lists(texts, min_size=1, max_size=40)
