"""The probabilities of one side against those of the other."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import altair as alt

from diglot.parity.report.charts.svg import (
    AGAINST,
    GUIDE,
    INK,
    PAGE,
    REFERENCE,
    WIDTH,
    WRONG,
)
from diglot.parity.result import CheckResult
from diglot.text import short_number, visible

TITLE = "Probabilities, side against side"
CAPTION = (
    "Each label of each row; larger points are more rows. On the diagonal both sides say the same."
    " Of a row that flips, the reference's label is shown: as a diamond where the flip is excused,"
    " as a cross where not."
)

# How many marks of one kind there may be; more would tell nothing more.
_MOST = 1200

_PLAIN, _EXCUSED, _FLIPPED = "row", "excused flip", "flip"

Point = tuple[float, float]


def chart(result: CheckResult) -> alt.TopLevelMixin | None:
    """A point for each probability, with the flips on top."""
    points: dict[str, list[Point]] = {_PLAIN: [], _EXCUSED: [], _FLIPPED: []}
    for kind, point in _points(result):
        if all(map(math.isfinite, point)):
            points[kind].append(point)
    every = [value for some in points.values() for point in some for value in point]
    if not every:
        return None
    # Scores need not be probabilities: a regression's are anything.
    domain = [min(0.0, *every), max(1.0, *every)]
    axes = []
    for channel, name, color in (
        (alt.X, result.reference, REFERENCE),
        (alt.Y, result.against, AGAINST),
    ):
        axis = channel(f"{channel.__name__.lower()}:Q").title(visible(name, 30))
        axes.append(axis.scale(domain=domain, nice=False).axis(titleColor=color, tickCount=5))
    diagonal = alt.Data(values=[{"x": end, "y": end} for end in domain])
    parts = [alt.Chart(diagonal).mark_line(**GUIDE).encode(*axes)]
    count = alt.Size("count:Q").legend(None)
    count = count.scale(type="sqrt", domain=[1, 1000], range=[14, 160], clamp=True)
    for kind, shape, color, fill, opacity, size in (
        (_PLAIN, "circle", INK, INK, 0.55, count),
        (_EXCUSED, "diamond", WRONG, PAGE, 1, alt.value(70)),
        (_FLIPPED, "cross", WRONG, WRONG, 1, alt.value(70)),
    ):
        values = _gathered(points[kind], kind, domain[1] - domain[0])
        mark = {"shape": shape, "color": color, "fill": fill, "opacity": opacity}
        drawn = alt.Chart(alt.Data(values=values)).mark_point(**mark)
        parts.append(drawn.encode(*axes, size=size, description="said:N"))
    return alt.layer(*parts).properties(width=WIDTH, height=WIDTH)


def _points(result: CheckResult) -> Iterator[tuple[str, Point]]:
    excused = {(one.case, one.row) for one in result.flips if one.excused}
    for case, one in enumerate(result.inputs):
        for row, answer in enumerate(one.answers):
            both = list(zip(answer.expected, answer.actual, strict=True))
            if answer.flipped:
                # The reference's best label; a NaN never is.
                best = max(both, key=lambda pair: (pair[0] == pair[0], pair[0]))
                yield _EXCUSED if (case, row) in excused else _FLIPPED, best
            else:
                for point in both:
                    yield _PLAIN, point


def _gathered(points: Iterable[Point], what: str, span: float) -> list[dict[str, Any]]:
    """Points that would cover each other as one, on the finest grid that leaves few enough."""
    for steps in (400, 200, 100, 50, 25):
        cells = Counter(tuple(round(each / span * steps) for each in point) for point in points)
        if len(cells) <= _MOST:
            break
    values = []
    for cell, count in cells.items():
        x, y = (at * span / steps for at in cell)
        said = (
            f"{count} {what}{'s' if count > 1 else ''} at {short_number(x)} and {short_number(y)}"
        )
        values.append({"x": x, "y": y, "count": count, "said": said})
    return values
