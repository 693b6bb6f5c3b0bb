"""A text has the same ids in PyTorch tensors, TensorFlow tensors, NumPy arrays and lists."""

from functools import cache
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import diglot
from diglot.parity import strategies

from .test_worked_example import minilm

drawn_options = st.fixed_dictionaries(
    {"truncation": st.just(True), "max_length": st.sampled_from([8, 16, 32, 64])},
    optional={
        "padding_side": st.sampled_from(["left", "right"]),
        "pad_to_multiple_of": st.sampled_from([1, 8]),
        "return_token_type_ids": st.booleans(),
        "add_special_tokens": st.booleans(),
    },
)


@cache
def tokenizers() -> tuple[Any, Any]:
    """Return the tokenizers of diglot and of transformers."""
    from transformers import AutoTokenizer

    return diglot.AutoTokenizer.from_pretrained(minilm()), AutoTokenizer.from_pretrained(minilm())


def assert_same(*texts: Any, **options: Any) -> None:
    tokenizer, library = tokenizers()
    expected = library(*texts, padding=True, **options)
    for kind in (None, "np", "pt", "tf"):
        encoding = tokenizer(*texts, padding=True, return_tensors=kind, **options)
        assert list(encoding) == list(expected)
        for name, values in expected.items():
            np.testing.assert_array_equal(np.asarray(encoding[name]), values, err_msg=f"{kind}")
        assert encoding.word_ids(0) == expected.word_ids(0)


@given(batch=strategies.batches, options=drawn_options)
def test_batches(batch: list[str], options: dict[str, Any]) -> None:
    assert_same(batch, **options)


@given(pairs=strategies.pairs, options=drawn_options)
def test_pairs(pairs: list[tuple[str, str]], options: dict[str, Any]) -> None:
    first, second = map(list, zip(*pairs, strict=True))
    assert_same(first, second, **options)
