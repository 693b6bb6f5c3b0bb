"""The protocol of a head, and the arrays on which two implementations of one are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    import tensorflow as tf
    from transformers import PreTrainedConfig

    from diglot.types import Array, Arrays, Outputs, ScoreFunction


class Stage(NamedTuple):
    """One array of a model's outputs on which two implementations are compared.

    Attributes:
        name: the array's name, such as ``"probabilities"``; an export's signatures use it too.
        source: the part of :class:`~diglot.types.Outputs` that holds the array.
        output: the array's name there.
        chooses: whether the largest number along the last axis chooses a label.
    """

    name: str
    source: Literal["raw", "scores"]
    output: str
    chooses: bool = False


class Head(Protocol):
    """One task. A head holds no state, so any number of threads may share it."""

    @property
    def task(self) -> str:
        """The name of the task in transformers, such as ``"text-classification"``."""
        ...

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other names of the task."""
        ...

    @property
    def auto_class(self) -> str:
        """Transformers' PyTorch class, such as ``"AutoModelForSequenceClassification"``."""
        ...

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the model's outputs, such as ``("logits",)``."""
        ...

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The arrays on which two implementations are compared, in order."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the values in one result, in the order of a table."""
        ...

    def labels(self, config: Mapping[str, Any], where: str) -> tuple[str, ...]:
        """The labels in the order of the model's output.

        Args:
            config: the content of ``config.json``, without transformers' defaults.
            where: the file's path, for messages.

        Raises:
            MissingLabelsError: the configuration does not name each of them.
        """
        ...

    def score_function(
        self, config: PreTrainedConfig, requested: str | None = None
    ) -> ScoreFunction:
        """The function that turns outputs into scores, by transformers' rule.

        Args:
            config: the checkpoint's configuration.
            requested: the caller's own choice; it wins over the rule.

        Raises:
            InputError: there is no such function.
        """
        ...

    def scores(self, raw: Arrays, function: ScoreFunction) -> dict[str, Array]:
        """The model's outputs as scores, in NumPy.

        Models whose framework has no such functions use it; for the others it is the reference.

        Args:
            raw: the model's outputs by name.
            function: from :meth:`score_function`, or the caller's choice.
        """
        ...

    def select(self, scores: Arrays, labels: Sequence[str], top_k: Any) -> Any:
        """The result for one text, as transformers' pipeline gives it.

        Args:
            scores: one row of each array of scores.
            labels: in the order of the scores.
            top_k: the number of results wanted; each head says what it takes.
        """
        ...

    def signatures(
        self, labels: tf.Tensor, stages: Mapping[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """The answers of an export's text signature, beside the stages themselves.

        Args:
            labels: strings ``[labels]``.
            stages: the arrays of :attr:`stages` by name.
        """
        ...


@dataclass(frozen=True)
class Task:
    """A head as one checkpoint or export configures it.

    Attributes:
        head: the head.
        labels: in the order of the model's outputs.
        function: the function that turns outputs into scores, unless a call names another.
    """

    head: Head
    labels: tuple[str, ...]
    function: ScoreFunction


def stage_arrays(head: Head, outputs: Outputs) -> dict[str, Array]:
    """The arrays of a head's stages, by the stage's name."""
    return {stage.name: getattr(outputs, stage.source)[stage.output] for stage in head.stages}
