"""Draws texts that can tell two tokenizers apart, and finds the smallest text that does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

Encode = Callable[[Sequence[str], Sequence[str] | None], list[list[int]]]
"""A tokenizer: takes texts and, for pairs, second texts, and returns the ids of each row."""

_WORDS = (
    "the", "The", "film", "FILM", "waiting", "don't", "I've", "naïve", "café", "Straße", "ΟΔΟΣ",
    "İstanbul", "unaffable", "3.14", "1,000", "2026-11-22", "e-mail", "C++", "http://a.b/c?d=e#f",
    "@user", "#tag", "...", "!?", "—", "“quoted”", "x" * 120, "antidisestablishmentarianism",
)  # fmt: skip
_FRAGMENTS = (
    " ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u2028", "\u3000", "\u200b", "\u200d", "\ufeff",
    "\x00", "\x07", "\ufffd", "e\u0301", "\u0301", "a\u0323\u0302", "\u1e69", "s\u0323\u0307",
    "\x7f", "ß", "ẞ", "İ", "\u0131", "Σ", "ς", "ǅ", "ﬁ", "①", "Å", "한국어", "한", "日本語",
    "中", "𠀀", "ไทย", "กำ", "العربية", "לא", "हिन्दी", "👩‍👩‍👧", "🏳️‍🌈", "👍🏽", "🇩🇪", "▁", "Ġ",
    "##ing", "##", "'", "\u2019s", "'S", "'\u017f", "١٢٣", "½", "\U0010ffff", "\ue000", "\ufdd0",
)  # fmt: skip
# The probability of the code points below each bound and above the bound before.
_RANGES = ((0x80, 0.4), (0x250, 0.2), (0x3000, 0.2), (0x10000, 0.15), (0x110000, 0.05))


@dataclass(frozen=True)
class Mismatch:
    """A text for which two tokenizers give different ids.

    Attributes:
        text: the text.
        pair: the second text, if pairs were compared.
        actual: the ids of the compiled tokenizer.
        expected: the ids of the library.
    """

    text: str
    pair: str | None
    actual: list[int]
    expected: list[int]

    def __str__(self) -> str:
        both = repr(self.text) if self.pair is None else f"{self.text!r} with {self.pair!r}"
        return f"{both} becomes {self.actual}, but {self.expected} in the library"


def texts(seed: int, count: int, tokens: Sequence[str] = (), *, longest: int = 2_000) -> list[str]:
    """Draw texts of words, unusual fragments, characters of all of Unicode, and tokens.

    The first text is empty, and the last has ``longest`` pieces. No text contains a surrogate.

    A piece is a word, a fragment, a token, or one to five drawn characters. The number of tokens
    of a piece depends on the tokenizer: about two in a large vocabulary, and up to 120 (the longest
    word) in one of single bytes.

    Args:
        seed: equal seeds give equal texts.
        count: the number of texts.
        tokens: of the vocabulary, special tokens included.
        longest: the largest number of pieces of a text.

    Returns:
        The texts.

    Raises:
        ValueError: ``longest`` is negative.
    """
    if longest < 0:
        raise ValueError(f"longest={longest} is negative; pass a number of pieces")
    random = np.random.default_rng(seed)
    pools = [list(_WORDS), list(_FRAGMENTS)] + ([list(tokens)] if tokens else [])

    def piece() -> str:
        kind = int(random.integers(len(pools) + 1))
        if kind < len(pools):
            return pools[kind][int(random.integers(len(pools[kind])))]
        return "".join(_character(random) for _ in range(int(random.integers(1, 6))))

    def text(pieces: int) -> str:
        glue = ("", " ")[int(random.integers(2))]
        return glue.join(piece() for _ in range(pieces))

    # Most differences appear in short texts; a few longer texts exceed any limit of a model.
    sizes = random.geometric(0.15, size=count)
    drawn = [text(min(int(size), longest)) for size in sizes[: max(count - 2, 0)]]
    return ["", *drawn, text(longest)][:count]


def mismatch(
    actual: Encode,
    expected: Encode,
    texts: Sequence[str],
    pairs: Sequence[str] | None = None,
    *,
    batch: int = 64,
) -> Mismatch | None:
    """Find the first text for which two tokenizers give different ids, and shrink it.

    Args:
        actual: the compiled tokenizer.
        expected: the library.
        texts: the texts to compare.
        pairs: the second texts of pairs.
        batch: the number of texts per call.

    Returns:
        The smallest such text, or None if all ids are equal.
    """
    for start in range(0, len(texts), batch):
        firsts = texts[start : start + batch]
        seconds = None if pairs is None else pairs[start : start + batch]
        rows = zip(actual(firsts, seconds), expected(firsts, seconds), strict=True)
        for index, (actual_ids, expected_ids) in enumerate(rows):
            if actual_ids != expected_ids:
                second = None if seconds is None else seconds[index]
                return _smallest(actual, expected, firsts[index], second)
    return None


def _smallest(actual: Encode, expected: Encode, text: str, pair: str | None) -> Mismatch:
    def both(text: str, pair: str | None) -> tuple[list[int], list[int]]:
        seconds = None if pair is None else [pair]
        return actual([text], seconds)[0], expected([text], seconds)[0]

    def differs(text: str, pair: str | None) -> bool:
        actual_ids, expected_ids = both(text, pair)
        return actual_ids != expected_ids

    # A text can have other ids alone than in a batch. Such a text is not shrunk.
    if differs(text, pair):
        if pair is not None:
            pair = _shrunk(pair, lambda shorter: differs(text, shorter))
        text = _shrunk(text, lambda shorter: differs(shorter, pair))
    return Mismatch(text, pair, *both(text, pair))


def _shrunk(text: str, differs: Callable[[str], bool]) -> str:
    """Remove smaller and smaller parts while the tokenizers still differ on the rest."""
    size = max(len(text) // 2, 1)
    while text:
        shorter = next(filter(differs, _without(text, size)), None)
        if shorter is not None:
            text = shorter
        elif size == 1:
            break
        else:
            size //= 2
    return text


def _without(text: str, size: int) -> Iterator[str]:
    """Yield the text without each part of ``size`` characters."""
    return (text[:start] + text[start + size :] for start in range(0, len(text), size))


def _character(random: np.random.Generator) -> str:
    """Draw a character that is not a surrogate."""
    index = int(random.choice(len(_RANGES), p=[probability for _, probability in _RANGES]))
    low = _RANGES[index - 1][0] if index else 0
    code_point = int(random.integers(low, _RANGES[index][0]))
    return chr(code_point if not 0xD800 <= code_point < 0xE000 else code_point - 0x800)
