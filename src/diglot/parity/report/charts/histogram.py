"""A histogram of the errors, as shares of the limit."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

import altair as alt

from diglot.parity.report.charts.drawing import AGAINST, GUIDE, HEIGHT, WIDTH, WRONG
from diglot.parity.result import STAGES, CheckResult
from diglot.text import short_number

TITLE = "Error against the limit"
CAPTION = (
    "The number of inputs by their largest error, as a share of the limit. Right of the line, the"
    " two sides differ."
)

# The upper edges of the bars. The first bar holds identical values, and a bar after the last edge
# holds all larger errors.
_EDGES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 100.0)
_BEYOND = _EDGES.index(1.0) + 1


def chart(result: CheckResult) -> alt.TopLevelMixin | None:
    """A row of bars for each stage with numbers, or ``None`` if no stage has any."""
    shares = {
        stage: [judged.ratios[stage] for judged in result.inputs if stage in judged.ratios]
        for stage in STAGES[1:]
    }
    stages = [stage for stage, values in shares.items() if values]
    if not stages:
        return None
    rows = [_bars(stage, shares[stage], labels=stage == stages[-1]) for stage in stages]
    return alt.vconcat(*rows, spacing=10)


def _bars(stage: str, shares: list[float], *, labels: bool) -> alt.LayerChart:
    """One row of bars; the axis counts bars, and has labels at the edges between them."""
    values = [
        {
            "from": slot + 0.06,
            "to": slot + 0.94,
            "inputs": count,
            "description": f"{stage}: {count} input{'s' if count > 1 else ''}, {_between(slot)}",
            "beyond": slot >= _BEYOND,
        }
        for slot, count in sorted(Counter(bisect_left(_EDGES, share) for share in shares).items())
    ]
    last = len(_EDGES)
    places = [0.5, *range(2, last + 1), last + 0.5]
    names = ["same", *(short_number(edge).removeprefix("0") for edge in _EDGES[1:-1]), "", "more"]
    axis = alt.Axis(
        grid=False,
        ticks=False,
        labels=labels,
        values=places,
        labelExpr=f"{names}[indexof({places}, datum.value)]",
        labelOverlap=False,
    )
    title = "share of the limit" if labels else None
    x = alt.X("from:Q").scale(domain=[0, last + 1], nice=False).title(title).axis(axis)
    y = alt.Y("inputs:Q").axis(tickCount=3, tickMinStep=1, domain=False)
    color = alt.condition("datum.beyond", alt.value(WRONG), alt.value(AGAINST))
    bars = alt.Chart(alt.Data(values=values)).mark_bar()
    limit = alt.Chart(alt.Data(values=[{"from": _BEYOND}])).mark_rule(**GUIDE)
    return alt.layer(
        bars.encode(x, y, x2="to:Q", y2=alt.datum(0), color=color, description="description:N"),
        limit.encode(x),
    ).properties(width=WIDTH, height=(HEIGHT - 60) / 3, title=stage)


def _between(slot: int) -> str:
    if slot == 0:
        return "identical"
    low = short_number(_EDGES[slot - 1])
    if slot == len(_EDGES):
        return f"more than {low} of the limit"
    return f"{low} to {short_number(_EDGES[slot])} of the limit"
