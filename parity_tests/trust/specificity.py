"""The rate of false alarms of the check, on new weights and new inputs each time."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from safetensors.numpy import load_file

from diglot.backends.tensorflow import TensorFlowBackend
from diglot.equality.sides import ClassifierSide
from diglot.parity import check, invariants

from .ground import Ground

# Architectures that differ in more than their names and biases.
ARCHITECTURES = (
    "albert",
    "bert",
    "deberta-v2",
    "distilbert",
    "electra",
    "gpt2",
    "llama",
    "modernbert",
    "mpnet",
    "roberta",
)
PRECISIONS = ("float32", "float64")
SEEDS = 200

EXAMPLES = 8
"""The number of drawn inputs for each seed, in addition to the hard ones."""

TRIED = 2
"""The number of inputs of each seed on which the invariants are tried."""

WHOLE = 0
"""The seed of the full check: all examples, all invariants, and the other ways to run the program,
each of which takes seconds."""


@dataclass(frozen=True)
class Run:
    """One check of two equal sides.

    Attributes:
        architecture: the model's architecture.
        precision: the precision of both sides.
        seed: the random seed of the weights and of the inputs.
        inputs: the number of compared inputs.
        ratio: the largest error, as a share of the limit.
        alarms: the failures with their explanations; empty if the check was right.
        seconds: the duration of the check.
    """

    architecture: str
    precision: str
    seed: int
    inputs: int
    ratio: float
    alarms: Sequence[str]
    seconds: float

    @property
    def key(self) -> tuple[str, str, int]:
        """The key of this run among others."""
        return self.architecture, self.precision, self.seed


@dataclass
class Field:
    """One architecture, recorded once for all seeds.

    Attributes:
        ground: the checkpoint.
        precision: the precision of both sides.
    """

    ground: Ground
    precision: Any
    _backend: TensorFlowBackend = field(init=False)

    def __post_init__(self) -> None:
        self._backend = TensorFlowBackend.load(
            self.ground.checkpoint, precision=self.precision, device="cpu"
        )

    def run(self, seed: int) -> Run:
        """Draw new weights and inputs, and check."""
        self._sow(seed)
        started = time.monotonic()
        with nullcontext() if seed == WHOLE else _shortened():
            result = check(
                self.ground.checkpoint,
                ClassifierSide.of(self.ground.checkpoint, self._backend),
                precision=self.precision,
                seed=seed,
                **({} if seed == WHOLE else {"examples": EXAMPLES}),
            )
        return Run(
            self.ground.architecture,
            self.precision,
            seed,
            len(result.inputs),
            max(stage.ratio for stage in result.stages),
            [f"{one.stage}: {one.explanation}; {one.case}" for one in result.failures],
            time.monotonic() - started,
        )

    def _sow(self, seed: int) -> None:
        """Draw new weights for both sides; PyTorch reads them from disk in each check."""
        self.ground.sow(seed)
        weights = load_file(self.ground.path / "model.safetensors")
        for name, variable in self._backend.model.variables.items():
            variable.assign(weights[name])


@contextmanager
def _shortened() -> Iterator[None]:
    with (
        mock.patch.object(invariants, "_TRIED", TRIED),
        mock.patch.object(ClassifierSide, "other_runs", return_value={}),
    ):
        yield


def most_likely_below(alarms: int, runs: int, doubt: float = 0.05) -> float:
    """The upper limit of the true rate of false alarms, with a given probability of error.

    Source: Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case
    of the binomial", 1934; the upper limit alone.
    """
    if alarms == runs:
        return 1.0
    low, high = alarms / runs, 1.0
    for _ in range(60):
        rate = (low + high) / 2
        few = math.fsum(
            math.exp(
                math.lgamma(runs + 1)
                - math.lgamma(count + 1)
                - math.lgamma(runs - count + 1)
                + count * math.log(rate)
                + (runs - count) * math.log1p(-rate)
            )
            for count in range(alarms + 1)
        )
        low, high = (rate, high) if few > doubt else (low, rate)
    return high
