"""What the page shows of a result: the worst first, and not more than can be read."""

from __future__ import annotations

import math
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
    """Some neighbouring tokens of one row, its worst among them.

    Attributes:
        row: the row's number.
        first: how many tokens come before.
        whole: how many the row has.
        tokens: those to show.
    """

    row: int
    first: int
    whole: int
    tokens: Sequence[Token]


@dataclass(frozen=True)
class Origin:
    """What inputs of one origin came to."""

    name: str
    inputs: int
    refused: int
    worst: float


def ratio(one: Input) -> float:
    """The largest error of an input in any stage, as a share of what was allowed."""
    return max(one.ratios.values(), default=0.0)


def ranked(result: CheckResult) -> list[tuple[int, Input]]:
    """The inputs with their numbers, the worst first, the refused last."""
    return sorted(
        enumerate(result.inputs), key=lambda pair: (bool(pair[1].refused), -ratio(pair[1]))
    )


def worst(result: CheckResult) -> list[tuple[int, Input]]:
    """The worst of those whose tokens are known."""
    return [pair for pair in ranked(result) if pair[1].tokens][:_WORST]


def excerpts(one: Input) -> list[Excerpt]:
    """The worst rows of an input, each around its worst token."""
    rows = [(number, tokens) for number, tokens in enumerate(one.tokens) if tokens]
    rows.sort(key=lambda pair: -max(map(_share, pair[1])))
    found = []
    for number, tokens in sorted(rows[:_ROWS]):
        at = max(range(len(tokens)), key=lambda place: _share(tokens[place]))
        first = max(0, min(at - _TOKENS // 2, len(tokens) - _TOKENS))
        found.append(Excerpt(number, first, len(tokens), tokens[first : first + _TOKENS]))
    return found


def heat(token: Token) -> int:
    """How much of its limit a token takes, from 0 to 3, and 4 beyond it."""
    return sum(not _share(token) <= edge for edge in _HEAT)


def origins(result: CheckResult) -> list[Origin]:
    """Where the inputs come from, in the order of their first."""
    return [
        Origin(
            name,
            len(some),
            sum(bool(one.refused) for one in some),
            max(map(ratio, some), default=math.nan),
        )
        for name in dict.fromkeys(one.case.origin for one in result.inputs)
        if (some := [one for one in result.inputs if one.case.origin == name])
    ]


def sides(result: CheckResult) -> list[str]:
    """The sides that have invariants."""
    return list(dict.fromkeys(one.side for one in result.invariants))


def invariants(result: CheckResult) -> dict[str, dict[str, Invariant]]:
    """By name, then by side."""
    table: dict[str, dict[str, Invariant]] = {}
    for one in result.invariants:
        table.setdefault(one.name, {})[one.side] = one
    return table


def _share(token: Token) -> float:
    return token.ratio or 0.0
