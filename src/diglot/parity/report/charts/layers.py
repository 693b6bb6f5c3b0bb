"""The error of each layer on both sides, as lines."""

from __future__ import annotations

import math
from collections.abc import Iterable

import altair as alt

from diglot.parity.report.charts.drawing import AGAINST, GUIDE, HEIGHT, REFERENCE, WIDTH
from diglot.parity.result import CheckResult
from diglot.text import short_number, visible

TITLE = "Error by layer"
CAPTION = (
    "The largest error of each hidden state on both sides, against float64. Layer 0 is the"
    " embeddings. The dashed line is the smallest limit of any input."
)


def chart(result: CheckResult) -> alt.TopLevelMixin | None:
    """A line for each side on a logarithmic scale, or ``None`` without hidden states."""
    layers = result.layers
    if not layers:
        return None
    scale = _Decades(
        value for layer in layers for value in (layer.expected, layer.actual, layer.limit)
    )
    axis = alt.Axis(values=scale.ticks, labelExpr=scale.labels, domain=False, ticks=False)
    x = alt.X("layer:Q").scale(nice=False, padding=8)
    x = x.axis(grid=False, tickMinStep=1, format="d")
    y = alt.Y("error:Q").title("largest error").scale(domain=scale.domain, nice=False).axis(axis)
    limits = [{"layer": number, "error": scale(layer.limit)} for number, layer in enumerate(layers)]
    parts = [alt.Chart(alt.Data(values=limits)).mark_line(**GUIDE).encode(x, y)]
    for name, color, shape, errors in (
        (result.reference, REFERENCE, "circle", [layer.expected for layer in layers]),
        (result.against, AGAINST, "square", [layer.actual for layer in layers]),
    ):
        values = [
            {
                "layer": number,
                "error": scale(error),
                "description": visible(f"{layer.name}, {name}: {short_number(error)}", 200),
            }
            for number, (layer, error) in enumerate(zip(layers, errors, strict=True))
        ]
        side = alt.Chart(alt.Data(values=values)).encode(x, y)
        parts += [
            side.mark_line(aria=False, color=color, strokeWidth=1.5),
            side.mark_point(shape=shape, color=color, fill=color, opacity=1, size=28).encode(
                description="description:N"
            ),
        ]
    return alt.layer(*parts).properties(width=WIDTH, height=HEIGHT)


class _Decades:
    """A logarithmic axis with extra positions for zero and for values that are not finite.

    Attributes:
        ticks: the positions of the labels.
        labels: a Vega expression for the label of a tick.
        domain: the two ends of the axis.
    """

    def __init__(self, values: Iterable[float]) -> None:
        values = list(values)
        powers = [math.log10(value) for value in values if 0 < value < math.inf] or [0.0]
        low = math.floor(min(powers))
        high = max(math.ceil(max(powers)), low + 1)
        step = math.ceil((high - low) / 8)
        names = {power: f"1e{power}" for power in range(low, high + 1, step)}
        self._zero, self._beyond = low - 1, high + 1
        if 0 in values:
            names[self._zero] = "0"
        if not all(map(math.isfinite, values)):
            names[self._beyond] = "not finite"
        self.ticks = sorted(names)
        self.labels = f"{[names[tick] for tick in self.ticks]}[indexof({self.ticks}, datum.value)]"
        self.domain = [min(low, self.ticks[0]), max(high, self.ticks[-1])]

    def __call__(self, value: float) -> float:
        """The position of a value on the axis."""
        if not math.isfinite(value):
            return self._beyond
        return math.log10(value) if value else self._zero
