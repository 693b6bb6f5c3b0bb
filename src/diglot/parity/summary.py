"""All inputs together: how each stage, each layer and each row came out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from diglot.equality.compare import Compared
from diglot.parity import result
from diglot.parity.result import Flip, Input, Layer, Stage, Token
from diglot.preprocessing import CheckpointEncoder

if TYPE_CHECKING:
    from diglot.checkpoints import Checkpoint

# How many of the worst inputs are shown token by token.
_SHOWN = 10

_ABSENT = {
    result.ENCODING: "the tested side has no tokenizer of its own, or no text was given",
    result.HIDDEN_STATES: "the tested side shows no hidden states",
    result.LOGITS: "no input came so far",
    result.PROBABILITIES: "no input came so far",
}


def stages(compared: Sequence[Compared]) -> tuple[Stage, ...]:
    """Each stage over all inputs."""
    return tuple(_stage(name, compared) for name in result.STAGES)


def _stage(name: str, compared: Sequence[Compared]) -> Stage:
    judged = [one for one in compared if name in one.stages]
    measured = [one for each in judged for one in each.stages[name]]
    return Stage(
        name,
        judged=len(judged),
        different=sum(bool(one.differences(name)) for one in judged),
        ratio=max((one.ratio for one in measured), default=0.0),
        error=max((one.error for one in measured), default=0.0),
        own_error=max((one.own_error for one in measured), default=0.0),
        absent="" if judged else _ABSENT[name],
    )


def layers(compared: Sequence[Compared]) -> tuple[Layer, ...]:
    """Each hidden state over all inputs, the embeddings first."""
    found: dict[str, Layer] = {}
    for each in compared:
        for one in each.stages.get(result.HIDDEN_STATES, ()):
            _, _, index = one.name.partition("hidden state ")
            if not index:  # some are missing, and no layer can be told from another
                continue
            name = "embeddings" if index == "0" else f"layer {index}"
            known = found.get(name, Layer(name, 0.0, 0.0, float("inf")))
            found[name] = Layer(
                name,
                max(known.expected, one.own_error),
                max(known.actual, one.error),
                min(known.limit, one.limit),
            )
    return tuple(found.values())


def flips(compared: Sequence[Compared]) -> tuple[Flip, ...]:
    """The rows that were labelled differently, with the numbers of their inputs."""
    return tuple(
        replace(flip, case=number, text=one.case.texts[flip.row] if one.case.texts else "")
        for number, one in enumerate(compared)
        for flip in one.flips
    )


def inputs(compared: Sequence[Compared], found: Checkpoint) -> tuple[Input, ...]:
    """Each input; the worst of them token by token."""
    ranked = sorted(range(len(compared)), key=lambda number: _worst(compared[number]), reverse=True)
    shown = set(ranked[:_SHOWN])
    return tuple(
        Input(
            one.case,
            {stage: one.ratio(stage) for stage in one.stages},
            one.answers,
            one.refused,
            _tokens(one, found) if number in shown else (),
        )
        for number, one in enumerate(compared)
    )


def _worst(one: Compared) -> float:
    return max(map(one.ratio, one.stages), default=0.0)


def _tokens(one: Compared, found: Checkpoint) -> tuple[tuple[Token, ...], ...]:
    """The tokens of an input, each with its own error in the last layer."""
    if one.encoding is None:
        return ()
    ids = one.encoding["input_ids"]
    hidden = one.stages.get(result.HIDDEN_STATES, ())
    errors = one.token_errors
    limit = hidden[-1].limit if hidden else 0.0
    return tuple(
        tuple(
            Token(
                int(ids[row, place]),
                name,
                None if errors is None or not limit else float(errors[row, place] / limit),
            )
            for place, name in enumerate(names)
        )
        for row, names in enumerate(CheckpointEncoder(found).tokens(ids))
    )
