"""The tokenizer of a checkpoint, compiled to a graph and compared with the tokenizers library."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from diglot.errors import TokenizerNotSupportedError
from diglot.tokenization import proof

if TYPE_CHECKING:
    from diglot.checkpoints import Checkpoint
    from diglot.tokenization import GraphTokenizer

STRINGS = 2_048
"""The number of drawn strings on which a compiled tokenizer must give the library's ids."""

_TOKENS = 256


def compiled(
    checkpoint: Checkpoint, *, pairs: bool, seed: int, strings: int = STRINGS
) -> GraphTokenizer:
    """The checkpoint's tokenizer as a graph, once it gives the library's ids for drawn strings.

    Args:
        checkpoint: the checkpoint.
        pairs: whether each text has a second one.
        seed: the random seed of the strings.
        strings: the number of strings.

    Raises:
        TokenizerNotSupportedError: the tokenizer cannot be compiled, or gives other ids.
    """
    import tensorflow as tf

    from diglot import tokenization

    tokenizer = checkpoint.tokenizer
    if not tokenizer.is_fast:
        raise TokenizerNotSupportedError(
            f"the tokenizer of {checkpoint.name}",
            "it is written in Python, and has no tokenizer.json to compile",
            "serve it by its encoded signatures",
        )
    graph = tokenization.compile_tokenizer(
        json.loads(tokenizer.backend_tokenizer.to_str()),
        max_length=checkpoint.max_tokens,
        truncation="do_not_truncate" if checkpoint.max_tokens is None else "longest_first",
        truncation_side=tokenizer.truncation_side,
        padding_length="longest",
        padding_side="right",
        pad_token_id=checkpoint.pad_token or 0,
        pad_token_type_id=tokenizer.pad_token_type_id,
    )
    specs = [tf.TensorSpec([None], tf.string)] * (2 if pairs else 1)
    run = tf.function(graph, input_signature=specs, autograph=False)

    def actual(texts: Sequence[str], seconds: Sequence[str] | None) -> list[list[int]]:
        encoding = run(*map(tf.constant, (texts,) if seconds is None else (texts, seconds)))
        lengths = encoding["attention_mask"].numpy().sum(-1)
        rows = encoding["input_ids"].numpy()
        return [row[:length].tolist() for row, length in zip(rows, lengths, strict=True)]

    def expected(texts: Sequence[str], seconds: Sequence[str] | None) -> list[list[int]]:
        return library_ids(checkpoint, texts, seconds)

    random = np.random.default_rng(seed)
    tokens = random.choice(sorted(tokenizer.get_vocab()), _TOKENS).tolist()
    drawn = proof.texts(seed, strings, tokens + tokenizer.all_special_tokens)
    seconds = drawn[::-1] if pairs else None
    if mismatch := proof.mismatch(actual, expected, drawn, seconds):
        raise TokenizerNotSupportedError(
            f"the tokenizer of {checkpoint.name}",
            f"compiled, it does not split text as the library does: {mismatch}",
            "serve it by its encoded signatures, and report this text",
        )
    return graph


def library_ids(
    checkpoint: Checkpoint, texts: Sequence[str], seconds: Sequence[str] | None
) -> list[list[int]]:
    """The ids that transformers' own tokenizer gives, cut to what the model takes."""
    encoding = checkpoint.tokenizer(
        list(texts),
        None if seconds is None else list(seconds),
        truncation=checkpoint.max_tokens is not None,
        max_length=checkpoint.max_tokens,
        return_attention_mask=True,
        verbose=False,
    )
    ids: list[list[int]] = encoding["input_ids"]
    return ids
