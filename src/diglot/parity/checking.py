"""Whether two readings of a checkpoint are equal, stage by stage, on drawn and on hard inputs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diglot import checkpoint as checkpoints
from diglot.errors import InputError
from diglot.parity import environment, opening, summary
from diglot.parity.cases import Case
from diglot.parity.comparison import Compared, compare
from diglot.parity.drawing import Inputs
from diglot.parity.failing import Failing
from diglot.parity.judging import ROUNDINGS, Rule
from diglot.parity.keeping import keep
from diglot.parity.reference import Live
from diglot.parity.result import CheckResult
from diglot.parity.sides import ENCODINGS, LOGITS, Side
from diglot.parity.tolerance import BUDGET, Tolerance

if TYPE_CHECKING:
    from diglot.backends import Precision
    from diglot.checkpoint import Checkpoint

EXAMPLES = 100
"""How many inputs are drawn unless another number is asked for."""

Progress = Callable[[int, int], object]
"""Called with how many inputs are judged, and how many there are."""


def check(
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    against: str | os.PathLike[str] | Side = "tensorflow",
    *,
    reference: str = "torch",
    examples: int = EXAMPLES,
    texts: Sequence[Any] = (),
    cases: Sequence[Case] | None = None,
    tolerance: Tolerance = BUDGET,
    precision: Precision = "float32",
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
            or any :class:`~diglot.parity.sides.Side`.
        reference: the backend that is held to be right.
        examples: how many inputs are drawn; hard ones, of which there are some twenty, come
            besides.
        texts: the user's own texts, in any form that a classifier takes.
        cases: only these inputs, and none drawn, as for a replay.
        tolerance: how large an error may be.
        precision: the dtype of the parameters on both sides.
        seed: of what is drawn.
        failures: the folder in which to keep failing inputs as files; none are kept unless given.
        progress: is told how far the check has come.
        **options: those of :func:`diglot.checkpoint.find`, such as ``revision`` and ``labels``.

    Raises:
        DiglotError: one of the sides cannot be loaded, or no input could be judged.
    """
    started = time.monotonic()
    found = (
        checkpoint
        if isinstance(checkpoint, checkpoints.Checkpoint)
        else checkpoints.find(checkpoint, **options)
    )
    live = Live(found, reference, precision)
    tested = opening.side(against, found, precision)
    inputs = Inputs(found, tested.forms & live.forms)
    if cases is None:
        cases = [*inputs.own(texts), *inputs.hard(), *inputs.drawn(examples, seed)]
        if ENCODINGS in tested.forms:
            cases.append(inputs.tie(lambda one: live.side.run(one)[LOGITS], seed))
    rule = Rule(
        (tested.labels, live.labels),
        tolerance,
        ROUNDINGS.get(precision),
        (tested.name, live.name),
    )
    compared: list[Compared] = []
    for case in cases:
        compared.append(compare(case, tested, live, rule))
        if progress is not None:
            progress(len(compared), len(cases))
    if all(one.refused for one in compared):
        raise InputError(
            f"neither side takes any of the {len(cases)} inputs; the first: {compared[0].refused}"
        )
    kept = keep(compared, tested, live, rule, inputs)
    named = None if found.name == checkpoints.EMBEDDED else found.name
    folder = None if failures is None else Path(failures)
    failing = Failing(tested, live, rule, named, precision, folder)
    return CheckResult(
        checkpoint=found.name,
        reference=live.name,
        against=tested.name,
        precision=precision,
        tolerance=str(tolerance),
        seed=seed,
        labels=found.labels,
        stages=summary.stages(compared),
        invariants=tuple(one.invariant for one in kept),
        layers=summary.layers(compared),
        inputs=summary.inputs(compared, found),
        flips=summary.flips(compared),
        failures=(*failing.of_stages(compared), *failing.of_invariants(kept)),
        versions=environment.versions(),
        seconds=time.monotonic() - started,
    )
