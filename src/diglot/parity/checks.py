"""Whether two readings of a checkpoint are equal, stage by stage, on drawn and on hard inputs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diglot import backends, checkpoints, versions
from diglot.equality.cases import Case
from diglot.equality.compare import Compared, compare
from diglot.equality.judge import Rule
from diglot.equality.reference import Live, Reference
from diglot.equality.sides import LOGITS, Side
from diglot.equality.tolerance import BUDGET, Tolerance
from diglot.errors import InputError
from diglot.parity import sides_by_name, summary
from diglot.parity.failing_case import Replay
from diglot.parity.failures import Failing
from diglot.parity.inputs import Inputs
from diglot.parity.keeping import keep
from diglot.parity.result import Change, CheckResult

if TYPE_CHECKING:
    from diglot.checkpoints import Checkpoint
    from diglot.types import Precision

EXAMPLES = 100
"""How many inputs are drawn unless another number is asked for."""

Progress = Callable[[int, int], object]
"""Called with how many inputs are judged, and how many there are."""


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
    seed: int = 0,
    failures: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> CheckResult:
    """Hold two readings of a checkpoint against each other, stage by stage.

    Ids and masks must be identical. Hidden states, logits and probabilities are held against the
    same PyTorch model in float64, and may be off by as much as rounding explains; labels must be
    the same wherever rounding does not decide. Each side must besides say the same of an input
    alone and in a batch, with more padding, and so on (:mod:`diglot.parity.invariants`).

    Args:
        checkpoint: a directory, a hub id, one that was found already, or ``None`` for the small
            one that diglot ships.
        against: what is tested: a backend's name, the folder of an export, or a server's address;
            or any :class:`~diglot.equality.sides.Side`. A ledger, on the other hand, is held to be
            right: then ``reference`` is what is tested, on the ledger's inputs.
        reference: the backend that runs the checkpoint.
        examples: how many inputs are drawn; hard ones, of which there are some twenty, come
            besides.
        texts: the user's own texts, in any form that a classifier takes.
        cases: only these inputs, and none drawn, as for a replay.
        tolerance: how large an error may be; the ledger's, or else the error budget.
        precision: the dtype of the parameters on both sides; the ledger's, or else float32.
        seed: of what is drawn.
        failures: the folder in which to keep failing inputs as files; none are kept unless given.
        progress: is told how far the check has come.
        **options: those of :func:`diglot.checkpoints.find`, such as ``revision`` and ``labels``.

    Raises:
        DiglotError: one of the sides cannot be loaded, or no input could be judged.
    """
    started, date = time.monotonic(), datetime.now(UTC)
    found = (
        checkpoint
        if isinstance(checkpoint, checkpoints.Checkpoint)
        else checkpoints.find(checkpoint, **options)
    )
    right: Reference
    live: Live | None = None
    changes: tuple[Change, ...] = ()
    if isinstance(against, str | os.PathLike) and sides_by_name.is_ledger(against):
        right = ledger = sides_by_name.ledger(against, precision)
        precision, tolerance = ledger.precision, tolerance or ledger.tolerance
        tested = sides_by_name.side(reference, found, precision)
        cases = ledger.cases if cases is None else cases
        seed, rounding = ledger.seed, ledger.rounding
        changes = sides_by_name.since(ledger, found, reference, tolerance)
    else:
        precision = precision or "float32"
        right = live = Live(found, reference, precision)
        tested, rounding = sides_by_name.side(against, found, precision), live.rounding
    inputs = Inputs(found, tested.forms & right.forms)
    if cases is None and live is not None:
        cases = inputs.all(texts, examples, seed, lambda one: live.side.run(one)[LOGITS])
    rule = Rule(
        (tested.labels, right.labels),
        tolerance or BUDGET,
        rounding,
        (tested.name, right.name),
    )
    compared = _compared(cases or (), tested, right, rule, progress)
    kept = [] if live is None else keep(compared, tested, live, rule, inputs)
    named = None if found.name == checkpoints.EMBEDDED else found.name
    spelled = os.fspath(against) if isinstance(against, str | os.PathLike) else None
    other = spelled or tested.name
    replay = partial(Replay, named, reference, other, precision, rule.tolerance)
    folder = None if failures is None else Path(failures)
    failing = Failing(tested, right, rule, replay, folder, spelled is not None)
    return CheckResult(
        checkpoint=found.name,
        reference=right.name,
        against=tested.name,
        precision=precision,
        tolerance=str(rule.tolerance),
        seed=seed,
        labels=found.labels,
        stages=summary.stages(compared),
        invariants=tuple(one.invariant for one in kept),
        layers=summary.layers(compared),
        inputs=summary.inputs(compared, found),
        flips=summary.flips(compared),
        failures=(*failing.of_stages(compared), *failing.of_invariants(kept)),
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
    if all(one.refused for one in compared):
        first = f"; the first: {compared[0].refused}" if compared else ""
        raise InputError(f"neither side takes any of the {len(cases)} inputs{first}")
    return compared
