"""The three charts of a report.

Each side has one colour and one shape in all charts: the reference is round, the side under test is
square.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from diglot.parity.report.charts import histogram, layers, scatter
from diglot.parity.report.charts.drawing import svg
from diglot.parity.result import CheckResult


@dataclass(frozen=True)
class Figure:
    """A chart with its title and caption; the drawing is ``None`` if there is nothing to draw."""

    title: str
    caption: str
    drawing: Markup | None


def figures(result: CheckResult) -> Iterator[Figure]:
    """All charts, in the order of the page."""
    for module in (histogram, layers, scatter):
        chart = module.chart(result)
        yield Figure(module.TITLE, module.CAPTION, None if chart is None else svg(chart))
