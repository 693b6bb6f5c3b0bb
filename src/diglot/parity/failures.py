"""From what differs to failures: the smallest input, why, and how to see it again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from diglot.equality.cases import Case
from diglot.equality.compare import Compared, compare
from diglot.equality.judge import Rule
from diglot.equality.reference import Live, Reference
from diglot.equality.sides import ClassifierSide, Side
from diglot.errors import DiglotError
from diglot.parity import result, shrinking
from diglot.parity.failing_case import Replay, command
from diglot.parity.keeping import Kept
from diglot.parity.result import Failure

# The stages that operators compute.
_COMPUTED = (result.HIDDEN_STATES, result.LOGITS)


@dataclass(frozen=True)
class Failing:
    """Makes failures of differences.

    Attributes:
        tested: the one side.
        right: the other; only a live one can be asked about smaller inputs.
        rule: how they are compared.
        replay: what replays a failure, of its stage, its explanation and its input.
        folder: where to keep the inputs; ``None`` to keep none.
        named: whether a command line can name the tested side; what is made up in Python has no
            command that replays it.
    """

    tested: Side
    right: Reference
    rule: Rule
    replay: Callable[[str, str, Case], Replay]
    folder: Path | None
    named: bool

    def of_stages(self, compared: Sequence[Compared]) -> Iterator[Failure]:
        """One failure for each stage that differs, on the smallest input that shows it."""
        sides = f"{self.tested.name} against {self.right.name}"
        last: Case | None = None
        born = ""
        for stage in result.STAGES:
            found = next((one for one in compared if one.differences(stage)), None)
            if found is None:
                continue

            def fails(case: Case, stage: str = stage) -> bool:
                return bool(self._compared(case).differences(stage))

            # What differs in one stage does so in the next ones, mostly on the same input.
            if last is None or not fails(last):
                last = self._smallest(found.case, fails)
                born = ""
            shown = self._compared(last)
            if not shown.differences(stage):  # it comes and goes
                last, shown = found.case, found
            (first, *_) = shown.differences(stage)
            if stage in _COMPUTED and not born:
                born = self._born(shown)
            yield self._failure(stage, sides, last, found.case, f"{first}{born}")

    def of_invariants(self, kept: Sequence[Kept]) -> Iterator[Failure]:
        """One failure for each invariant that is broken, likewise."""
        for one in kept:
            if one.case is None:
                continue
            smallest = self._smallest(one.case, lambda case, one=one: bool(one.broken(case)))  # type: ignore[misc]
            explanation = one.broken(smallest) or one.explanation
            invariant = one.invariant
            yield self._failure(invariant.name, invariant.side, smallest, one.case, explanation)

    def _born(self, compared: Compared) -> str:
        """Which operator parts first, where the tested side is a program whose operators show."""
        traced = self.tested.model.traceable() if isinstance(self.tested, ClassifierSide) else None
        if traced is None or compared.encoding is None or not isinstance(self.right, Live):
            return ""
        from diglot.parity.trace import trace_models

        try:
            found = trace_models(self.right.model, traced, compared.encoding)
        except DiglotError:
            return ""
        first = found.first_divergent
        return "" if first is None else f". The first operator to part is {first}"

    def _compared(self, case: Case) -> Compared:
        return compare(case, self.tested, self.right, self.rule)

    def _smallest(self, case: Case, fails: Callable[[Case], bool]) -> Case:
        # A difference may come and go: then the input stays as it was found.
        shrinks = isinstance(self.right, Live) and fails(case)
        return shrinking.smallest(case, fails) if shrinks else case

    def _failure(
        self, stage: str, side: str, case: Case, found_in: Case, explanation: str
    ) -> Failure:
        if self.folder is None:
            return Failure(stage, side, case, found_in, explanation)
        file = self.replay(stage, explanation, case).write(self.folder)
        again = command(file) if self.named else ""
        return Failure(stage, side, case, found_in, explanation, file, again)
