"""``python -m parity_tests.trust`` measures the sensitivity and the specificity of the check.

Both measurements can be divided among processes and continued later: results that are in the folder
already are not measured again.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import warnings
from pathlib import Path

# TensorFlow and huggingface_hub read these once, when they are imported.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import torch

from . import document, sensitivity, specificity
from .catalogue import FAULTS
from .fault import Fault
from .ground import Grounds
from .records import Records
from .sensitivity import Outcome
from .specificity import Run

DOCUMENT = Path(__file__).parents[2] / "docs" / "trust.md"


def main() -> int:
    """Measure the chosen parts and print the results; 1 if the check cannot be trusted."""
    arguments = _arguments()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    name = f"{arguments.seeds.start}-{arguments.seeds.stop}"
    outcomes, runs = (
        Records(arguments.results, Outcome, name),
        Records(arguments.results, Run, name),
    )
    with tempfile.TemporaryDirectory() as scratch:
        if "sensitivity" in arguments.parts:
            _look_for_faults(outcomes, Grounds(Path(scratch, "faults")), arguments.only)
        if "specificity" in arguments.parts:
            _look_for_alarms(runs, Grounds(Path(scratch, "seeds")), arguments.seeds)
    known = {one.key: one for one in outcomes}
    # In the catalogue's order, and without faults that it no longer has.
    found = [known[key] for key in map(_key, _faults()) if key in known]
    checked = list(runs)
    _print(document.summary(found, checked))
    if "document" in arguments.parts:
        DOCUMENT.write_text(document.write(found, checked), "utf-8")
    bad = [one for one in found if not one.expected]
    return 1 if bad or any(one.alarms for one in checked) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m parity_tests.trust", description=__doc__)
    parts = ("sensitivity", "specificity", "document")
    parser.add_argument("parts", nargs="*", default=parts, help="what to do; all of it by default")
    parser.add_argument("--results", type=Path, required=True, help="the folder of results")
    parser.add_argument(
        "--seeds", type=_range, default=range(specificity.SEEDS), metavar="A:B", help="which seeds"
    )
    parser.add_argument(
        "--only", default="", metavar="WORD", help="only the faults of one place or architecture"
    )
    return parser.parse_args()


def _range(text: str) -> range:
    start, _, stop = text.partition(":")
    return range(int(start), int(stop))


def _faults() -> list[tuple[str, Fault]]:
    return [(place, fault) for place, faults in FAULTS.items() for fault in faults]


def _key(planted: tuple[str, Fault]) -> tuple[str, str]:
    return planted[0], planted[1].name


def _look_for_faults(outcomes: Records, grounds: Grounds, only: str) -> None:
    # One architecture after the other, so that each is recorded once.
    for place, fault in sorted(_faults(), key=lambda one: one[1].architecture):
        if _key((place, fault)) in outcomes or only not in (place, fault.architecture, ""):
            continue
        outcome = sensitivity.look_for(place, fault, grounds)
        outcomes.add(outcome)
        verdict = ", ".join(filter(None, (outcome.found or "not found", outcome.named)))
        _print(f"{outcome.seconds:6.1f} s  {place}: {fault.name} ({fault.architecture}): {verdict}")


def _look_for_alarms(runs: Records, grounds: Grounds, seeds: range) -> None:
    for architecture in specificity.ARCHITECTURES:
        for precision in specificity.PRECISIONS:
            left = [seed for seed in seeds if (architecture, precision, seed) not in runs]
            if not left:
                continue
            field = specificity.Field(grounds[architecture], precision)
            for seed in left:
                run = field.run(seed)
                runs.add(run)
                verdict = "; ".join(run.alarms) or "no alarm"
                _print(f"{run.seconds:6.1f} s  {architecture}, {precision}, seed {seed}: {verdict}")


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
