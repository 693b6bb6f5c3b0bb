"""The smallest failing input: fewer rows, fewer characters or tokens, and plainer ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from diglot.equality.cases import Case

if TYPE_CHECKING:
    from diglot.types import Encoding

# The most seconds for one failure; after that the smallest input so far counts.
_PATIENCE = 60.0


def smallest(case: Case, fails: Callable[[Case], bool], *, patience: float = _PATIENCE) -> Case:
    """Remove all parts of a failing case that the failure does not need.

    Args:
        case: a failing case.
        fails: whether another case fails in the same way.
        patience: the most seconds.
    """
    end = time.monotonic() + patience
    smaller: Case | None = case
    while smaller is not None:
        case, smaller = smaller, None
        for candidate in _smaller(case):
            if time.monotonic() > end:
                return case
            if fails(candidate):
                smaller = candidate
                break
    return case


def _smaller(case: Case) -> Iterator[Case]:
    """All cases that are one step smaller, the largest steps first."""
    if case.rows > 1:
        yield from (case.row(index) for index in range(case.rows))
        yield from (_without(case, index) for index in range(case.rows))
    if case.encoding is not None:
        for encoding in _smaller_encodings(case.encoding):
            yield replace(case, encoding=encoding)
        return
    for row in range(case.rows):
        for text in _smaller_texts(case.texts[row]):
            yield replace(case, texts=(*case.texts[:row], text, *case.texts[row + 1 :]))
        for text in _smaller_texts(case.pairs[row] if case.pairs else ""):
            pairs = case.pairs or ()
            yield replace(case, pairs=(*pairs[:row], text, *pairs[row + 1 :]))


def _without(case: Case, row: int) -> Case:
    rest = [index for index in range(case.rows) if index != row]
    if case.encoding is not None:
        encoding = {name: values[rest] for name, values in case.encoding.items()}
        return replace(case, encoding=encoding)
    pairs = None if case.pairs is None else tuple(case.pairs[index] for index in rest)
    return replace(case, texts=tuple(case.texts[index] for index in rest), pairs=pairs)


def _parts(size: int) -> Iterator[slice]:
    """The parts to remove from a row of that size: halves, quarters, and last single places."""
    length = size // 2
    while length:
        yield from (slice(start, start + length) for start in range(0, size, length))
        length //= 2


def _smaller_texts(text: str) -> Iterator[str]:
    yield from (text[: part.start] + text[part.stop :] for part in _parts(len(text)))
    if len(text) == 1:
        yield ""
    # "a" is the plainest character, so any other that remains matters.
    yield from (
        text[:index] + "a" + text[index + 1 :]
        for index, character in enumerate(text)
        if character != "a"
    )


def _smaller_encodings(encoding: Encoding) -> Iterator[Encoding]:
    rows, tokens = encoding["input_ids"].shape
    for part in _parts(tokens):
        rest = np.delete(np.arange(tokens), part)
        yield {name: values[:, rest] for name, values in encoding.items()}
    plain = {name: int(name != "token_type_ids") for name in encoding}
    for name, values in encoding.items():
        for row, token in np.argwhere(values != plain[name]) if rows * tokens <= 64 else ():
            simpler = values.copy()
            simpler[row, token] = plain[name]
            yield {**encoding, name: simpler}
