"""The versions of what an answer may depend on besides the checkpoint."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = (
    "diglot",
    "keras",
    "numpy",
    "safetensors",
    "tensorflow",
    "tensorflow-cpu",
    "tensorflow-serving-api",
    "tokenizers",
    "torch",
    "transformers",
)
"""The packages that take part in an answer or an export, by the name of their distribution."""


def installed(*distributions: str) -> str | None:
    """The version of the first of these distributions that is installed; ``None`` for none."""
    for distribution in distributions:
        try:
            return version(distribution)
        except PackageNotFoundError:
            continue
    return None


def packages() -> dict[str, str]:
    """The version of each package of :data:`PACKAGES` that is installed."""
    versions = {package: installed(package) for package in PACKAGES}
    return {package: number for package, number in versions.items() if number is not None}


def environment() -> dict[str, str]:
    """The versions of the packages and of Python, and the platform."""
    return {
        **packages(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
    }
