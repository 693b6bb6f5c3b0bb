"""What each side must keep to by itself, whatever the other says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from diglot.equality.judge import Judgement, Rule, judge
from diglot.equality.reference import Live
from diglot.equality.sides import Side, Stages
from diglot.equality.tolerance import Difference, Measurement
from diglot.types import Array, Encoding

TWICE = "run twice"
NARROW = "int32 as int64"
ALONE = "alone as in a batch"
PADDED = "with more padding"
OTHER_SIDE = "padded on the other side"

VARIATIONS = (TWICE, NARROW, ALONE, PADDED, OTHER_SIDE)
"""The variations of an input that must not change the answer; the ways to run come besides."""

_MORE = 3


@dataclass(frozen=True)
class Variation:
    """The same input in another form.

    Attributes:
        name: one of :data:`VARIATIONS`.
        base: the input, of which the answer is known.
        varied: the other form.
        of_base: takes from the base's stages what can be compared.
        of_varied: takes the same from the other's.
        exact: whether not a bit may change.
    """

    name: str
    base: Encoding
    varied: Encoding
    of_base: Callable[[Stages], Stages] = dict
    of_varied: Callable[[Stages], Stages] = dict
    exact: bool = False


def variations(encoding: Encoding, *, pad: int, most: int | None) -> Iterator[Variation]:
    """The forms in which an encoding can be said otherwise.

    Args:
        encoding: each array ``[batch, tokens]``.
        pad: the id of the pad token.
        most: the longest encoding that the model takes; ``None`` where nothing bounds it.
    """
    mask = encoding["attention_mask"]
    rows, tokens = mask.shape
    yield Variation(TWICE, encoding, encoding, exact=True)
    narrow = {name: value.astype(np.int32) for name, value in encoding.items()}
    yield Variation(NARROW, encoding, narrow, exact=True)
    if rows > 1:
        first = {name: value[:1] for name, value in encoding.items()}
        yield Variation(ALONE, first, encoding, of_varied=_first_row)
    right = bool((mask == (np.arange(tokens) < mask.sum(-1, keepdims=True))).all())
    if not right or not mask.any(-1).all():
        return
    # What stands at a masked position is nobody's business.
    real = mask == 1
    if most is None or tokens + _MORE <= most:
        fill = {"input_ids": pad}
        grown = {
            name: np.pad(value, ((0, 0), (0, _MORE)), constant_values=fill.get(name, 0))
            for name, value in encoding.items()
        }
        wide = np.pad(real, ((0, 0), (0, _MORE)))
        yield Variation(PADDED, encoding, grown, _at(real), _at(wide))
    if not real.all():
        shifted = {name: _to_the_right(value, mask) for name, value in encoding.items()}
        moved = shifted["attention_mask"] == 1
        yield Variation(OTHER_SIDE, encoding, shifted, _at(real), _at(moved))


@dataclass(frozen=True)
class Standard:
    """What a variation must give.

    Attributes:
        variation: the variation.
        stages: the reference's, of the base.
        truth: the same in float64.
        peers: the same with PyTorch's rounding drawn anew.
    """

    variation: Variation
    stages: Stages
    truth: Stages
    peers: Callable[[], list[Stages]]

    def judge(self, side: Side, rule: Rule) -> Judgement:
        """Whether a side gives it.

        Raises:
            DiglotError: the side cannot run the other form.
        """
        variation = self.variation
        if variation.exact:
            return _identical(variation, side)
        base = variation.of_base(side.run(variation.base))
        varied = variation.of_varied(side.run(variation.varied))
        return judge_move(base, varied, self.stages, self.truth, rule, self.peers)


def standard(variation: Variation, live: Live, rule: Rule) -> Standard | None:
    """What a variation must give; ``None`` where the model itself answers otherwise.

    A model that counts positions from the left, say, answers differently once its padding stands
    there: whether it does is asked of float64.
    """
    of_base, of_varied = variation.of_base, variation.of_varied
    stages = of_base(live.stages(variation.base))
    truth = of_base(live.truth(variation.base))

    def peers() -> list[Stages]:
        return [of_base(peer) for peer in live.anew(variation.base)]

    if not variation.exact:
        own = of_varied(live.truth(variation.varied))
        same = {name: value.astype(stages[name].dtype) for name, value in own.items()}
        if judge(same, stages, truth, rule, peers=peers).differences:
            return None
    return Standard(variation, stages, truth, peers)


def judge_move(
    base: Stages,
    varied: Stages,
    stages: Stages,
    truth: Stages,
    rule: Rule,
    peers: Callable[[], Sequence[Stages]],
) -> Judgement:
    """Whether a side's answers to two forms of an input are apart by more than rounding.

    They are compared with one another, however wrong both may be: the truth, moved by as much as
    they are apart, is judged as if it were an answer. What the side does not show both times, or in
    another shape than the reference, is the business of the stages.

    Args:
        base: the side's stages of the one form.
        varied: those of the other.
        stages: the reference's.
        truth: the same in float64.
        rule: how to compare.
        peers: the reference's, its rounding drawn anew.
    """
    names = [
        name
        for name in stages
        if name in base
        and name in varied
        and base[name].shape == varied[name].shape == truth[name].shape
    ]
    moved = {name: _moved(base[name], varied[name], truth[name]) for name in names}
    return judge(moved, {name: stages[name] for name in names}, truth, rule, peers=peers)


def _moved(base: Array, varied: Array, truth: Array) -> Array:
    same = (varied == base) | (np.isnan(varied) & np.isnan(base))
    with np.errstate(invalid="ignore"):  # of infinities, which are the same on both sides or differ
        moved: Array = np.where(same, truth, truth + (varied.astype(np.float64) - base))
    return moved.astype(varied.dtype)


def _identical(variation: Variation, side: Side) -> Judgement:
    once, again = side.run(variation.base), side.run(variation.varied)
    changed = [name for name in once if not np.array_equal(once[name], again[name], equal_nan=True)]
    infinite = float("inf")
    return Judgement(
        tuple(
            Measurement(
                name, infinite, 0.0, 0.0, Difference(name, "not a bit may change, and some do")
            )
            for name in changed
        )
    )


def _first_row(stages: Stages) -> Stages:
    return {name: value[:1] for name, value in stages.items()}


def _at(places: Array) -> Callable[[Stages], Stages]:
    """The hidden states at these places alone, ``[batch, tokens]``."""
    return lambda stages: {
        name: value[places] if value.ndim == 3 else value for name, value in stages.items()
    }


def _to_the_right(values: Array, mask: Array) -> Array:
    """Each row turned until its padding stands before its tokens."""
    tokens = values.shape[1]
    start = mask.sum(-1, keepdims=True)
    return np.take_along_axis(values, (np.arange(tokens) + start) % tokens, axis=1)
