"""``python -m parity_tests.matrix FOLDER`` writes checkpoints and their ledgers, for nox."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from shutil import copytree, rmtree

# huggingface_hub reads it once, when it is imported.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from diglot.checkpoints import find
from diglot.parity.ledger import record
from diglot.quiet import transformers_muted

from .checkpoints import saved

# Architectures with little in common: a change of one version in all of them shows in any.
_ARCHITECTURES = ("bert", "deberta-v2", "gpt2", "llama", "modernbert")


def main(folder: Path) -> None:
    """Replace the folder's content by the checkpoints and their ledgers."""
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
