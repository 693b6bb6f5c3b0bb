"""How the error grows from layer to layer on either side."""

from __future__ import annotations

import math
from collections.abc import Iterable

import altair as alt

from diglot.parity.report.charts.svg import AGAINST, GUIDE, HEIGHT, REFERENCE, WIDTH
from diglot.parity.result import CheckResult
from diglot.text import short_number, visible

TITLE = "Error by layer"
CAPTION = (
    "The largest error of each hidden state on either side, against float64; layer 0 are the"
    " embeddings. The dashed line is the least that was allowed."
)


def chart(result: CheckResult) -> alt.TopLevelMixin | None:
    """A line a side, on a logarithmic scale."""
    layers = result.layers
    if not layers:
        return None
    scale = _Decades(each for one in layers for each in (one.expected, one.actual, one.limit))
    axis = alt.Axis(values=scale.ticks, labelExpr=scale.labels, domain=False, ticks=False)
    x = alt.X("layer:Q").scale(nice=False, padding=8)
    x = x.axis(grid=False, tickMinStep=1, format="d")
    y = alt.Y("error:Q").title("largest error").scale(domain=scale.domain, nice=False).axis(axis)
    limits = [{"layer": at, "error": scale(one.limit)} for at, one in enumerate(layers)]
    parts = [alt.Chart(alt.Data(values=limits)).mark_line(**GUIDE).encode(x, y)]
    for name, color, shape, errors in (
        (result.reference, REFERENCE, "circle", [one.expected for one in layers]),
        (result.against, AGAINST, "square", [one.actual for one in layers]),
    ):
        values = [
            {
                "layer": at,
                "error": scale(error),
                "said": visible(f"{one.name}, {name}: {short_number(error)}", 200),
            }
            for at, (one, error) in enumerate(zip(layers, errors, strict=True))
        ]
        side = alt.Chart(alt.Data(values=values)).encode(x, y)
        parts += [
            side.mark_line(aria=False, color=color, strokeWidth=1.5),
            side.mark_point(shape=shape, color=color, fill=color, opacity=1, size=28).encode(
                description="said:N"
            ),
        ]
    return alt.layer(*parts).properties(width=WIDTH, height=HEIGHT)


class _Decades:
    """A logarithmic axis on which zero, and what is not finite, have places of their own.

    Attributes:
        ticks: where there is a label.
        labels: an expression of Vega's for the label of a tick.
        domain: the two ends.
    """

    def __init__(self, values: Iterable[float]) -> None:
        seen = list(values)
        powers = [math.log10(one) for one in seen if 0 < one < math.inf] or [0.0]
        low = math.floor(min(powers))
        high = max(math.ceil(max(powers)), low + 1)
        names = {at: f"1e{at}" for at in range(low, high + 1, math.ceil((high - low) / 8))}
        self._zero, self._beyond = low - 1, high + 1
        if 0 in seen:
            names[self._zero] = "0"
        if not all(map(math.isfinite, seen)):
            names[self._beyond] = "not finite"
        self.ticks = sorted(names)
        self.labels = f"{[names[at] for at in self.ticks]}[indexof({self.ticks}, datum.value)]"
        self.domain = [min(low, self.ticks[0]), max(high, self.ticks[-1])]

    def __call__(self, value: float) -> float:
        """Where a value stands."""
        if not math.isfinite(value):
            return self._beyond
        return math.log10(value) if value else self._zero
