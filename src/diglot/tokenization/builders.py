"""Builds the components of a tokenizer from the sections of ``tokenizer.json``.

The tables list the supported types of each section. A builder takes a section and returns the
component.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from diglot.errors import TokenizerNotSupportedError
from diglot.tokenization.bert_normalizer import build_bert
from diglot.tokenization.bpe import build_bpe
from diglot.tokenization.byte_level import build_byte_level
from diglot.tokenization.components import REMEDY, Model, Normalizer, PreTokenizer, Spec
from diglot.tokenization.metaspace import build_metaspace
from diglot.tokenization.normalizers import (
    NormalizerSequence,
    build_lowercase,
    build_nmt,
    build_prepend,
    build_strip,
    build_strip_accents,
)
from diglot.tokenization.pre_tokenizers import (
    PreTokenizerSequence,
    build_digits,
    build_punctuation,
    build_split,
    build_white_space,
)
from diglot.tokenization.precompiled import build_precompiled
from diglot.tokenization.replace_normalizer import build_replace
from diglot.tokenization.unicode_forms import build_unicode_form
from diglot.tokenization.unigram import build_unigram
from diglot.tokenization.wordpiece import build_wordpiece

_Component = TypeVar("_Component")


def build_normalizer(spec: Spec) -> Normalizer:
    """Build the component of the section ``normalizer``.

    Raises:
        TokenizerNotSupportedError: it has no exact counterpart in TensorFlow.
    """
    return _build("normalizer", NORMALIZERS, spec)


def build_pre_tokenizer(spec: Spec) -> PreTokenizer:
    """Build the component of the section ``pre_tokenizer``.

    Raises:
        TokenizerNotSupportedError: it has no exact counterpart in TensorFlow.
    """
    return _build("pre_tokenizer", PRE_TOKENIZERS, spec)


def build_model(spec: Spec) -> Model:
    """Build the component of the section ``model``.

    Raises:
        TokenizerNotSupportedError: it has no exact counterpart in TensorFlow.
    """
    return _build("model", MODELS, spec)


def _normalizer_sequence(spec: Spec) -> Normalizer:
    return NormalizerSequence([build_normalizer(step) for step in spec["normalizers"]])


def _pre_tokenizer_sequence(spec: Spec) -> PreTokenizer:
    return PreTokenizerSequence([build_pre_tokenizer(step) for step in spec["pretokenizers"]])


NORMALIZERS: Final[Mapping[str, Callable[[Spec], Normalizer]]] = {
    "BertNormalizer": build_bert,
    "Lowercase": build_lowercase,
    "NFC": build_unicode_form,
    "NFD": build_unicode_form,
    "NFKC": build_unicode_form,
    "NFKD": build_unicode_form,
    "Nmt": build_nmt,
    "Precompiled": build_precompiled,
    "Prepend": build_prepend,
    "Replace": build_replace,
    "Sequence": _normalizer_sequence,
    "Strip": build_strip,
    "StripAccents": build_strip_accents,
}

PRE_TOKENIZERS: Final[Mapping[str, Callable[[Spec], PreTokenizer]]] = {
    "BertPreTokenizer": build_white_space,
    "ByteLevel": build_byte_level,
    "Digits": build_digits,
    "Metaspace": build_metaspace,
    "Punctuation": build_punctuation,
    "Sequence": _pre_tokenizer_sequence,
    "Split": build_split,
    "Whitespace": build_white_space,
    "WhitespaceSplit": build_white_space,
}

MODELS: Final[Mapping[str, Callable[[Spec], Model]]] = {
    "BPE": build_bpe,
    "Unigram": build_unigram,
    "WordPiece": build_wordpiece,
}


def _build(
    section: str, builders: Mapping[str, Callable[[Spec], _Component]], spec: Spec
) -> _Component:
    kind = str(spec.get("type"))
    if kind not in builders:
        raise TokenizerNotSupportedError(
            f"{section} {kind}", f"supported types are {', '.join(sorted(builders))}", REMEDY
        )
    return builders[kind](spec)
