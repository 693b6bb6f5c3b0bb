"""What each side must keep to by itself, whatever the other says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from diglot.parity.cases import Encoding
from diglot.parity.judging import Judgement, Rule, judge
from diglot.parity.reference import Live
from diglot.parity.sides import Side, Stages
from diglot.parity.tolerance import Array, Difference, Measurement

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
        moved = moved_truth(base, varied, self.truth)
        return judge(moved, self.stages, self.truth, rule, peers=self.peers)


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


def moved_truth(base: Stages, varied: Stages, truth: Stages) -> Stages:
    """The truth, moved by as much as a side moves from one form to the other.

    So it is the side's own answers that are compared, however wrong both may be, and by the rule
    for what rounding explains.
    """
    return {
        name: np.where(
            (value == base[name]) | (np.isnan(value) & np.isnan(base[name])),
            truth[name],
            truth[name] + (value.astype(np.float64) - base[name]),
        ).astype(value.dtype)
        for name, value in varied.items()
    }


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
