"""``python -m parity_tests.matrix FOLDER``: checkpoints, and beside each its ledger, for nox."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from shutil import copytree, rmtree

# Before anything imports huggingface_hub, which reads it once.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from diglot.checkpoints import find
from diglot.parity.ledger import record
from diglot.quiet import transformers_muted

from .checkpoints import saved

# Some that have little in common: what one version changes in all of them shows in any.
_ARCHITECTURES = ("bert", "deberta-v2", "gpt2", "llama", "modernbert")


def main(folder: Path) -> None:
    """Write the checkpoints and their ledgers, and nothing else stays in the folder."""
    rmtree(folder, ignore_errors=True)
    embedded = find(None)
    copytree(embedded.path, folder / embedded.name)
    for architecture in _ARCHITECTURES:
        with transformers_muted():
            saved(architecture, folder / architecture)
    for path in sorted(folder.iterdir()):
        ledger = record(path, folder / f"{path.name}.ledger")
        sys.stdout.write(f"{path.name}: {len(ledger.entries)} inputs recorded\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
