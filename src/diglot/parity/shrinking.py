"""The smallest input that still fails: fewer rows, fewer characters or tokens, plainer ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from diglot.equality.cases import Case
from diglot.types import Encoding

# How long a failure may be made smaller, in seconds; whatever has been reached then counts.
_PATIENCE = 60.0


def smallest(case: Case, fails: Callable[[Case], bool], *, patience: float = _PATIENCE) -> Case:
    """Leave out of a case whatever it fails without.

    Args:
        case: one that fails.
        fails: whether another does, in the same way.
        patience: when to stop, in seconds.
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
    """Every case that is one step smaller, the largest steps first."""
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
    kept = [index for index in range(case.rows) if index != row]
    if case.encoding is not None:
        return replace(case, encoding={name: value[kept] for name, value in case.encoding.items()})
    pairs = None if case.pairs is None else tuple(case.pairs[index] for index in kept)
    return replace(case, texts=tuple(case.texts[index] for index in kept), pairs=pairs)


def _parts(size: int) -> Iterator[slice]:
    """What to leave out of a row of that size: halves, then quarters, and at last single places."""
    length = size // 2
    while length:
        yield from (slice(start, start + length) for start in range(0, size, length))
        length //= 2


def _smaller_texts(text: str) -> Iterator[str]:
    yield from (text[: part.start] + text[part.stop :] for part in _parts(len(text)))
    if len(text) == 1:
        yield ""
    # An "a" is as plain as a character can be; another that must stay is what matters.
    yield from (
        text[:index] + "a" + text[index + 1 :] for index, one in enumerate(text) if one != "a"
    )


def _smaller_encodings(encoding: Encoding) -> Iterator[Encoding]:
    rows, tokens = encoding["input_ids"].shape
    for part in _parts(tokens):
        kept = np.delete(np.arange(tokens), part)
        yield {name: value[:, kept] for name, value in encoding.items()}
    plain = {name: int(name != "token_type_ids") for name in encoding}
    for name, value in encoding.items():
        for row, token in np.argwhere(value != plain[name]) if rows * tokens <= 64 else ():
            simpler = value.copy()
            simpler[row, token] = plain[name]
            yield {**encoding, name: simpler}
