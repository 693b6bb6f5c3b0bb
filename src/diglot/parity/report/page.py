"""The page: a result, rendered by the templates."""

from __future__ import annotations

import math
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from diglot.parity.report import charts, excerpts
from diglot.parity.result import ENCODING, CheckResult
from diglot.text import short_number, visible


def render(result: CheckResult) -> str:
    """The whole page as HTML."""
    style, script = (_resource(name) for name in ("style.css", "copy.js"))
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            result=result,
            excerpts=excerpts,
            ENCODING=ENCODING,
            infinity=math.inf,
            style=style,
            script=script,
            policy=_policy(style, script),
            figures=charts.figures(result),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("diglot.parity.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": short_number, "visible": visible}
    return environment


def _finalize(value: Any) -> Any:
    """Make the text of a value visible; applied to each printed value before it is escaped."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return visible(value, len(value))
    return value


def _policy(style: str, script: str) -> str:
    """A content security policy that allows this style and this script, and nothing else."""
    hashes = [b64encode(sha256(text.encode()).digest()).decode() for text in (style, script)]
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}';"
        " base-uri 'none'; form-action 'none'"
    )


def _resource(name: str) -> Markup:
    return Markup((files("diglot.parity.report") / "templates" / name).read_text("utf-8"))
