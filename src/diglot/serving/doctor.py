"""Inspects an exported version and reports the problems that a server would have with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from diglot.endpoints import layout, provenance
from diglot.errors import ExportError
from diglot.extras import require
from diglot.serving import targets
from diglot.serving.targets.target import SERVING as SERVING
from diglot.serving.targets.target import Finding


@dataclass(frozen=True)
class Examination:
    """The result of all checks of a version.

    Attributes:
        path: the version's folder.
        signatures: the inputs and outputs of each signature, in one line.
        operators: the operators by the library that implements them.
        findings: one for each check.
    """

    path: Path
    signatures: Mapping[str, str]
    operators: Mapping[str, tuple[str, ...]]
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Whether no finding is an error."""
        return all(finding.level != "error" for finding in self.findings)


def examine(path: str | Path, serving: str = SERVING) -> Examination:
    """Check a version without running it.

    Args:
        path: the version's folder; or the folder of all versions, which stands for the newest.
        serving: the release of TF Serving that is to load the version.

    Raises:
        ExportError: there is no readable version, or ``serving`` is no release.
        BackendNotInstalledError: TensorFlow or the extra ``serving`` is missing.
    """
    require("tensorflow,serving", "tensorflow", "tensorflow_serving")
    folder = layout.version(path)
    target = targets.of(folder)
    contents = target.contents(folder)
    findings = (*target.examine(folder, serving=serving), *_provenance(folder))
    return Examination(folder, contents.signatures, contents.operators, findings)


def _provenance(folder: Path) -> Iterator[Finding]:
    try:
        record = provenance.read(folder)
    except ExportError as error:
        yield Finding("warning", "provenance", str(error))
        return
    now, then = provenance.hashes(folder), record["files"]
    changes = {
        "changed": sorted(name for name in then if name in now and now[name] != then[name]),
        "gone": sorted(set(then) - set(now)),
        "new": sorted(set(now) - set(then)),
    }
    if any(changes.values()):
        listed = "; ".join(
            f"{kind}: {', '.join(names)}" for kind, names in changes.items() if names
        )
        yield Finding("error", "provenance", f"the files are not those that were proven ({listed})")
    else:
        yield Finding("ok", "provenance", f"all {len(then)} files are those that were proven")
    parity = record.get("parity")
    if parity is None or parity["differences"]:
        yield Finding("error", "parity", "no proof is recorded that it answers like its checkpoint")
    else:
        yield Finding(
            "ok",
            "parity",
            f"answered {parity['texts']} texts like {record['checkpoint']['name']}; the largest"
            f" absolute error of a logit is {parity['worst_error']:.2g}",
        )
