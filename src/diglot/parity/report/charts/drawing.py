"""Charts as SVG with the colours of the page and a description of each mark."""

from __future__ import annotations

from io import StringIO
from xml.etree import ElementTree

import altair as alt
from markupsafe import Markup

WIDTH, HEIGHT = 270, 250
"""The size of a plot without its axes, in pixels; it fits a phone."""

# Variables of the page's style, so that a chart follows the page's theme.
REFERENCE, AGAINST = "var(--reference)", "var(--against)"
WRONG, INK, MUTED, RULE = "var(--wrong)", "var(--ink)", "var(--muted)", "var(--rule)"
PAGE = "var(--page)"

GUIDE = {"aria": False, "color": MUTED, "strokeDash": [4, 3], "strokeWidth": 1.5}
"""The style of the line of a limit."""


def svg(chart: alt.TopLevelMixin) -> Markup:
    """The chart as an element of an HTML page.

    It is as wide as its place on the page, and each mark shows its description under the pointer.
    """
    buffer = StringIO()
    _themed(chart).save(buffer, format="svg")
    # HTML needs no namespace, and ElementTree writes an element without one unchanged.
    plain = buffer.getvalue().replace(' xmlns="http://www.w3.org/2000/svg"', "", 1)
    root = ElementTree.fromstring(plain)
    root.attrib = {"class": "chart", "viewBox": root.attrib["viewBox"]}
    for mark in root.iter("path"):
        if mark.get("role") == "graphics-symbol":
            ElementTree.SubElement(mark, "title").text = mark.get("aria-label")
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _themed(chart: alt.TopLevelMixin) -> alt.TopLevelMixin:
    return (
        chart.configure(font="system-ui, sans-serif", background="transparent", padding=2)
        .configure_view(stroke=None)
        .configure_axis(
            labelFontSize=11,
            labelColor=MUTED,
            labelFlush=False,
            titleFontSize=11,
            titleFontWeight="normal",
            titleColor=MUTED,
            domainColor=RULE,
            tickColor=RULE,
            gridColor=RULE,
        )
        .configure_title(
            anchor="start", color=INK, fontSize=11, fontWeight="normal", frame="group", offset=4
        )
    )
