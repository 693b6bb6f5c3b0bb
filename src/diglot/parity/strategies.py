"""Hypothesis strategies for texts and encodings, with the awkward ones made likely.

For tests of one's own: ``@given(texts=strategies.batches)``. Everything shrinks towards short texts
of plain letters and towards encodings of one token.
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

words = st.lists(st.sampled_from(_WORDS.split()), max_size=20).map(" ".join)
"""Realistic words, with the names of special tokens among them."""

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
"""All of Unicode but lone surrogates, which no encoding of text can carry."""

long_text = st.tuples(words, st.integers(100, 400)).map(lambda drawn: f"{drawn[0]} x " * drawn[1])
"""Longer than any model takes."""

texts = st.one_of(words, any_text, st.just(""), st.just(" "), long_text)
"""One text of any of these kinds."""

batches = st.lists(texts, min_size=1, max_size=5)
"""One to five texts of mixed lengths."""

# Of a pair that is cut, the tokenizers library makes every part of the one text with every part of
# the other before it drops them: two very long texts would take gigabytes there.
partners = texts.map(lambda text: text[:128])
"""A text that may stand beside any other in a pair."""

pairs = st.lists(st.tuples(texts, partners) | st.tuples(partners, texts), min_size=1, max_size=4)
"""One to four texts, each with a second one."""

KINDS = ("full", "right", "left", "one", "none", "bits")
"""How a row may be masked: not at all, padded on a side, to its first token, whole, or anyhow."""


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
    """Ids and mask drawn directly, each ``[rows, tokens]``.

    Rows are full, padded on the right or on the left, one token long, or masked throughout; now
    and then the mask is arbitrary bits, which no tokenizer makes and every model defines.

    Args:
        draw: Hypothesis passes it.
        vocabulary: how many ids there are; each but the pad token's is drawn.
        max_tokens: the most tokens in a row.
        pad: the id of the pad token, with which masked positions are filled.
        types: how many kinds of token there are, where ``token_type_ids`` are wanted.
        rows: how many rows; one to four unless given.
        tokens: how long they are; up to ``max_tokens`` unless given.
        kinds: those of :data:`KINDS` that may be drawn.
    """
    rows = rows or draw(st.integers(1, 4))
    tokens = tokens or draw(st.one_of(st.integers(1, max_tokens), st.sampled_from([1, max_tokens])))
    some = st.integers(0, vocabulary - 1).filter(lambda one: one != pad)
    ids = draw(hnp.arrays(np.int64, (rows, tokens), elements=some))
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
