"""Hypothesis strategies for texts and encodings, with the difficult ones made likely.

Example: ``@given(texts=strategies.batches)``. All values shrink towards short texts of plain
letters and towards encodings of one token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

Encoding = dict[str, NDArray[np.int64]]

_WORDS = (
    "the film was not a good one but I loved every minute of it hate waiting for course my"
    " whole life don't can't it's HuggingFace transformers naïve café Zürich 東京 привет नमस्ते"
    " สวัสดี 🙂 👩‍👩‍👧 ß İ ﬁnal co-operate e.g. $9.99 http://example.org/?q=1 [MASK] ##ing ... !!! ?"
)

_LONG = 600

words = st.lists(st.sampled_from(_WORDS.split()), max_size=20).map(" ".join)
"""Realistic words, with the names of special tokens among them."""

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
"""Any Unicode text without lone surrogates, which no encoding of text can carry."""

long_text = words.map(lambda text: f"{text} x " * -(-_LONG // (len(text.split()) + 1)))
"""Texts of 600 to 620 words: longer than a model of 512 tokens takes."""

texts = st.one_of(words, any_text, st.just(""), st.just(" "), long_text)
"""One text of any of these kinds."""

batches = st.lists(texts, min_size=1, max_size=5)
"""One to five texts of mixed lengths."""

# To truncate a pair, the tokenizers library combines every overflowing part of one text with every
# part of the other before it drops them: two very long texts would take gigabytes.
partners = texts.map(lambda text: text[:128])
"""A text that fits beside any other in a pair."""

pairs = st.lists(st.tuples(texts, partners) | st.tuples(partners, texts), min_size=1, max_size=4)
"""One to four texts, each with a second text."""

KINDS = ("full", "right", "left", "one", "none", "bits")
"""The kinds of mask of a row: no padding, padding on the right or left, one token, none, or any."""


@st.composite
def encodings(
    draw: st.DrawFn,
    *,
    vocabulary: int,
    max_tokens: int,
    pad: int = 0,
    types: int = 0,
    rows: int | None = None,
    tokens: int | None = None,
    kinds: Sequence[str] = KINDS,
) -> Encoding:
    """Ids and masks, each ``[rows, tokens]``, without a tokenizer.

    Some masks consist of arbitrary bits. No tokenizer makes such a mask, but every model defines
    its effect.

    Args:
        draw: passed by Hypothesis.
        vocabulary: the number of ids; all of them except the pad token's are drawn.
        max_tokens: the most tokens in a row.
        pad: the id of the pad token, which fills masked positions.
        types: the number of token types for ``token_type_ids``; 0 to leave them out.
        rows: the number of rows; one to four unless given.
        tokens: the length of the rows; up to ``max_tokens`` unless given.
        kinds: the kinds of mask to draw, from :data:`KINDS`.
    """
    rows = rows or draw(st.integers(1, 4))
    tokens = tokens or draw(st.one_of(st.integers(1, max_tokens), st.sampled_from([1, max_tokens])))
    real_ids = st.integers(0, vocabulary - 1).filter(lambda number: number != pad)
    ids = draw(hnp.arrays(np.int64, (rows, tokens), elements=real_ids))
    mask = np.ones_like(ids)
    for row in range(rows):
        kind = draw(st.sampled_from(kinds))
        count = draw(st.integers(1, tokens))
        if kind == "right":
            mask[row, count:] = 0
        elif kind == "left":
            mask[row, :-count] = 0
        elif kind == "one":
            mask[row, 1:] = 0
        elif kind == "none":
            mask[row] = 0
        elif kind == "bits":
            mask[row] = draw(_integers(tokens, 1))
        if kind != "bits":
            ids[row, mask[row] == 0] = pad
    encoding = {"input_ids": ids, "attention_mask": mask}
    if types:
        encoding["token_type_ids"] = draw(_integers((rows, tokens), types - 1))
    return encoding


def _integers(shape: int | tuple[int, int], most: int) -> st.SearchStrategy[Any]:
    return hnp.arrays(np.int64, shape, elements=st.integers(0, most))
