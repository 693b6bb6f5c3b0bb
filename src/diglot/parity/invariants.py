"""The invariants: properties that each side must have, whatever the other side answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from diglot.equality.cases import ENCODINGS, Case
from diglot.equality.compare import Compared
from diglot.equality.judge import Judgement, Rule, judge
from diglot.equality.reference import ModelReference
from diglot.equality.sides import Run, Side
from diglot.equality.stages import Stages
from diglot.errors import DiglotError
from diglot.parity.inputs import Inputs
from diglot.parity.result import Invariant

if TYPE_CHECKING:
    from diglot.types import Array, Encoding

TWICE = "run twice"
NARROW = "int32 as int64"
ALONE = "alone as in a batch"
PADDED = "with more padding"
OTHER_SIDE = "padded on the other side"
BATCHED = "batched as a call batches it"

# The number of inputs on which each invariant is tried, and their largest length in tokens.
_TRIED, _TOKENS = 8, 64
# The number of further pad tokens.
_MORE = 3

_NOT_INVARIANT = "the reference model does not have this invariance"
_NO_INPUT = "no input of several texts of different length"

Breach = Callable[[Case], str | None]
"""Explains how an input breaks an invariant: ``""`` if it holds, ``None`` if it says nothing."""


@dataclass(frozen=True)
class Trial:
    """One invariant of one side, tried on some inputs.

    Attributes:
        invariant: the counts so far.
        breach: tries the invariant on an input.
        case: the first input that breaks it; ``None`` if it always held.
        explanation: how that input breaks it.
    """

    invariant: Invariant
    breach: Breach
    case: Case | None = None
    explanation: str = ""

    def on(self, case: Case) -> Trial:
        """The trial with one more input."""
        explanation = self.breach(case)
        if explanation is None:
            return self
        invariant = replace(
            self.invariant,
            judged=self.invariant.judged + 1,
            broken=self.invariant.broken + bool(explanation),
            absent="",
        )
        if explanation and self.case is None:
            return Trial(invariant, self.breach, case, explanation)
        return replace(self, invariant=invariant)


def check(
    compared: Sequence[Compared],
    tested: Side,
    reference: ModelReference,
    rule: Rule,
    inputs: Inputs,
) -> Iterator[Trial]:
    """Try each invariant on both sides, on some of the compared inputs.

    Args:
        compared: the compared inputs.
        tested: the tested side.
        reference: the reference.
        rule: the rule of the comparison.
        inputs: the limits of the model.
    """
    # Each side is compared with itself, so both have the same labels.
    rule = replace(rule, labels=(reference.labels, reference.labels))
    # A backend that is compared with itself is tried once.
    both = (tested, reference.side) if tested.name != reference.name else (tested,)
    sides = [side for side in both if ENCODINGS in side.forms]
    encoded, texts = _encoded_cases(compared), _text_cases(compared)
    trials = [
        Trial(
            Invariant(side.name, name, 0, 0, _NOT_INVARIANT),
            partial(_varied, side=side, reference=reference, rule=rule, inputs=inputs, name=name),
        )
        for side in sides
        for name in VARIATIONS
    ]
    # All invariants of one input at a time: they need the same results of the reference.
    for case in encoded:
        trials = [trial.on(case) for trial in trials]
    yield from trials
    trials = [
        Trial(
            Invariant(side.name, BATCHED, 0, 0, _NOT_INVARIANT if texts else _NO_INPUT),
            partial(_batched, side=side, reference=reference, rule=rule, inputs=inputs),
        )
        for side in sides
    ]
    for case in texts:
        trials = [trial.on(case) for trial in trials]
    yield from trials
    for side in sides:
        for name, run in side.other_runs().items():
            trial = Trial(
                Invariant(side.name, name, 0, 0, "no input of a suitable length"),
                partial(_other_run, side=side, run=run, reference=reference, rule=rule),
            )
            # One input only, because each may need a compilation.
            for case in encoded[:1]:
                try:
                    trial = trial.on(case)
                except DiglotError as error:
                    trial = replace(trial, invariant=replace(trial.invariant, absent=str(error)))
            yield trial


def _encoded_cases(compared: Sequence[Compared]) -> list[Case]:
    """Some of the inputs as encodings, those with several rows of different length first."""
    cases = [
        Case(input_.case.origin, encoding=input_.encoding)
        for input_ in compared
        if input_.answers and input_.encoding is not None and _width(input_) <= _TOKENS
    ]
    # The sort is stable, so the same inputs are taken each time.
    return sorted(cases, key=_variety, reverse=True)[:_TRIED]


def _text_cases(compared: Sequence[Compared]) -> list[Case]:
    """Some of the inputs of several texts, those with the most different lengths first.

    The lengths are those in characters, because the encoder may be wrong.
    """
    lengths = {
        input_.case: len({len(row.text) + len(row.pair or "") for row in input_.case.read()})
        for input_ in compared
        if input_.answers and input_.case.texts and _width(input_) <= _TOKENS
    }
    cases = [case for case, count in lengths.items() if count > 1]
    return sorted(cases, key=lengths.__getitem__, reverse=True)[:_TRIED]


def _width(input_: Compared) -> int:
    return 0 if input_.encoding is None else int(input_.encoding["input_ids"].shape[1])


def _variety(case: Case) -> tuple[bool, bool]:
    lengths = (case.encoding or {})["attention_mask"].sum(-1)
    ragged = case.rows > 1 and lengths.min() < lengths.max()
    return bool(ragged and lengths.min()), case.rows > 1


class _Variation(NamedTuple):
    """The same input in another form.

    Attributes:
        base: the input.
        varied: the other form.
        of_base: picks the comparable part of the base's arrays.
        of_varied: picks the same part of the other form's arrays.
    """

    base: Encoding
    varied: Encoding
    of_base: Callable[[Stages], Stages] = lambda stages: stages
    of_varied: Callable[[Stages], Stages] = lambda stages: stages


def _twice(encoding: Encoding, inputs: Inputs) -> _Variation:
    return _Variation(encoding, encoding)


def _narrow(encoding: Encoding, inputs: Inputs) -> _Variation:
    return _Variation(encoding, {name: x.astype(np.int32) for name, x in encoding.items()})


def _alone(encoding: Encoding, inputs: Inputs) -> _Variation | None:
    if len(encoding["input_ids"]) == 1:
        return None
    first = {name: values[:1] for name, values in encoding.items()}
    return _Variation(first, encoding, of_varied=_first_row)


def _more_padding(encoding: Encoding, inputs: Inputs) -> _Variation | None:
    tokens = encoding["input_ids"].shape[1]
    fits = inputs.longest >= tokens + _MORE
    if not fits or not _padded_on_the_right(encoding):
        return None
    # The arrays at a masked position have no meaning.
    real = encoding["attention_mask"] == 1
    wide = np.pad(real, ((0, 0), (0, _MORE)))
    return _Variation(encoding, _padded(encoding, tokens + _MORE, inputs.pad), _at(real), _at(wide))


def _other_side(encoding: Encoding, inputs: Inputs) -> _Variation | None:
    mask = encoding["attention_mask"]
    if mask.all() or not _padded_on_the_right(encoding):
        return None
    shifted = {name: _to_the_right(values, mask) for name, values in encoding.items()}
    return _Variation(encoding, shifted, _at(mask == 1), _at(shifted["attention_mask"] == 1))


_MAKERS: Mapping[str, Callable[[Encoding, Inputs], _Variation | None]] = {
    TWICE: _twice,
    NARROW: _narrow,
    ALONE: _alone,
    PADDED: _more_padding,
    OTHER_SIDE: _other_side,
}
_EXACT = (TWICE, NARROW)

VARIATIONS = tuple(_MAKERS)
"""The invariants whose inputs are variations of an encoding."""


def _varied(
    case: Case, *, side: Side, reference: ModelReference, rule: Rule, inputs: Inputs, name: str
) -> str | None:
    """The breach of one variation."""
    if case.encoding is None or (variation := _MAKERS[name](case.encoding, inputs)) is None:
        return None
    base, varied, of_base, of_varied = variation
    if name in _EXACT:
        return _or_refusal(side, "in this form", lambda: _changed(side.run(base), side.run(varied)))
    stages, truth = of_base(reference.stages(base)), of_base(reference.truth(base))

    def peers() -> list[Stages]:
        return [of_base(peer) for peer in reference.peers(base)]

    # Example: a model that counts positions from the left moves with padding on that side.
    if _moves_itself(of_varied(reference.truth(varied)), stages, truth, rule, peers):
        return None

    def breach() -> str:
        answers = of_base(side.run(base)), of_varied(side.run(varied))
        return _explained(judge_move(*answers, stages, truth, rule, peers))

    return _or_refusal(side, "in this form", breach)


def _batched(
    case: Case, *, side: Side, reference: ModelReference, rule: Rule, inputs: Inputs
) -> str | None:
    """The breach of a call's batching: each text must get the answer that it gets alone.

    The texts alone are the base, not one batch of all of them, because a fault in the encoder's
    padding would show in both batches alike.
    """
    if case.rows < 2 or not case.texts:
        return None
    texts = case.read()
    alone = [reference.side.encode([text]) for text in texts]
    stages, truth = (_joined(map(run, alone)) for run in (reference.stages, reference.truth))

    def peers() -> list[Stages]:
        rows = zip(*map(reference.peers, alone), strict=True)
        return [_joined(row) for row in rows]

    # A batch of the reference that this module pads, so that the call's own code is not its judge.
    width = max(encoding["input_ids"].shape[1] for encoding in alone)
    padded = [_padded(encoding, width, inputs.pad) for encoding in alone]
    batch = {name: np.concatenate([row[name] for row in padded]) for name in padded[0]}
    own = Stages((), reference.truth(batch).outputs)
    if _moves_itself(own, stages, truth, rule, peers):
        return None

    def breach() -> str:
        base = _joined([side.run(side.encode([text])) for text in texts])
        called = side.call(texts)
        for name, values in called.outputs.items():
            if values.shape != base.outputs[name].shape:
                shapes = f"{list(values.shape)} for {list(base.outputs[name].shape)}"
                return f"{name} of a call has the shape {shapes}"
        return _explained(judge_move(base, called, stages, truth, rule, peers))

    return _or_refusal(side, "in a call", breach)


def _other_run(
    case: Case, *, side: Side, run: Run, reference: ModelReference, rule: Rule
) -> str | None:
    """The breach of another way to run the model."""
    if case.encoding is None:
        return None
    expected = reference.expected(case)
    usual, other = side.run(case.encoding), run(case.encoding)
    return _explained(
        judge_move(usual, other, expected.stages, expected.truth, rule, expected.peers)
    )


def _or_refusal(side: Side, where: str, breach: Callable[[], str]) -> str:
    try:
        return breach()
    except DiglotError as error:
        return f"only {where} {side.name} refuses the input: {error}"


def judge_move(
    base: Stages,
    varied: Stages,
    stages: Stages,
    truth: Stages,
    rule: Rule,
    peers: Callable[[], Sequence[Stages]],
) -> Judgement:
    """Judge whether a side's answers to two forms of an input differ by more than rounding.

    Adds the difference between the two answers to the float64 reference and judges the sum, so the
    answers may both be wrong in the same way. Arrays that are missing from either answer, or have
    another shape than the reference's, are ignored here: the comparison of the stages reports them.

    Args:
        base: the side's arrays for the one form.
        varied: the side's arrays for the other form.
        stages: the reference's arrays for the first form.
        truth: the same in float64.
        rule: the rule of the comparison.
        peers: gives the reference's arrays with other roundings.
    """
    layers = [base.hidden_states, varied.hidden_states, truth.hidden_states]
    same = len({tuple(state.shape for state in states) for states in layers}) == 1
    names = [
        name
        for name, true in truth.outputs.items()
        if name in base.outputs
        and name in varied.outputs
        and base.outputs[name].shape == varied.outputs[name].shape == true.shape
    ]
    moved = Stages(
        tuple(map(_moved, *layers)) if same else (),
        {n: _moved(base.outputs[n], varied.outputs[n], truth.outputs[n]) for n in names},
    )
    expected = Stages(stages.hidden_states, {name: stages.outputs[name] for name in names})
    return judge(moved, expected, truth, rule, peers=peers)


def _moved(base: Array, varied: Array, truth: Array) -> Array:
    same = (varied == base) | (np.isnan(varied) & np.isnan(base))
    # Infinities are equal on both sides, or they differ in any case.
    with np.errstate(invalid="ignore"):
        moved: Array = np.where(same, truth, truth + (varied.astype(np.float64) - base))
    return moved.astype(varied.dtype)


def _moves_itself(
    varied: Stages,
    stages: Stages,
    truth: Stages,
    rule: Rule,
    peers: Callable[[], Sequence[Stages]],
) -> bool:
    """Whether the float64 model itself answers differently to a varied input."""

    def cast(values: Array, like: Array) -> Array:
        return values.astype(like.dtype)

    # ``varied`` may lack hidden states.
    layers = zip(varied.hidden_states, stages.hidden_states, strict=False)
    same = Stages(
        tuple(cast(*pair) for pair in layers),
        {name: cast(varied.outputs[name], like) for name, like in stages.outputs.items()},
    )
    return bool(judge(same, stages, truth, rule, peers=peers).differences)


def _changed(first: Stages, second: Stages) -> str:
    """The arrays that are not identical, bit by bit."""
    names = [
        f"hidden state {index}"
        for index, states in enumerate(zip(first.hidden_states, second.hidden_states, strict=False))
        if not np.array_equal(*states, equal_nan=True)
    ]
    names += [
        name
        for name, values in first.outputs.items()
        if not np.array_equal(values, second.outputs[name], equal_nan=True)
    ]
    return "; ".join(f"{name} changes, and not a bit of it may" for name in names)


def _explained(judgement: Judgement) -> str:
    """The size of a move; empty if rounding explains it."""
    return "; ".join(
        f"{measurement.name} moves by {measurement.error:.3g}, and rounding explains"
        f" {measurement.limit:.3g}"
        if isfinite(measurement.error)
        else str(measurement.difference)
        for measurement in judgement.measurements
        if measurement.difference is not None
    )


def _first_row(stages: Stages) -> Stages:
    return Stages(
        tuple(state[:1] for state in stages.hidden_states),
        {name: values[:1] for name, values in stages.outputs.items()},
    )


def _at(places: Array) -> Callable[[Stages], Stages]:
    """Picks the hidden states at some places ``[batch, tokens]``."""
    return lambda stages: stages._replace(
        hidden_states=tuple(state[places] for state in stages.hidden_states)
    )


def _joined(rows: Sequence[Stages] | Iterator[Stages]) -> Stages:
    """The arrays of single rows as one: hidden states ``[all tokens, width]``, outputs by row."""
    every = list(rows)
    layers = zip(*(row.hidden_states for row in every), strict=True)
    return Stages(
        tuple(np.concatenate([state[0] for state in layer]) for layer in layers),
        {name: np.concatenate([row.outputs[name] for row in every]) for name in every[0].outputs},
    )


def _padded_on_the_right(encoding: Encoding) -> bool:
    """Whether each row has tokens, and no padding before or between them."""
    mask = encoding["attention_mask"]
    lengths = mask.sum(-1, keepdims=True)
    right: bool = (mask == (np.arange(mask.shape[1]) < lengths)).all() and lengths.all()
    return bool(right)


def _padded(encoding: Encoding, width: int, pad: int) -> dict[str, Array]:
    """The encoding with padding on the right, ``[batch, width]``."""
    more = width - encoding["input_ids"].shape[1]
    fill = {"input_ids": pad}
    return {
        name: np.pad(values, ((0, 0), (0, more)), constant_values=fill.get(name, 0))
        for name, values in encoding.items()
    }


def _to_the_right(values: Array, mask: Array) -> Array:
    """Each row rotated until its padding is before its tokens."""
    tokens = values.shape[1]
    start = mask.sum(-1, keepdims=True)
    return np.take_along_axis(values, (np.arange(tokens) + start) % tokens, axis=1)
