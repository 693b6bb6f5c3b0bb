"""Texts through an encoder and a model in batches: encode, plan, run, restore."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from diglot import batching
from diglot.errors import InputError
from diglot.types import Outputs

if TYPE_CHECKING:
    from diglot.backends import Model
    from diglot.heads import Task
    from diglot.inputs import Text
    from diglot.preprocessing import EncodedText, Encoder
    from diglot.types import Array, ScoreFunction

T = TypeVar("T")
Result = TypeVar("Result")

# The most tokens in a batch, padding included: a full batch of 512-token texts at the usual batch
# size. Longer texts come in smaller batches, so that memory does not grow with them.
_MAX_BATCH_TOKENS = 16_384


class BatchedModel:
    """A model that takes any number of texts, in batches of like length.

    Every call of a classifier takes this way, whatever its encoder and its model.
    """

    def __init__(self, task: Task, encoder: Encoder, model: Model) -> None:
        """Put the parts of a classifier together.

        Args:
            task: the head, with its labels.
            encoder: turns texts into the model's inputs.
            model: the model.
        """
        self._task = task
        self._encoder = encoder
        self._model = model

    def run(
        self,
        texts: Sequence[Text],
        options: Mapping[str, Any],
        size: int,
        *,
        start: int | None,
        function: ScoreFunction | None,
    ) -> Outputs:
        """The model's outputs and scores for texts, in their order, without hidden states.

        Args:
            texts: any number of them.
            options: from :meth:`diglot.preprocessing.Encoder.options`.
            size: the most texts in one batch.
            start: the index of the first text, for messages; ``None`` for a single input.
            function: the function that turns outputs into scores; no scores unless given.

        Raises:
            InputError: a text cannot be encoded, or the model cannot take it.
            BackendError: the model could not be run.
        """
        if not texts:
            nothing = {
                name: np.empty((0, len(self._task.labels)), np.float32)
                for name in self._task.head.outputs
            }
            return Outputs(nothing, nothing)
        rows = self._encoder.tokenize(texts, options, start=start)
        batches = self._plan(rows, options, size)
        answers = [
            self._model.run(
                self._encoder.pad([rows[index] for index in batch], options), function=function
            )
            for batch in batches
        ]

        def restored(part: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
            return {
                name: np.stack(batching.restore(batches, [arrays[name] for arrays in part]))
                for name in part[0]
            }

        return Outputs(
            restored([answer.raw for answer in answers]),
            restored([answer.scores for answer in answers]),
        )

    def outcomes(
        self,
        texts: Sequence[Text | InputError],
        options: Mapping[str, Any],
        size: int,
        *,
        function: ScoreFunction,
    ) -> list[Mapping[str, Array] | InputError]:
        """The scores of each text, or the error that says why it cannot be classified.

        After an error, the tokenizer takes the texts one by one, and the model the rows of the
        batch that it refuses one by one. So every error is about one text, and names no index.

        Args:
            texts: texts, and errors in place of texts that could not be read.
            options: as in :meth:`run`.
            size: as in :meth:`run`.
            function: as in :meth:`run`.

        Raises:
            BackendError: the model could not be run.
        """

        def encode(texts: Sequence[Text]) -> Sequence[EncodedText]:
            return self._encoder.tokenize(texts, options, start=None)

        def score(rows: Sequence[EncodedText]) -> Sequence[Mapping[str, Array]]:
            scores = self._model.run(self._encoder.pad(rows, options), function=function).scores
            return [
                dict(zip(scores, row, strict=True)) for row in zip(*scores.values(), strict=True)
            ]

        readable = [text for text in texts if not isinstance(text, InputError)]
        encoded = iter(_one_by_one_after_error(encode, readable))
        rows = [text if isinstance(text, InputError) else next(encoded) for text in texts]
        good = [row for row in rows if not isinstance(row, InputError)]
        batches = self._plan(good, options, size)
        answers = [
            _one_by_one_after_error(score, [good[index] for index in batch]) for batch in batches
        ]
        scored = iter(batching.restore(batches, answers))
        return [row if isinstance(row, InputError) else next(scored) for row in rows]

    def _plan(
        self, rows: Sequence[EncodedText], options: Mapping[str, Any], size: int
    ) -> list[list[int]]:
        """The indices of the rows of each batch."""
        return batching.buckets(
            [len(row.inputs["input_ids"]) for row in rows],
            max_tokens=_MAX_BATCH_TOKENS,
            max_size=size if self._encoder.pads else 1,
            padded=self._encoder.mixes(options),
        )


def _one_by_one_after_error(
    function: Callable[[Sequence[T]], Sequence[Result]], values: Sequence[T]
) -> list[Result | InputError]:
    """Call a function with all values or, if it refuses them, with one at a time.

    Returns:
        For each value its result, or the error with which the function refused it alone.
    """
    if not values:
        return []
    try:
        return list(function(values))
    except InputError as error:
        if len(values) == 1:
            return [error]
    return [outcome for value in values for outcome in _one_by_one_after_error(function, [value])]
