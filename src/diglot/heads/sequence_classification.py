"""Sequence classification: one label for each text.

The rules are those of transformers' ``TextClassificationPipeline.postprocess``; they need NumPy
only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from diglot.errors import MissingLabelsError
from diglot.heads.head import Stage
from diglot.heads.scores import function_named, scores
from diglot.heads.top_k import UNSET, TopK
from diglot.types import ScoreFunction

if TYPE_CHECKING:
    import tensorflow as tf
    from transformers import PreTrainedConfig

    from diglot.types import Array, Arrays


class Prediction(TypedDict):
    """One label and its score."""

    label: str
    score: float


class SequenceClassification:
    """The head that gives each text one label; satisfies :class:`diglot.heads.Head`."""

    task = "text-classification"
    aliases = ("sentiment-analysis",)
    auto_class = "AutoModelForSequenceClassification"
    outputs = ("logits",)
    stages = (
        Stage("logits", "raw", "logits"),
        Stage("probabilities", "scores", "logits", chooses=True),
    )
    columns = ("label", "score")

    def labels(self, config: Mapping[str, Any], where: str) -> tuple[str, ...]:
        """The labels of ``id2label``, in the order of the logits.

        Raises:
            MissingLabelsError: ``id2label`` does not name each of them; transformers would invent
                ``LABEL_0`` and so on.
        """
        remedy = (
            "Pass them all, in the order of the head's rows, such as"
            ' labels=["NEGATIVE", "POSITIVE"].'
        )
        named = config.get("id2label")
        if not named:
            raise MissingLabelsError(f"{where} names no labels: it has no 'id2label'. {remedy}")
        try:
            by_row = {int(row): label for row, label in named.items()}
        except (AttributeError, ValueError) as error:
            raise MissingLabelsError(
                f"the 'id2label' of {where} must give a label for each row number, not {named!r}."
                f" {remedy}"
            ) from error
        if missing := set(range(len(by_row))) - set(by_row):
            raise MissingLabelsError(
                f"{where} names {len(by_row)} labels, but none for row"
                f" {', '.join(map(str, sorted(missing)))} of the head. {remedy}"
            )
        return tuple(by_row[row] for row in sorted(by_row))

    def score_function(
        self, config: PreTrainedConfig, requested: str | None = None
    ) -> ScoreFunction:
        """The function that turns logits into scores.

        The rule is transformers' own: nothing for regression; sigmoid for several labels per text
        or for a single label; softmax for one label out of several. The configuration's
        ``function_to_apply`` counts only where none of these decides.

        Args:
            config: the checkpoint's configuration.
            requested: the caller's choice, in any case of letters; it wins over the rule.

        Raises:
            InputError: the name is none of "softmax", "sigmoid" and "none".
        """
        if requested is not None:
            return function_named(requested)
        if config.problem_type == "regression":
            return "none"
        if config.problem_type == "multi_label_classification" or config.num_labels == 1:
            return "sigmoid"
        if config.problem_type == "single_label_classification" or config.num_labels > 1:
            return "softmax"
        configured = getattr(config, "function_to_apply", "none")
        return function_named(configured, "config.function_to_apply")

    def scores(self, raw: Arrays, function: ScoreFunction) -> dict[str, Array]:
        """Each output as scores over its last axis; see :func:`diglot.heads.scores`."""
        return {name: scores(value, function) for name, value in raw.items()}

    def select(
        self, scores: Arrays, labels: Sequence[str], top_k: TopK = UNSET
    ) -> Prediction | list[Prediction]:
        """The predictions for one text.

        Of equal scores, the first label wins. Where only the best label is wanted, NaN counts as
        the highest score, as NumPy's ``argmax`` has it; in a ranking it stays where Python's sort
        leaves it. Both are as in transformers.

        Args:
            scores: ``logits`` after the score function, ``[labels]``.
            labels: the names, in the order of the scores.
            top_k: how many of the best to give; ``None`` for all. A negative number leaves out that
                many of the worst, as a slice does.

        Returns:
            One prediction where ``top_k`` is not given, else a list of them, the best first.
        """
        row = scores["logits"]
        if top_k is UNSET:
            return Prediction(label=labels[int(row.argmax())], score=float(row.max()))
        ranking = [
            Prediction(label=label, score=float(score))
            for label, score in zip(labels, row, strict=True)
        ]
        ranking.sort(key=lambda prediction: prediction["score"], reverse=True)
        return ranking if top_k is None else ranking[:top_k]

    def signatures(
        self, labels: tf.Tensor, stages: Mapping[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """The best ``label`` and its ``score``, each ``[batch]``."""
        import tensorflow as tf

        scores = stages["probabilities"]
        return {
            "label": tf.gather(labels, tf.argmax(scores, axis=-1)),
            "score": tf.reduce_max(scores, axis=-1),
        }
