"""Differences to failures: the smallest input, and the first operator that differs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from diglot.equality.cases import Case
from diglot.equality.compare import Compared, compare
from diglot.equality.judge import Rule
from diglot.equality.reference import ModelReference, Reference
from diglot.equality.sides import ClassifierSide, Side
from diglot.equality.stages import HIDDEN_STATES, stage_name, stage_names
from diglot.errors import DiglotError
from diglot.parity import shrinking
from diglot.parity.invariants import Trial
from diglot.parity.result import Failure


def stage_failures(
    compared: Sequence[Compared], tested: Side, reference: Reference, rule: Rule
) -> Iterator[Failure]:
    """One failure for each stage that differs, on the smallest input that shows it.

    Args:
        compared: the compared inputs.
        tested: the tested side.
        reference: the reference; a ledger knows no smaller inputs, so nothing is shrunk then.
        rule: the rule of the comparison.
    """
    computed = [HIDDEN_STATES]
    computed += [stage_name(stage) for stage in rule.head.stages if stage.source == "raw"]
    last: Case | None = None
    operator = ""
    for stage in stage_names(rule.head):
        first = next((input_ for input_ in compared if input_.differences(stage)), None)
        if first is None:
            continue

        def fails(case: Case, stage: str = stage) -> bool:
            return bool(compare(case, tested, reference, rule).differences(stage))

        # A difference in one stage usually shows in the next stages on the same input.
        if last is None or not fails(last):
            last, operator = _smallest(first.case, fails, reference), ""
        shown = compare(last, tested, reference, rule)
        if not shown.differences(stage):  # the difference comes and goes
            last, shown = first.case, first
        if stage in computed and not operator:
            operator = first_divergent(shown, tested, reference)
        explanation = f"{shown.differences(stage)[0]}{operator}"
        sides = f"{tested.name} against {reference.name}"
        yield Failure(stage, sides, last, first.case, explanation)


def invariant_failures(trials: Iterable[Trial], reference: Reference) -> Iterator[Failure]:
    """One failure for each broken invariant, on the smallest input that shows it."""
    for trial in trials:
        if trial.case is None:
            continue

        def fails(case: Case, trial: Trial = trial) -> bool:
            return bool(trial.breach(case))

        smallest = _smallest(trial.case, fails, reference)
        explanation = trial.breach(smallest) or trial.explanation
        invariant = trial.invariant
        yield Failure(invariant.name, invariant.side, smallest, trial.case, explanation)


def first_divergent(compared: Compared, tested: Side, reference: Reference) -> str:
    """The first operator that differs, in words; empty if the tested side cannot be traced."""
    model = tested.model.traceable() if isinstance(tested, ClassifierSide) else None
    if model is None or compared.encoding is None or not isinstance(reference, ModelReference):
        return ""
    from diglot.parity.trace import trace_models

    try:
        step = trace_models(reference.model, model, compared.encoding).first_divergent
    except DiglotError:
        return ""
    return "" if step is None else f". The first operator that differs is {step}"


def _smallest(case: Case, fails: Callable[[Case], bool], reference: Reference) -> Case:
    # A difference that comes and goes leaves the input as it is.
    shrinks = isinstance(reference, ModelReference) and fails(case)
    return shrinking.smallest(case, fails) if shrinks else case
