"""The test case of an operator, and the strategies from which all families draw arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch._ops import OpOverload
from torch.utils._pytree import tree_leaves, tree_map_only

Draw = Callable[[st.SearchStrategy[Any]], Any]
Shape = Sequence[int]

HALVES = (torch.float16, torch.bfloat16)
FLOATS = (torch.float32, torch.float64, *HALVES)
INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
NUMBERS = (*FLOATS, torch.int64, torch.int32)
ALL = (*NUMBERS, torch.bool)

# The source of the rounding error, which decides the scale that an error is compared with.
ELEMENT = "element"
"""Each element of the result is rounded on its own."""
SUM = "sum"
"""The terms of a sum are rounded; they may be far greater than the sum."""


@dataclass(frozen=True)
class Call:
    """The arguments of one call of an operator, as PyTorch tensors."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)

    @property
    def tensors(self) -> list[torch.Tensor]:
        """Every tensor in the arguments, in order."""
        return [x for x in tree_leaves((self.args, self.kwargs)) if isinstance(x, torch.Tensor)]

    def map(self, function: Callable[[torch.Tensor], Any]) -> Call:
        """The same call with ``function`` applied to each tensor."""
        args, kwargs = tree_map_only(torch.Tensor, function, (self.args, self.kwargs))
        return Call(args, kwargs)


Scale = Callable[[Call], torch.Tensor]
"""Gives the scale of the rounding errors of a call, in a shape that broadcasts to its result."""


@dataclass(frozen=True)
class Case:
    """How an operator is tested.

    Attributes:
        calls: draws its arguments.
        scale: see :data:`ELEMENT` and :data:`SUM`; or a function of the call.
        exact: whether floats must have the same bits, because nothing is computed or rounded.
        static: whether all sizes are known when the program is built, because the number of results
            depends on them.
        fixed: whether ``torch.export`` fixes the sizes, because arguments of the call are sizes.
    """

    calls: st.SearchStrategy[Call]
    scale: str | Scale = ELEMENT
    exact: bool = False
    static: bool = False
    fixed: bool = False


CASES: dict[OpOverload, Case] = {}


def case(
    *operators: OpOverload, **options: Any
) -> Callable[[Callable[[Draw], Call]], Callable[[Draw], Call]]:
    """Register the decorated function, which draws a call, as the case of each operator."""

    def decorate(function: Callable[[Draw], Call]) -> Callable[[Draw], Call]:
        for operator in operators:
            if operator in CASES:
                raise ValueError(f"{operator} already has a case; remove one of the two")
            CASES[operator] = Case(st.composite(function)(), **options)
        return function

    return decorate


def dtypes(choice: Sequence[torch.dtype]) -> st.SearchStrategy[torch.dtype]:
    """One of ``choice``."""
    return st.sampled_from(choice)


def shapes(
    least: int = 0, most: int = 3, *, smallest: int = 0, largest: int = 4
) -> st.SearchStrategy[tuple[int, ...]]:
    """From ``least`` to ``most`` dimensions, each ``smallest`` to ``largest`` long."""
    return hnp.array_shapes(min_dims=least, max_dims=most, min_side=smallest, max_side=largest)


def broadcasting(draw: Draw, count: int, *, smallest: int = 0) -> tuple[tuple[int, ...], ...]:
    """``count`` shapes that broadcast together."""
    drawn = draw(
        hnp.mutually_broadcastable_shapes(
            num_shapes=count, max_dims=3, min_side=smallest, max_side=4
        )
    )
    return tuple(drawn.input_shapes)


# Rounding ties, both zeros, infinities and NaN. ACCEPTED has the subnormal numbers.
SPECIAL = (math.nan, math.inf, -math.inf, -0.0, 0.0, 0.5, 1.5, -2.5, 1.0, -1.0)


def numbers(dtype: torch.dtype) -> st.SearchStrategy[Any]:
    """One number of the kind of ``dtype``, small or special."""
    if dtype is torch.bool:
        return st.booleans()
    if not dtype.is_floating_point:
        return st.integers(0 if dtype is torch.uint8 else -8, 8)
    ordinary = st.floats(-8, 8, width=16, allow_subnormal=False)
    return ordinary | st.sampled_from(SPECIAL)


def tensor(
    draw: Draw,
    shape: Shape,
    dtype: torch.dtype,
    *,
    least: float = -8.0,
    most: float = 8.0,
    special: Sequence[float] = SPECIAL,
) -> torch.Tensor:
    """A tensor of numbers from ``least`` to ``most``, with up to four ``special`` ones among them.

    The numbers come from a generator with a drawn seed. Numbers that Hypothesis draws one by one
    are often simple or equal. Half of the tensors have many equal numbers.
    """
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if dtype is torch.bool:
        return torch.tensor(random.integers(0, 2, shape), dtype=dtype)
    if not dtype.is_floating_point:
        low = 0 if dtype is torch.uint8 else math.ceil(least)
        return torch.tensor(random.integers(low, math.floor(most) + 1, shape), dtype=dtype)
    values = np.asarray(random.uniform(least, most, shape))
    if draw(st.booleans()):
        values = np.asarray((values * 2).round() / 2)
    if special and values.size:
        places = st.integers(0, values.size - 1)
        planted = st.lists(st.tuples(places, st.sampled_from(special)), max_size=4)
        for place, value in draw(planted):
            values.flat[place] = value
    return torch.tensor(values, dtype=dtype)


def huge(dtype: torch.dtype) -> tuple[float, ...]:
    """The special values, and the greatest and smallest magnitudes of ``dtype``."""
    if not dtype.is_floating_point:
        return ()
    limits = torch.finfo(dtype)
    return (*SPECIAL, limits.max, limits.min, limits.max / 4, limits.tiny, -limits.tiny)


def scalar(dtype: torch.dtype) -> st.SearchStrategy[Any]:
    """A Python number that an exported graph may combine with a tensor of ``dtype``."""
    whole = st.integers(-4, 4)
    return whole | numbers(torch.float32) if dtype.is_floating_point else whole


def dim(rank: int) -> st.SearchStrategy[int]:
    """A dimension, counted from the front or from the back."""
    return st.integers(-rank, rank - 1) if rank else st.sampled_from([0, -1])


def dims(draw: Draw, rank: int, *, least: int = 0) -> list[int]:
    """Distinct dimensions, in any order and counted from either end."""
    chosen = draw(st.permutations(range(rank)))[: draw(st.integers(min(least, rank), rank))]
    return [axis - rank if draw(st.booleans()) else axis for axis in chosen]
