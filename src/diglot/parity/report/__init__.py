"""A check as one page that shows it all, and needs nothing but a browser.

The page is one file. It asks for nothing over the network, and its only script copies a command.
Whatever comes from a checkpoint or a text is escaped, and characters that do not show are written
out.
"""

from __future__ import annotations

from pathlib import Path

from diglot.extras import require
from diglot.files import replacing_file
from diglot.parity.result import CheckResult


def write(result: CheckResult, path: Path) -> None:
    """Write the report of a check as one HTML file.

    Args:
        result: what the check found.
        path: where to; a file that is there is replaced.

    Raises:
        BackendNotInstalledError: the extra ``parity`` is missing.
        OSError: the file cannot be written.
    """
    require("parity", "altair", "jinja2", "vl_convert")
    from diglot.parity.report.page import render

    page = render(result)
    with replacing_file(path) as file:
        file.write_text(page, encoding="utf-8")
