"""Byte-level tokenizers in the styles of published checkpoints, trained when a test needs them."""

from __future__ import annotations

import ast
import json
import sysconfig
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, processors
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer

BEHAVIORS = ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")

_CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"

LLAMA3 = rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{_REST}"
QWEN2 = rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{_REST}"
O200K = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_CONTRACTIONS}?"
    rf"|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_CONTRACTIONS}?"
    rf"|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DEEPSEEK = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
POSSESSIVE = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s*[\r\n]|\s+(?!\S)|\s"
)


def _split(pattern: str, behavior: str = "Isolated", invert: bool = False) -> dict[str, Any]:
    return {
        "type": "Split",
        "pattern": {"Regex": pattern},
        "behavior": behavior,
        "invert": invert,
    }


def _bytes(prefix: bool, **use_regex: bool) -> dict[str, Any]:
    return {
        "type": "ByteLevel",
        "add_prefix_space": prefix,
        "trim_offsets": True,
        **use_regex,
    }


def _sequence(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": [*parts]}


PRE_TOKENIZERS = {
    "gpt2": _bytes(False),
    "roberta": _bytes(True),
    "modernbert": _bytes(False, use_regex=True),
    "bytes": _bytes(True, use_regex=False),
    "llama3": _sequence(_split(LLAMA3), _bytes(False, use_regex=False)),
    "qwen2": _sequence(_split(QWEN2), _bytes(False, use_regex=False)),
    "cl100k": _sequence(_split(LLAMA3, "Removed", True), _bytes(False, use_regex=False)),
    "o200k": _sequence(_split(O200K), _bytes(False, use_regex=False)),
    "possessive": _sequence(_split(POSSESSIVE), _bytes(False, use_regex=False)),
    "metaspace": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"},
    "deepseek": _sequence(
        _split(r"\p{N}{1,3}"),
        _split("[一-龥\u3040-ゟ\u30a0-ヿ]+"),
        _split(DEEPSEEK),
        _bytes(False, use_regex=False),
    ),
}
"""The section ``pre_tokenizer`` of ``tokenizer.json``, by the family of checkpoints."""

_EMPTY = {"continuing_subword_prefix": "", "end_of_word_suffix": ""}

STYLES = ("gpt2", "llama2", "llama3", "modernbert", "qwen2", "roberta")

MODELS: dict[str, dict[str, Any]] = {
    "gpt2": {"pre": "gpt2"},
    "modernbert": {"pre": "modernbert", "normalizer": {"type": "NFC"}},
    "roberta": {"pre": "roberta", "options": _EMPTY, "specials": ["<s>", "<pad>", "</s>", "<unk>"]},
    "llama3": {"pre": "llama3", "options": {"ignore_merges": True}},
    "qwen2": {"pre": "qwen2", "normalizer": {"type": "NFC"}},
    "llama2": {
        "pre": "metaspace",
        "options": {"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True},
        "whole": False,
        "specials": [f"<0x{value:02X}>" for value in range(256)],
    },
    "unknown dropped": {"pre": "gpt2", "whole": False},
    "unknown": {"pre": "gpt2", "whole": False, "options": {"unk_token": "<unk>"}},
    "unknown fused": {
        "pre": "gpt2",
        "whole": False,
        "options": {"unk_token": "<unk>", "fuse_unk": True},
    },
    "fallback": {
        "pre": "gpt2",
        "whole": False,
        "options": {"byte_fallback": True},
        "specials": [f"<0x{value:02X}>" for value in range(256)],
    },
}
"""The models to train: pre-tokenizer, options, and whether the byte alphabet is complete."""


_MODULES = ("argparse", "ast", "datetime", "decimal", "inspect", "subprocess", "tarfile", "typing")


def docstrings() -> list[str]:
    """Return English text that every installation of Python has."""
    texts = []
    library = Path(sysconfig.get_paths()["stdlib"])
    for name in _MODULES:
        for node in ast.walk(ast.parse((library / f"{name}.py").read_text("utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                texts.append(ast.get_docstring(node) or "")
    return texts


@cache
def trained(name: str) -> Tokenizer:
    """Train the tokenizer of a row of ``MODELS``."""
    row = MODELS[name]
    tokenizer = Tokenizer.from_str(
        json.dumps(
            {
                "normalizer": row.get("normalizer"),
                "pre_tokenizer": PRE_TOKENIZERS[row["pre"]],
                "model": {"type": "BPE", "vocab": {}, "merges": [], **row.get("options", {})},
            }
        )
    )
    tokenizer.train_from_iterator(
        docstrings(),
        BpeTrainer(
            vocab_size=1500,
            special_tokens=["<unk>", *row.get("specials", [])],
            initial_alphabet=ByteLevel.alphabet() if row.get("whole", True) else [],
            show_progress=False,
        ),
    )
    return tokenizer


def _template(tokenizer: Tokenizer, single: str, pair: str) -> Any:
    names = {part.split(":")[0] for part in pair.split() if not part.startswith("$")}
    return processors.TemplateProcessing(
        single, pair, [(name, tokenizer.token_to_id(name)) for name in sorted(names)]
    )


def _masks(*names: str) -> list[AddedToken]:
    return [AddedToken(name, lstrip=name.lower() in ("<mask>", "[mask]")) for name in names]


@cache
def checkpoint(style: str) -> Tokenizer:
    """Return a whole tokenizer, with the special and added tokens of its style."""
    tokenizer = Tokenizer.from_str(trained(style).to_str())
    if style == "roberta":
        tokenizer.add_special_tokens(_masks("<s>", "<pad>", "</s>", "<mask>"))
        ends = [(name, tokenizer.token_to_id(name)) for name in ("</s>", "<s>")]
        tokenizer.post_processor = processors.RobertaProcessing(*ends, add_prefix_space=True)
    elif style == "modernbert":
        tokenizer.add_special_tokens(_masks("[CLS]", "[SEP]", "[PAD]", "[MASK]"))
        # Runs of spaces have their own tokens, which are found in the normalized text.
        tokenizer.add_tokens([" " * count for count in range(6, 1, -1)] + ["|||IP_ADDRESS|||", "é"])
        tokenizer.post_processor = _template(
            tokenizer, "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1"
        )
    elif style == "llama3":
        tokenizer.add_special_tokens(["<|begin_of_text|>", "<|eot_id|>"])
        begin = "<|begin_of_text|>"
        tokenizer.post_processor = processors.Sequence(
            [
                processors.ByteLevel(trim_offsets=False),
                _template(tokenizer, f"{begin} $A", f"{begin} $A {begin}:1 $B:1"),
            ]
        )
    elif style == "llama2":
        tokenizer.add_special_tokens(["<s>", "</s>"])
        # Without a pre-tokenizer, a text is one word.
        whole = json.loads(tokenizer.to_str())
        whole["pre_tokenizer"] = None
        whole["normalizer"] = {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": "▁"},
                {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
            ],
        }
        tokenizer = Tokenizer.from_str(json.dumps(whole))
        tokenizer.post_processor = _template(tokenizer, "<s> $A", "<s> $A <s>:1 $B:1")
    else:
        tokenizer.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer
