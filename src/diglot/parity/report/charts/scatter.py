"""The probabilities of both sides, as points."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import altair as alt

from diglot.parity.report.charts.drawing import (
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
    "Each label of each row; larger points stand for more rows. On the diagonal, both sides are"
    " equal. A row that flips shows only the reference's label, as a diamond if the flip is excused"
    " and as a cross if not."
)

# The most marks of one kind; more would cover each other.
_MOST = 1200

_PLAIN, _EXCUSED, _FLIPPED = "row", "excused flip", "flip"

Point = tuple[float, float]


def chart(result: CheckResult) -> alt.TopLevelMixin | None:
    """A point for each probability, with the flips on top, or ``None`` without finite ones."""
    points: dict[str, list[Point]] = {_PLAIN: [], _EXCUSED: [], _FLIPPED: []}
    for kind, point in _points(result):
        if all(map(math.isfinite, point)):
            points[kind].append(point)
    values = [value for kind in points.values() for point in kind for value in point]
    if not values:
        return None
    # The scores of a regression can be outside of 0 to 1.
    domain = [min(0.0, *values), max(1.0, *values)]
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
        marks = _gathered(points[kind], kind, domain[1] - domain[0])
        mark = {"shape": shape, "color": color, "fill": fill, "opacity": opacity}
        layer = alt.Chart(alt.Data(values=marks)).mark_point(**mark)
        parts.append(layer.encode(*axes, size=size, description="description:N"))
    return alt.layer(*parts).properties(width=WIDTH, height=WIDTH)


def _points(result: CheckResult) -> Iterator[tuple[str, Point]]:
    excused = {(flip.case, flip.row) for flip in result.flips if flip.excused}
    for case, judged in enumerate(result.inputs):
        for row, answer in enumerate(judged.answers):
            both = list(zip(answer.expected, answer.actual, strict=True))
            if answer.flipped:
                # The reference's best label, which is never a NaN.
                best = max(both, key=lambda pair: (pair[0] == pair[0], pair[0]))
                yield _EXCUSED if (case, row) in excused else _FLIPPED, best
            else:
                for point in both:
                    yield _PLAIN, point


def _gathered(points: Iterable[Point], kind: str, span: float) -> list[dict[str, Any]]:
    """One mark for the points in each cell of the finest grid that has few enough cells."""
    for steps in (400, 200, 100, 50, 25):
        cells = Counter(tuple(round(value / span * steps) for value in point) for point in points)
        if len(cells) <= _MOST:
            break
    values = []
    for cell, count in cells.items():
        x, y = (place * span / steps for place in cell)
        plural = "s" if count > 1 else ""
        description = f"{count} {kind}{plural} at {short_number(x)} and {short_number(y)}"
        values.append({"x": x, "y": y, "count": count, "description": description})
    return values
