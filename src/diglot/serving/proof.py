"""The proof of an export: its answers, from a process of its own, compared with the checkpoint's.

The comparison is that of ``diglot check``: :mod:`diglot.equality`, with the same tolerance and the
same rule for labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diglot.equality.cases import ENCODINGS, PAIRS, TEXTS, Case
from diglot.equality.compare import Compared, compare
from diglot.equality.judge import Rule
from diglot.equality.reference import Expected, ModelReference
from diglot.equality.stages import Stages
from diglot.equality.tolerance import BUDGET, Difference, Tolerance
from diglot.errors import BackendError
from diglot.inputs import Text
from diglot.preprocessing import CheckpointEncoder
from diglot.serving.subprocess_answers import SubprocessEndpoint
from diglot.tokenization import proof as strings

if TYPE_CHECKING:
    from diglot.checkpoints import Checkpoint
    from diglot.endpoints.endpoint import Endpoint
    from diglot.heads import Task
    from diglot.serving.targets.target import Choices, Source, Target
    from diglot.types import Array, Encoding

# The drawn texts; the most of them in one batch; and the most tokens of each. A batch so holds at
# most 4,096 tokens, whatever the model takes: attention needs memory for the square of a length.
_TEXTS, _BATCH, _TOKENS = 48, 8, 512


@dataclass(frozen=True)
class Report:
    """The result of the comparison of an export with its checkpoint.

    Attributes:
        texts: the number of drawn texts.
        warmups: the number of warmup requests that were replayed.
        worst: the largest absolute error of a logit against float64, of the export and of PyTorch.
        tolerance: the allowed error.
        differences: the outputs that exceed the tolerance; empty if the export matches.
        flips: the number of labels that differ within the tolerance.
    """

    texts: int
    warmups: int
    worst: tuple[float, float]
    tolerance: Tolerance
    differences: tuple[Difference, ...]
    flips: int = 0

    def facts(self) -> dict[str, Any]:
        """The report in the form of the provenance."""
        return {
            "texts": self.texts,
            "warmups": self.warmups,
            "worst_error": self.worst[0],
            "worst_error_of_pytorch": self.worst[1],
            "tolerance": {
                "multiple": self.tolerance.multiple,
                "roundings": self.tolerance.roundings,
            },
            "flips": self.flips,
            "differences": [str(difference) for difference in self.differences],
        }

    def __str__(self) -> str:
        lines = [f"  {difference}" for difference in self.differences] or ["  no difference"]
        error, own = self.worst
        flips = f", {self.flips} labels differ within rounding" if self.flips else ""
        return "\n".join(
            [
                *lines,
                f"  {self.texts} texts, {self.warmups} warmup requests; the largest error of a"
                f" logit is {error:.3g}, PyTorch's own {own:.3g}{flips}",
            ]
        )


def prove(folder: Path, source: Source, choices: Choices, target: Target) -> Report:
    """Compare a version with its checkpoint in PyTorch, on drawn texts.

    Args:
        folder: the version.
        source: its checkpoint.
        choices: the options of the export.
        target: the format of the version.

    Raises:
        ExportError: the version could not be loaded or run; the message has the reason.
    """
    drawn = cases(source.checkpoint, choices)
    reference = _Reference(source)
    task, pairs = source.description.task, choices.pairs
    with SubprocessEndpoint(target.name, folder) as endpoint:
        warmups = endpoint.replay_warmup()
        text = source.tokenizer is not None
        routes = [
            Route(endpoint, task, "encoded", "serving_default" if text else None, pairs=pairs),
            Route(endpoint, task, "encoded_lengths", "classify" if text else None, pairs=pairs),
        ]
        compared: list[tuple[Route, Compared]] = []
        for case in drawn:
            for route in routes:
                rule = Rule(
                    (task.labels, task.labels), BUDGET, reference.rounding, (route.name, "PyTorch")
                )
                compared.append((route, compare(case, route, reference, rule)))
                if endpoint.failure is not None:
                    raise endpoint.failure
    return _report(sum(case.rows for case in drawn), warmups, compared, task.head.stages[0].name)


def cases(checkpoint: Checkpoint, choices: Choices) -> list[Case]:
    """The drawn texts, in batches; one text in each if the checkpoint has no pad token."""
    texts = strings.texts(choices.seed + 1, _TEXTS)
    # Transformers' pipeline takes an empty second text for none, where a signature cannot.
    seconds = [text or "." for text in reversed(texts)] if choices.pairs else [None] * len(texts)
    rows = [_shortened(Text(*both), checkpoint) for both in zip(texts, seconds, strict=True)]
    rows = [row for row in rows if _tokens(row, checkpoint)]
    size = 1 if checkpoint.pad_token is None else _BATCH
    batches = [rows[start : start + size] for start in range(0, len(rows), size)]
    return [
        Case(
            "drawn texts",
            tuple(row.text for row in batch),
            tuple(row.pair or "" for row in batch) if choices.pairs else None,
        )
        for batch in batches
    ]


def _tokens(text: Text, checkpoint: Checkpoint) -> int:
    """The number of tokens of a text, without truncation."""
    return len(checkpoint.tokenizer(text.text, text.pair, verbose=False)["input_ids"])


def _shortened(text: Text, checkpoint: Checkpoint) -> Text:
    """A text that takes at most 512 tokens; the model's own limit may cut it further.

    A limit of 512 or less is part of the version, so a longer text shows that it truncates.
    """
    if checkpoint.max_tokens is not None and checkpoint.max_tokens <= _TOKENS:
        return text
    while (tokens := _tokens(text, checkpoint)) > _TOKENS:
        first, second = (
            None if part is None else part[: len(part) * _TOKENS // tokens]
            for part in (text.text, text.pair)
        )
        text = Text(first or "", second if second != "" else ".")
    return text


class Route:
    """One way through the signatures of a version; satisfies :class:`diglot.equality.sides.Steps`.

    Attributes:
        name: the signatures that it takes.
        labels: the labels in the order of the logits.
        forms: the forms of input that it takes.
    """

    def __init__(
        self, endpoint: Endpoint, task: Task, run: str, answer: str | None, *, pairs: bool = False
    ) -> None:
        """Take a way through the signatures.

        Args:
            endpoint: the version.
            task: the head, with its labels.
            run: the signature for encodings.
            answer: the signature for texts; ``None`` if the version takes encodings only.
            pairs: whether each text has a second one.
        """
        self.name = f"{run}, {answer}" if answer else run
        self.labels = task.labels
        self.forms = frozenset({ENCODINGS, *([] if not answer else [PAIRS if pairs else TEXTS])})
        self._endpoint = endpoint
        self._task = task
        self._stages = tuple(stage.name for stage in task.head.stages)
        (self._scores,) = (stage.name for stage in task.head.stages if stage.chooses)
        self._run, self._answer = run, answer

    def encode(self, texts: Sequence[Text]) -> Encoding:
        """The encoding that the version's own tokenizer gives."""
        names = tuple(self._endpoint.signatures()["encoded"].inputs)
        return self._ask("tokenize", _columns(texts), names)

    def run(self, encoding: Encoding) -> Stages:
        """The logits and the probabilities of an encoding."""
        taken = self._endpoint.signatures()[self._run].inputs
        complete: dict[str, Array] = {**encoding, "length": encoding["attention_mask"].sum(-1)}
        inputs = {name: complete[name].astype(tensor.dtype) for name, tensor in taken.items()}
        return self._shown(self._ask(self._run, inputs, self._stages))

    def answer(self, texts: Sequence[Text]) -> Stages | None:
        """The answer of the signature for texts, with the labels that it gives."""
        if self._answer is None:
            return None
        columns = _columns(texts)
        names = (*self._task.head.columns, *self._stages)
        outputs = self._ask("serving_default", columns, names)
        if self._answer == "serving_default":
            best = outputs[self._scores].max(-1)
            if not np.array_equal(outputs["score"], best, equal_nan=True):
                raise BackendError(f"the score is {outputs['score']}, not the highest, {best}")
            return self._shown(outputs, outputs["label"])
        examples = {"inputs": _examples(columns)}
        ranked = self._ask("classify", examples, ("classes", "scores"))
        scores, classes = ranked["scores"], ranked["classes"]
        if not np.array_equal(
            classes, np.broadcast_to(self.labels, (len(texts), len(self.labels)))
        ):
            raise BackendError(f"classify names the classes {classes[:1]}, not {self.labels}")
        # Classify gives scores only; the judge also wants the logits that belong to them.
        return self._shown({**outputs, self._scores: scores}, classes[0][scores.argmax(-1)])

    def _shown(self, outputs: Mapping[str, Array], labels: Array | None = None) -> Stages:
        """The arrays that the judge compares, and the labels that the version chose itself."""
        return Stages((), {name: outputs[name] for name in self._stages}, labels)

    def _ask(
        self, signature: str, inputs: Mapping[str, Any], names: Sequence[str]
    ) -> dict[str, Array]:
        """The outputs of a signature, which must have these names, and a row for each input."""
        outputs = self._endpoint.predict(signature, inputs)
        if set(outputs) != set(names):
            raise BackendError(
                f"{signature} answers with {', '.join(sorted(outputs)) or 'nothing'}, not"
                f" {', '.join(sorted(names))}"
            )
        rows = len(next(iter(inputs.values())))
        if wrong := [name for name, value in outputs.items() if len(value) != rows]:
            raise BackendError(f"{signature} does not answer {rows} rows in {', '.join(wrong)}")
        return outputs


class _Reference:
    """The checkpoint in PyTorch, which encodes as an export does, with the padding on the right.

    Satisfies :class:`diglot.equality.reference.Reference`.
    """

    def __init__(self, source: Source) -> None:
        checkpoint = source.checkpoint
        self._reference = ModelReference(checkpoint, "torch", model=source.model)
        self._encoder = CheckpointEncoder(checkpoint)
        self._options = self._encoder.options({"padding_side": "right"})
        self.name, self.labels = self._reference.name, self._reference.labels
        self.forms, self.rounding = self._reference.forms, self._reference.rounding

    def expected(self, case: Case) -> Expected:
        """The expected stages of a case."""
        encoding = self._encoder.arrays(self._encoder.encode(case.read(), self._options))
        return self._reference.expected(Case(case.origin, encoding=encoding))


def _columns(texts: Sequence[Text]) -> dict[str, list[str]]:
    """The inputs of a signature for texts."""
    columns = {"text": [text.text for text in texts]}
    if texts[0].pair is not None:
        columns["text_pair"] = [text.pair or "" for text in texts]
    return columns


def _examples(texts: Mapping[str, Sequence[str]]) -> list[bytes]:
    """Serialized ``tf.Example`` messages, with the texts as their features."""
    import tensorflow as tf

    def feature(text: str) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))

    rows = [dict(zip(texts, row, strict=True)) for row in zip(*texts.values(), strict=True)]
    return [
        tf.train.Example(
            features=tf.train.Features(feature={name: feature(row[name]) for name in row})
        ).SerializeToString()
        for row in rows
    ]


def _report(
    texts: int, warmups: int, compared: Sequence[tuple[Route, Compared]], outputs: str
) -> Report:
    """Summarise the comparisons; ``outputs`` names the stage whose error is reported."""
    differences = [
        replace(difference, name=f"{route.name}/{difference.name}")
        for route, result in compared
        for stage in result.stages
        for difference in result.differences(stage)
    ]
    # An input that the checkpoint refuses cannot be drawn: each has tokens, and fits the model.
    refused = [
        Difference(f"{route.name}/{result.case.origin}", f"PyTorch refuses it: {result.refused}")
        for route, result in compared
        if result.refused
    ]
    errors = [
        (measurement.error, measurement.own_error)
        for _, result in compared
        for measurement in result.stages.get(outputs, ())
    ]
    error, own = np.max(errors, axis=0) if errors else (0.0, 0.0)
    flips = sum(len(result.flips) for _, result in compared)
    return Report(
        texts, warmups, (float(error), float(own)), BUDGET, (*differences, *refused), flips
    )
