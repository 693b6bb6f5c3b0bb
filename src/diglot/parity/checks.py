"""The check: two sides of a checkpoint, compared on drawn inputs and on hard ones."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diglot import backends, checkpoints, settings, versions
from diglot.equality.compare import Compared, compare
from diglot.equality.judge import Rule
from diglot.equality.reference import ModelReference, Reference
from diglot.equality.tolerance import BUDGET, Tolerance
from diglot.errors import InputError
from diglot.parity import invariants, sides_by_name, summary
from diglot.parity.failing_case import FailingCase, command
from diglot.parity.failures import invariant_failures, stage_failures
from diglot.parity.inputs import Inputs
from diglot.parity.result import Change, CheckResult, Failure

if TYPE_CHECKING:
    from diglot.checkpoints import Checkpoint
    from diglot.equality.cases import Case
    from diglot.equality.sides import Side
    from diglot.types import Precision

EXAMPLES = 100
"""The number of drawn inputs, unless the caller chooses another."""

Progress = Callable[[int, int], object]
"""Called with the number of compared inputs and the number of all inputs."""


def check(
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    against: str | os.PathLike[str] | Side = backends.DEFAULT_TESTED,
    *,
    reference: str = backends.REFERENCE,
    examples: int = EXAMPLES,
    texts: Sequence[Any] = (),
    cases: Sequence[Case] | None = None,
    tolerance: Tolerance | None = None,
    precision: Precision | None = None,
    device: str | None = None,
    seed: int = 0,
    failures: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> CheckResult:
    """Compare two sides of a checkpoint, stage by stage.

    Ids and masks must be identical. Hidden states, outputs and scores are compared with the same
    PyTorch model in float64, and may differ from it by as much as rounding explains. Labels must be
    equal unless rounding decides between them. Each side must also answer the same to an input
    alone and in a batch, with more padding, and so on (:mod:`diglot.parity.invariants`).

    Args:
        checkpoint: a directory, a hub id, a :class:`~diglot.checkpoints.Checkpoint`, or ``None``
            for the small checkpoint that diglot ships.
        against: the tested side: a backend's name, the folder of an export, a server's address, or
            any :class:`~diglot.equality.sides.Side`, which the caller closes. If it is the file of
            a ledger, the ledger is taken to be right, and ``reference`` is tested on its inputs.
        reference: the backend that runs the checkpoint.
        examples: the number of drawn inputs, in addition to about 20 hard ones.
        texts: the user's own texts, in any form that a classifier takes.
        cases: the inputs, in place of all others.
        tolerance: the largest allowed error; by default the ledger's, or the error budget.
        precision: the dtype of the parameters on both sides; by default the ledger's, or float32.
        device: the device of the backends; by default the configured one, or the fastest.
        seed: the random seed of the drawn inputs.
        failures: the folder for the files of failing inputs; ``None`` to write none.
        progress: called after each input.
        **options: the options of :func:`diglot.checkpoints.find`, such as ``revision`` and
            ``labels``.

    Raises:
        DiglotError: one of the sides cannot be loaded, or no input can be compared.
    """
    started, date = time.monotonic(), datetime.now(UTC)
    checkpoint = checkpoints.find(checkpoint, **options)
    name = os.fspath(against) if isinstance(against, str | os.PathLike) else None
    right: Reference
    model: ModelReference | None = None
    changes: tuple[Change, ...] = ()
    with ExitStack() as opened:
        if name is not None and sides_by_name.is_ledger(name):
            right = ledger = sides_by_name.ledger(name, precision)
            precision, tolerance = ledger.precision, tolerance or ledger.tolerance
            tested: Side = sides_by_name.side(reference, checkpoint, precision, device)
            opened.callback(tested.close)
            cases = ledger.cases if cases is None else cases
            seed, rounding = ledger.seed, ledger.rounding
            changes = sides_by_name.changes_since(ledger, checkpoint, reference, tolerance)
        else:
            precision = precision or "float32"
            own_device = settings.device_for(reference, device)
            right = model = ModelReference(checkpoint, reference, precision, own_device)
            opened.callback(model.close)
            if isinstance(against, str | os.PathLike):
                tested = sides_by_name.side(against, checkpoint, precision, device)
                opened.callback(tested.close)
            else:
                tested = against
            rounding = model.rounding
        inputs = Inputs(checkpoint, tested.forms & right.forms)
        if cases is None and model is not None:
            cases = inputs.all(texts, examples, seed, model.side.run)
        rule = Rule(
            (tested.labels, right.labels),
            tolerance or BUDGET,
            rounding,
            (tested.name, right.name),
            checkpoint.head,
        )
        compared = _compared(cases or (), tested, right, rule, progress)
        trials = (
            [] if model is None else list(invariants.check(compared, tested, model, rule, inputs))
        )
        differences = [
            *stage_failures(compared, tested, right, rule),
            *invariant_failures(trials, right),
        ]

    def written(failure: Failure) -> Failure:
        if failures is None:
            return failure
        file = FailingCase(
            None if checkpoint.name == checkpoints.EMBEDDED else checkpoint.name,
            reference,
            name or tested.name,
            precision,
            rule.tolerance,
            failure.stage,
            failure.explanation,
            failure.case,
        ).write(Path(failures))
        # No command line can name a side that was made in Python.
        return replace(failure, file=file, command="" if name is None else command(file))

    return CheckResult(
        checkpoint=checkpoint.name,
        reference=right.name,
        against=tested.name,
        precision=precision,
        tolerance=str(rule.tolerance),
        seed=seed,
        labels=checkpoint.labels,
        stages=summary.stages(compared, checkpoint.head),
        invariants=tuple(trial.invariant for trial in trials),
        layers=summary.layers(compared),
        inputs=summary.inputs(compared, checkpoint),
        flips=summary.flips(compared),
        failures=tuple(map(written, differences)),
        changes=changes,
        versions=versions.environment(),
        date=date.isoformat(timespec="seconds"),
        seconds=time.monotonic() - started,
    )


def _compared(
    cases: Sequence[Case], tested: Side, right: Reference, rule: Rule, progress: Progress | None
) -> list[Compared]:
    compared: list[Compared] = []
    for case in cases:
        compared.append(compare(case, tested, right, rule))
        if progress is not None:
            progress(len(compared), len(cases))
    if all(input_.refused for input_ in compared):
        first = f"; the first: {compared[0].refused}" if compared else ""
        raise InputError(f"neither side takes any of the {len(cases)} inputs{first}")
    return compared
