"""A check as one HTML page, which needs only a browser.

The page is one file. It loads nothing over the network, and its only script copies a command.
Values from a checkpoint or a text are escaped, and invisible characters are written as escapes.
"""

from __future__ import annotations

from pathlib import Path

from diglot.extras import require
from diglot.files import replacing_file
from diglot.parity.result import CheckResult


def write(result: CheckResult, path: Path) -> None:
    """Write the report of a check as one HTML file.

    Args:
        result: the result of the check.
        path: the file to write; an existing file is replaced.

    Raises:
        BackendNotInstalledError: the extra ``parity`` is missing.
        OSError: the file cannot be written.
    """
    require("parity", "altair", "jinja2", "vl_convert")
    from diglot.parity.report.page import render

    page = render(result)
    with replacing_file(path) as file:
        file.write_text(page, encoding="utf-8")
