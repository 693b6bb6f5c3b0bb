"""Run a model once, and write down all that it takes to judge another run by it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from diglot import extras, versions
from diglot.checkpoints import hub
from diglot.equality.cases import Case
from diglot.equality.judge import Rule, judge
from diglot.equality.reference import Live
from diglot.equality.sides import LOGITS
from diglot.equality.tolerance import BUDGET, Tolerance
from diglot.errors import InputError, LedgerError
from diglot.parity.ledger.entries import Array, Entry, Ledger, Origin, Recorded
from diglot.parity.ledger.format import read, write
from diglot.parity.ledger.sketch import compact

if TYPE_CHECKING:
    from diglot.checkpoints import Checkpoint
    from diglot.types import Precision


def record(
    checkpoint: str | os.PathLike[str] | Checkpoint | None,
    to: str | os.PathLike[str],
    *,
    backend: str = "torch",
    examples: int = 100,
    texts: Sequence[Any] = (),
    cases: Sequence[Case] | None = None,
    tolerance: Tolerance = BUDGET,
    precision: Precision = "float32",
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Ledger:
    """Record a ledger of a checkpoint.

    Args:
        checkpoint: a directory, a hub id, a checkpoint that was found before, or ``None`` for the
            one that diglot ships.
        to: the file to write; it appears whole, or what was there stays.
        backend: whose answers to record.
        examples: how many inputs are drawn; hard ones come besides, as in a check.
        texts: the user's own texts, in any form that a classifier takes.
        cases: only these inputs, and none drawn.
        tolerance: how far another run may be off, unless whoever checks it says otherwise.
        precision: the dtype of the parameters.
        seed: of the inputs that are drawn.
        progress: told after each input how many are done, and of how many.
        **options: ``revision``, ``labels``, ``fresh_head`` and ``trust_remote_code``, as
            :func:`diglot.checkpoints.find` takes them.

    Returns:
        What was written, as it reads back.

    Raises:
        LedgerError: the backend is itself further from PyTorch than the tolerance allows.
        DiglotError: the checkpoint cannot be found, loaded or run.
    """
    extras.require("parity", "hypothesis")
    from diglot.checkpoints import Checkpoint, find
    from diglot.parity.inputs import Inputs

    found = checkpoint if isinstance(checkpoint, Checkpoint) else find(checkpoint, **options)
    live = Live(found, backend, precision)
    if cases is None:
        inputs = Inputs(found, live.forms)
        cases = inputs.all(texts, examples, seed, lambda one: live.side.run(one)[LOGITS])
    rule = Rule((live.labels, live.labels), tolerance, live.rounding, (backend, "PyTorch"))
    entries = []
    for done, case in enumerate(cases, 1):
        entries.append(entry(case, live, rule))
        if progress is not None:
            progress(done, len(cases))
    origin = described(
        found,
        backend=backend,
        precision=precision,
        rounding=live.rounding,
        tolerance=tolerance,
        seed=seed,
    )
    write(Ledger(**vars(origin), entries=tuple(entries)), to)
    return read(to)


def described(found: Checkpoint, **given: Any) -> Origin:
    """What a ledger of a checkpoint says about the whole, were it recorded here and now.

    Args:
        found: the checkpoint.
        **given: what its files and this machine do not say: ``backend``, ``precision``,
            ``rounding``, ``tolerance`` and ``seed``.
    """
    return Origin(
        checkpoint=found.name,
        files=hashes(found),
        labels=found.labels,
        function_to_apply=found.task.function,
        versions=versions.environment(),
        **given,
    )


def entry(case: Case, live: Live, rule: Rule) -> Entry:
    """One input, and what is made of it, or that it is refused.

    Raises:
        LedgerError: what is made of it is further from PyTorch's than the rule allows. Whatever
            else is as wrong would pass by such a record.
    """
    try:
        right = live.expected(case)
    except InputError as error:
        return Entry(case, {}, {}, str(error))
    values, truth = compact(right.stages), compact(right.truth)
    peers = right.peers()
    if bad := judge(right.stages, peers[0], right.truth, rule, peers=lambda: peers).differences:
        raise LedgerError(
            f"{live.name} is not fit to be recorded, for it differs from PyTorch by more than is"
            f" allowed (of {case}, {bad[0]}). Find out why with diglot check and diglot trace, or"
            " record torch."
        )
    results = [right.stages, *peers]
    stages = {}
    for name in values:
        # Errors that add up may make a digest worse than any of its elements.
        digest = _error(values[name], truth[name])
        whole = max(_error(one[name], right.truth[name]) for one in results)
        stages[name] = Recorded(values[name], truth[name], max(digest, whole))
    encoding = {name: np.asarray(value, np.int64) for name, value in right.encoding.items()}
    return Entry(case, encoding, stages)


def hashes(found: Checkpoint) -> dict[str, str]:
    """The SHA-256 of each file that a checkpoint is made of, by name."""
    digests = {}
    for path in sorted(found.path.iterdir()):
        if path.is_file() and any(path.match(pattern) for pattern in hub.FILES):
            with path.open("rb") as file:
                digests[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def _error(values: Array, truth: Array) -> float:
    with np.errstate(invalid="ignore"):  # of what is not finite, which counts otherwise
        wrong = np.abs(np.asarray(values, np.float64) - truth)
    return float(wrong[np.isfinite(wrong)].max(initial=0.0))
