"""Excerpts of a result for the page: the worst inputs first, in a readable number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from diglot.parity.result import CheckResult, Input, Invariant, Token

MOST_FAILURES = 10
MOST_FLIPS = 50
MOST_INPUTS = 1000

_WORST = 10
_ROWS = 4
_TOKENS = 64

_HEAT = (0.01, 0.1, 0.3, 1.0)


@dataclass(frozen=True)
class Excerpt:
    """Neighbouring tokens of one row, with the worst token of the row.

    Attributes:
        row: the row's number.
        first: the position of the first token.
        whole: the number of tokens in the row.
        tokens: the tokens to show.
    """

    row: int
    first: int
    whole: int
    tokens: Sequence[Token]


@dataclass(frozen=True)
class Origin:
    """The inputs of one origin.

    Attributes:
        name: the origin.
        inputs: the number of inputs.
        refused: the number of inputs that both sides refuse.
        worst: the largest error, as a share of the limit.
    """

    name: str
    inputs: int
    refused: int
    worst: float


def ratio(judged: Input) -> float:
    """The largest error of an input in any stage, as a share of the limit."""
    return max(judged.ratios.values(), default=0.0)


def ranked(result: CheckResult) -> list[tuple[int, Input]]:
    """The inputs with their numbers; the worst first, refused ones last."""
    return sorted(
        enumerate(result.inputs), key=lambda pair: (bool(pair[1].refused), -ratio(pair[1]))
    )


def worst(result: CheckResult) -> list[tuple[int, Input]]:
    """The worst inputs with known tokens, with their numbers."""
    return [pair for pair in ranked(result) if pair[1].tokens][:_WORST]


def excerpts(judged: Input) -> list[Excerpt]:
    """Excerpts of the worst rows of an input, each around its worst token."""
    rows = [(number, tokens) for number, tokens in enumerate(judged.tokens) if tokens]
    rows.sort(key=lambda pair: -max(map(_share, pair[1])))
    cut = []
    for number, tokens in sorted(rows[:_ROWS]):
        peak = max(range(len(tokens)), key=lambda index: _share(tokens[index]))
        first = max(0, min(peak - _TOKENS // 2, len(tokens) - _TOKENS))
        cut.append(Excerpt(number, first, len(tokens), tokens[first : first + _TOKENS]))
    return cut


def heat(token: Token) -> int:
    """The error of a token in five steps: 0 to 3 within the limit, 4 beyond it."""
    return sum(not _share(token) <= edge for edge in _HEAT)


def origins(result: CheckResult) -> list[Origin]:
    """The origins of the inputs, in the order of their first input."""
    by_origin: dict[str, list[Input]] = {}
    for judged in result.inputs:
        by_origin.setdefault(judged.case.origin, []).append(judged)
    return [
        Origin(name, len(inputs), sum(bool(judged.refused) for judged in inputs), worst_ratio)
        for name, inputs in by_origin.items()
        for worst_ratio in [max(map(ratio, inputs))]
    ]


def sides(result: CheckResult) -> list[str]:
    """The names of the sides that have invariants."""
    return list(dict.fromkeys(invariant.side for invariant in result.invariants))


def invariants(result: CheckResult) -> dict[str, dict[str, Invariant]]:
    """The invariants by name, then by side."""
    table: dict[str, dict[str, Invariant]] = {}
    for invariant in result.invariants:
        table.setdefault(invariant.name, {})[invariant.side] = invariant
    return table


def _share(token: Token) -> float:
    return token.ratio or 0.0
