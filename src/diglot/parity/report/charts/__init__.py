"""The three charts of a report.

One colour and one shape a side, the same in all of them: the reference's is round, the tested
side's square.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from diglot.parity.report.charts import histogram, layers, scatter
from diglot.parity.report.charts.svg import drawn
from diglot.parity.result import CheckResult


@dataclass(frozen=True)
class Figure:
    """A chart with its words; without a drawing where there is nothing to draw."""

    title: str
    caption: str
    drawing: Markup | None


def figures(result: CheckResult) -> Iterator[Figure]:
    """All charts, in the order of the page."""
    for one in (histogram, layers, scatter):
        chart = one.chart(result)
        yield Figure(one.TITLE, one.CAPTION, None if chart is None else drawn(chart))
