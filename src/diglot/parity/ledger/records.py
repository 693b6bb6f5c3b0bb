"""The recording of a ledger: one run of a model, with all that is needed to judge another run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from diglot import extras, settings, versions
from diglot.checkpoints import hub
from diglot.equality.judge import Rule, judge
from diglot.equality.reference import ModelReference
from diglot.equality.tolerance import BUDGET, Tolerance
from diglot.errors import InputError, LedgerError
from diglot.parity.ledger.entries import Entry, Ledger, Origin, Recorded
from diglot.parity.ledger.format import read, write
from diglot.parity.ledger.sketch import compact

if TYPE_CHECKING:
    from diglot.checkpoints import Checkpoint
    from diglot.equality.cases import Case
    from diglot.types import Array, Precision


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
    device: str | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Ledger:
    """Record a ledger of a checkpoint.

    Args:
        checkpoint: a directory, a hub id, a :class:`~diglot.checkpoints.Checkpoint`, or ``None``
            for the checkpoint that diglot ships.
        to: the file to write; on an error the old file stays.
        backend: the backend to record.
        examples: the number of drawn inputs, in addition to the hard ones of a check.
        texts: the user's own texts, in any form that a classifier takes.
        cases: the inputs, in place of all others.
        tolerance: the largest allowed error of another run, unless its check names another.
        precision: the dtype of the parameters.
        device: the device of the backend; by default the configured one, or the fastest.
        seed: the random seed of the drawn inputs.
        progress: called after each input with the number of finished inputs and of all inputs.
        **options: ``revision``, ``labels``, ``fresh_head`` and ``trust_remote_code``, as for
            :func:`diglot.checkpoints.find`.

    Returns:
        The ledger, read back from the file.

    Raises:
        LedgerError: the backend differs from PyTorch by more than the tolerance.
        DiglotError: the checkpoint cannot be found, loaded or run.
    """
    extras.require("parity", "hypothesis")
    from diglot.checkpoints import find
    from diglot.parity.inputs import Inputs

    checkpoint = find(checkpoint, **options)
    own_device = settings.device_for(backend, device)
    model = ModelReference(checkpoint, backend, precision, own_device)
    try:
        if cases is None:
            inputs = Inputs(checkpoint, model.forms)
            cases = inputs.all(texts, examples, seed, model.side.run)
        labels = (model.labels, model.labels)
        rule = Rule(labels, tolerance, model.rounding, (backend, "PyTorch"), checkpoint.head)
        entries = []
        for case in cases:
            entries.append(recorded_entry(case, model, rule))
            if progress is not None:
                progress(len(entries), len(cases))
        origin = described(
            checkpoint,
            backend=backend,
            precision=precision,
            rounding=model.rounding,
            tolerance=tolerance,
            seed=seed,
        )
    finally:
        model.close()
    write(Ledger(**vars(origin), entries=tuple(entries)), to)
    return read(to)


def described(checkpoint: Checkpoint, **facts: Any) -> Origin:
    """The origin of a ledger that is recorded here and now.

    Args:
        checkpoint: the checkpoint.
        **facts: ``backend``, ``precision``, ``rounding``, ``tolerance`` and ``seed``, which neither
            the checkpoint nor this machine tell.
    """
    task = checkpoint.task
    return Origin(
        checkpoint=checkpoint.name,
        files=hashes(checkpoint),
        task=task.head.task,
        labels=task.labels,
        function_to_apply=task.function,
        versions=versions.environment(),
        **facts,
    )


def recorded_entry(case: Case, model: ModelReference, rule: Rule) -> Entry:
    """The entry of one input, with the results or with the reason of a refusal.

    Raises:
        LedgerError: the results differ from PyTorch's by more than the rule allows, so that a
            ledger of them would accept others that are as wrong.
    """
    try:
        right = model.expected(case)
    except InputError as error:
        return Entry(case, {}, refused=str(error))
    peers = right.peers()
    if bad := judge(right.stages, peers[0], right.truth, rule, peers=lambda: peers).differences:
        raise LedgerError(
            f"{model.name} is not fit to be recorded, because it differs from PyTorch by more than"
            f" the tolerance (for {case}, {bad[0]}). Find the cause with diglot check and diglot"
            " trace, or record torch."
        )
    results = [right.stages, *peers]
    values, truth = compact(right.stages), compact(right.truth)

    def recorded(
        array: Array, true_array: Array, whole: Iterable[Array], true_whole: Array
    ) -> Recorded:
        # Errors that add up may make a sketch worse than any of its elements.
        errors = [_error(array, true_array), *(_error(values, true_whole) for values in whole)]
        return Recorded(array, true_array, max(errors))

    hidden_states = tuple(
        recorded(
            array,
            truth.hidden_states[index],
            [result.hidden_states[index] for result in results],
            right.truth.hidden_states[index],
        )
        for index, array in enumerate(values.hidden_states)
    )
    outputs = {
        name: recorded(
            array,
            truth.outputs[name],
            [result.outputs[name] for result in results],
            right.truth.outputs[name],
        )
        for name, array in values.outputs.items()
    }
    encoding = {name: np.asarray(ids, np.int64) for name, ids in right.encoding.items()}
    return Entry(case, encoding, hidden_states, outputs)


def hashes(checkpoint: Checkpoint) -> dict[str, str]:
    """The SHA-256 of each file of a checkpoint, by name."""
    digests = {}
    for path in sorted(checkpoint.path.iterdir()):
        if path.is_file() and any(path.match(pattern) for pattern in hub.FILES):
            with path.open("rb") as file:
                digests[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def _error(values: Array, truth: Array) -> float:
    # The comparison handles elements that are not finite.
    with np.errstate(invalid="ignore"):
        errors = np.abs(np.asarray(values, np.float64) - truth)
    return float(errors[np.isfinite(errors)].max(initial=0.0))
