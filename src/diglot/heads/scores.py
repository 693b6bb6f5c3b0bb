"""Outputs to scores in NumPy, and the names of the functions that do it."""

from __future__ import annotations

from typing import Any, Final, get_args

import numpy as np
from numpy.typing import NDArray

from diglot.errors import InputError
from diglot.types import ScoreFunction

_FUNCTIONS: Final[tuple[ScoreFunction, ...]] = get_args(ScoreFunction)


def function_named(name: Any, origin: str = "function_to_apply") -> ScoreFunction:
    """The score function of that name, in any case of letters.

    Args:
        name: the name.
        origin: where the name comes from, for the message.

    Raises:
        InputError: there is no such function.
    """
    for function in _FUNCTIONS:
        if isinstance(name, str) and name.lower() == function:
            return function
    raise InputError(f"{origin} must be one of {', '.join(map(repr, _FUNCTIONS))}, not {name!r}")


def scores(
    outputs: NDArray[np.floating[Any]], function: ScoreFunction
) -> NDArray[np.floating[Any]]:
    """Turn outputs into scores of the same shape and dtype, along the last axis.

    A NaN or an infinity goes through as IEEE arithmetic has it, and is not reported as a warning.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if function == "sigmoid":
            return np.asarray(1.0 / (1.0 + np.exp(-outputs)))
        if function == "softmax":
            powers = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
            return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
        return outputs
