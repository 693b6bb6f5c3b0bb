"""The summary of all compared inputs: stages, layers, flips, and the inputs themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from diglot.equality.stages import ENCODING, HIDDEN_STATES, stage_names
from diglot.parity.result import Flip, Input, Layer, Stage, Token
from diglot.preprocessing import CheckpointEncoder

if TYPE_CHECKING:
    from diglot.checkpoints import Checkpoint
    from diglot.equality.compare import Compared
    from diglot.heads import Head

# The number of the worst inputs that are shown token by token.
_SHOWN = 10

_ABSENT = {
    ENCODING: "the tested side has no tokenizer of its own, or no input is a text",
    HIDDEN_STATES: "the tested side shows no hidden states",
}
_NOT_REACHED = "no input reached this stage"


def stages(compared: Sequence[Compared], head: Head) -> tuple[Stage, ...]:
    """Each stage over all inputs."""
    return tuple(_stage(name, compared) for name in stage_names(head))


def _stage(name: str, compared: Sequence[Compared]) -> Stage:
    judged = [input_ for input_ in compared if name in input_.stages]
    measurements = [measurement for input_ in judged for measurement in input_.stages[name]]
    return Stage(
        name,
        judged=len(judged),
        different=sum(bool(input_.differences(name)) for input_ in judged),
        ratio=max((measurement.ratio for measurement in measurements), default=0.0),
        error=max((measurement.error for measurement in measurements), default=0.0),
        own_error=max((measurement.own_error for measurement in measurements), default=0.0),
        absent="" if judged else _ABSENT.get(name, _NOT_REACHED),
    )


def layers(compared: Sequence[Compared]) -> tuple[Layer, ...]:
    """Each hidden state over all inputs, the embeddings first."""
    known: dict[int, Layer] = {}
    for input_ in compared:
        for index, measurement in enumerate(input_.layers):
            name = f"layer {index}" if index else "embeddings"
            layer = known.get(index, Layer(name, 0.0, 0.0, float("inf")))
            known[index] = Layer(
                name,
                max(layer.expected, measurement.own_error),
                max(layer.actual, measurement.error),
                min(layer.limit, measurement.limit),
            )
    return tuple(known.values())


def flips(compared: Sequence[Compared]) -> tuple[Flip, ...]:
    """The rows with different labels, with the indices of their inputs."""
    return tuple(
        replace(flip, case=index, text=input_.case.texts[flip.row] if input_.case.texts else "")
        for index, input_ in enumerate(compared)
        for flip in input_.flips
    )


def inputs(compared: Sequence[Compared], checkpoint: Checkpoint) -> tuple[Input, ...]:
    """All inputs, the worst of them token by token."""
    ranked = sorted(range(len(compared)), key=lambda index: _worst(compared[index]), reverse=True)
    shown = set(ranked[:_SHOWN])
    return tuple(
        Input(
            input_.case,
            {stage: input_.ratio(stage) for stage in input_.stages},
            input_.answers,
            input_.refused,
            _tokens(input_, checkpoint) if index in shown else (),
        )
        for index, input_ in enumerate(compared)
    )


def _worst(input_: Compared) -> float:
    return max(map(input_.ratio, input_.stages), default=0.0)


def _tokens(input_: Compared, checkpoint: Checkpoint) -> tuple[tuple[Token, ...], ...]:
    """The tokens of an input, each with its own error in the last hidden state."""
    if input_.encoding is None:
        return ()
    ids = input_.encoding["input_ids"]
    errors = input_.token_errors
    limit = input_.layers[-1].limit if input_.layers else 0.0
    return tuple(
        tuple(
            Token(
                int(ids[row, place]),
                name,
                None if errors is None or not limit else float(errors[row, place] / limit),
            )
            for place, name in enumerate(names)
        )
        for row, names in enumerate(CheckpointEncoder(checkpoint).tokens(ids))
    )
