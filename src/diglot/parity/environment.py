"""What answers may depend on besides the checkpoint."""

from __future__ import annotations

import platform

from diglot.serving import provenance


def versions() -> dict[str, str]:
    """The versions of the packages that have a part in an answer, of Python, and the platform."""
    return {
        **provenance.versions(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
    }
