"""What was measured, in words: what is printed, and ``docs/trust.md``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from diglot.parity.checks import EXAMPLES

from . import specificity
from .sensitivity import Outcome
from .specificity import Run, most_likely_below

_INTRODUCTION = """\
# How far the check can be trusted

`nox -s trust` measures it and writes this page; nothing here is written by hand.

{summary}
"""

_FAULTS = """
## Faults that it finds

Each fault is planted alone, in an otherwise sound TensorFlow side of a tiny checkpoint with random
weights and a real tokenizer: in the lowered program, in the weights or their file, in the
tokenizer, in an export whose own proof was skipped, or in the backend around the program. Then
`diglot.parity.check` is called with its defaults. Two parts of it that cannot decide anything here
are left out, for they take most of the time: the failing input is not made smaller, and the PyTorch
side, which is sound, is not recorded each time. Where the fault is one of an operator or of a
weight, the input that failed is traced besides, and that very operator or weight must be named.

| planted in | fault | checkpoint | found in | named by the trace |
|---|---|---|---|---|
"""

_MISSED = """
## Faults that it cannot find

They are planted all the same, and expected not to be found: one that is found is an error of this
page.

| planted in | fault | checkpoint | why | named by the trace |
|---|---|---|---|---|
"""

_ALARMS = """
## False alarms

Both sides are sound here, and each seed draws other weights and other inputs: the {examples} that
are drawn, and the hard ones, which come with any check. The invariants are tried on {tried} of
them. With seed {whole} everything is as by default: {default} drawn inputs, and the program besides
run eagerly, by XLA, and saved and loaded. A rate is the highest that {runs} checks without more
alarms than these leave likely, with 95 % confidence (Clopper and Pearson).

In float64, deberta-v2, llama, modernbert and mpnet still compute a part in float32, such as the
angles of positions. What is allowed follows the coarsest rounding within a model, so these four are
allowed as much as in float32; where both sides round that part alike, little of it is used.

| checkpoint | precision | seeds | inputs | false alarms | largest error, of what is allowed |
|---|---|---|---|---|---|
"""


def summary(outcomes: Sequence[Outcome], runs: Sequence[Run]) -> str:
    """Both numbers."""
    findable = [one for one in outcomes if not one.missed]
    found = sum(bool(one.found) for one in findable)
    alarms = sum(bool(one.alarms) for one in runs)
    traced = [one for one in outcomes if one.traced is not None]
    named = sum(bool(one.traced) for one in traced)
    lines = [
        f"- **{found} of {len(findable)}** planted faults are found;"
        f" {len(outcomes) - len(findable)} more are known to be out of its reach.",
        f"- **{named} of {len(traced)}** faults of an operator or of a weight are named by"
        " `diglot trace`.",
    ]
    if runs:
        lines.append(
            f"- **{alarms} false alarms in {len(runs)}** checks of equal sides: the true rate is"
            f" below {most_likely_below(alarms, len(runs)):.2%}, with 95 % confidence."
        )
    return "\n".join(lines)


def write(outcomes: Sequence[Outcome], runs: Sequence[Run]) -> str:
    """The whole page."""
    alarms = _ALARMS.format(
        examples=specificity.EXAMPLES,
        tried=specificity.TRIED,
        whole=specificity.WHOLE,
        default=EXAMPLES,
        runs=len(runs),
    )
    return "".join(
        [
            _INTRODUCTION.format(summary=summary(outcomes, runs)),
            _FAULTS,
            *(_row(one, one.found or "NOT FOUND") for one in outcomes if not one.missed),
            _MISSED,
            *(
                _row(one, f"FOUND: {one.found}" if one.found else one.missed)
                for one in outcomes
                if one.missed
            ),
            alarms,
            *_rates(runs),
        ]
    )


def _row(one: Outcome, last: str) -> str:
    named = "NOTHING" if one.traced is False and not one.named else one.named
    wrong = "WRONGLY: " if one.traced is False else ""
    return f"| {one.place} | {one.fault} | {one.architecture} | {last} | {wrong}{named} |\n"


def _rates(runs: Sequence[Run]) -> Iterator[str]:
    for architecture in specificity.ARCHITECTURES:
        for precision in specificity.PRECISIONS:
            some = [r for r in runs if (r.architecture, r.precision) == (architecture, precision)]
            if not some:
                continue
            alarms = sum(bool(one.alarms) for one in some)
            inputs = sum(one.inputs for one in some)
            largest = max(one.ratio for one in some)
            yield (
                f"| {architecture} | {precision} | {len(some)} | {inputs:,} | {alarms}"
                f" (below {most_likely_below(alarms, len(some)):.1%}) | {largest:.0%} |\n"
            )
