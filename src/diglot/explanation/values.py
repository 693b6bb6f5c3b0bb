"""The steps of a classification in one backend, and the differences between two backends."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from diglot.explanation import drawing
from diglot.explanation.drawing import Line, Printable
from diglot.text import json_number, visible

if TYPE_CHECKING:
    from diglot.types import ScoreFunction

Array = NDArray[Any]

_SHORT_NAMES = {"input_ids": "ids", "attention_mask": "mask", "token_type_ids": "types"}


@dataclass(frozen=True, eq=False)
class Explanation(Printable):
    """The results of each step for some texts, in one backend.

    Attributes:
        checkpoint: the checkpoint's name.
        backend: the backend's name.
        labels: the labels, in the order of the logits.
        function: the function that turned the logits into probabilities.
        texts: the texts.
        text_pairs: the second text of each pair; empty if there are none.
        tokens: the tokens of each text, padding included.
        encoding: the model's inputs by name, each ``[batch, tokens]``.
        hidden_states: one array per layer, the embeddings first, ``[batch, tokens, width]``.
        logits: ``[batch, labels]``.
        probabilities: ``[batch, labels]``.
    """

    checkpoint: str
    backend: str
    labels: tuple[str, ...]
    function: ScoreFunction
    texts: tuple[str, ...]
    text_pairs: tuple[str, ...]
    tokens: tuple[tuple[str, ...], ...]
    encoding: Mapping[str, Array]
    hidden_states: tuple[Array, ...] = field(repr=False)
    logits: Array
    probabilities: Array

    @property
    def predictions(self) -> tuple[str, ...]:
        """The best label of each text."""
        return tuple(self.labels[best] for best in self.probabilities.argmax(axis=-1))

    @property
    def shapes(self) -> dict[str, list[Any]]:
        """The shape of each array by name, and a list of the shapes of the ``hidden_states``."""
        arrays = {**self.encoding, "logits": self.logits, "probabilities": self.probabilities}
        shapes: dict[str, list[Any]] = {name: list(array.shape) for name, array in arrays.items()}
        shapes["hidden_states"] = [list(layer.shape) for layer in self.hidden_states]
        return shapes

    def to_dict(self) -> dict[str, Any]:
        """Everything but the numbers of the hidden states, of which it has the shapes."""
        return {
            "checkpoint": self.checkpoint,
            "backend": self.backend,
            "labels": list(self.labels),
            "function": self.function,
            "shapes": self.shapes,
            "texts": [self._text(index) for index in range(len(self.texts))],
        }

    def _text(self, index: int) -> dict[str, Any]:
        best = int(self.probabilities[index].argmax())
        return {
            "text": self.texts[index],
            "text_pair": self.text_pairs[index] if self.text_pairs else None,
            "tokens": list(self.tokens[index]),
            **{name: array[index].tolist() for name, array in self.encoding.items()},
            "logits": _jsonable(self.logits[index]),
            "probabilities": _jsonable(self.probabilities[index]),
            "label": self.labels[best],
            "score": json_number(float(self.probabilities[index][best])),
        }

    def lines(self, width: int) -> Iterator[Line]:
        """The three steps, one after the other."""
        yield "bold", f"{self.checkpoint} in {self.backend}"
        yield "", ""
        yield from _encoding_lines(self, width)
        yield "", ""
        yield from _model_lines(self)
        yield "", ""
        yield "bold", f"3. Postprocessing: {_function(self.function)}, then the best label"
        for index, label in enumerate(self.predictions):
            scores = zip(self.labels, self.logits[index], self.probabilities[index], strict=True)
            yield "", f"   text {index}: {visible(label)}"
            rows = [
                (name, [drawing.fixed(logit), drawing.fixed(score)])
                for name, logit, score in scores
            ]
            yield from drawing.label_rows("label", ("logit", "score"), rows, best=label)


@dataclass(frozen=True)
class Difference:
    """The distance between two arrays.

    Attributes:
        largest: the largest absolute difference, in the unit of the arrays. It is infinite if only
            one number is finite, if the numbers are different infinities, or if the shapes differ.
            Equal infinities, and two NaNs, do not differ.
        one_sided: the number of places with an infinite difference.
    """

    largest: float
    one_sided: int = 0

    @classmethod
    def between(cls, a: Array, b: Array) -> Difference:
        """Compare two arrays element by element."""
        if a.shape != b.shape:
            return cls(math.inf, max(a.size, b.size))
        finite = np.isfinite(a) & np.isfinite(b)
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        one_sided = int(np.count_nonzero(~finite & ~same))
        if one_sided:
            return cls(math.inf, one_sided)
        distances = np.abs(np.subtract(a, b, where=finite, out=np.zeros(a.shape)))
        return cls(float(distances.max(initial=0.0)))

    def __str__(self) -> str:
        note = f" ({self.one_sided} not comparable)" if self.one_sided else ""
        return f"{self.largest:.2e}{note}"

    def to_dict(self) -> dict[str, Any]:
        """Both attributes, in values that JSON takes."""
        return {"largest": json_number(self.largest), "one_sided": self.one_sided}


@dataclass(frozen=True, eq=False)
class Comparison(Printable):
    """Two explanations of the same texts, side by side; see :func:`compare`.

    Attributes:
        a: the first explanation.
        b: the second explanation.
        identical: by input of the model, whether both encodings have the same numbers.
        hidden_states: the difference of each layer, the embeddings first.
        logits: the difference of the logits.
        probabilities: the difference of the probabilities.
    """

    a: Explanation
    b: Explanation
    identical: Mapping[str, bool]
    hidden_states: tuple[Difference, ...]
    logits: Difference
    probabilities: Difference

    @property
    def same_labels(self) -> tuple[bool, ...]:
        """For each text, whether both have the same best label."""
        pairs = zip(self.a.predictions, self.b.predictions, strict=True)
        return tuple(first == second for first, second in pairs)

    def to_dict(self) -> dict[str, Any]:
        """Both explanations and the differences."""
        return {
            "explanations": [self.a.to_dict(), self.b.to_dict()],
            "differences": {
                "identical": dict(self.identical),
                "hidden_states": [layer.to_dict() for layer in self.hidden_states],
                "logits": self.logits.to_dict(),
                "probabilities": self.probabilities.to_dict(),
                "same_labels": list(self.same_labels),
            },
        }

    def lines(self, width: int) -> Iterator[Line]:
        """The three steps of both, with the differences."""
        a, b = self.a, self.b
        yield "bold", f"{a.checkpoint} in {a.backend} and {b.checkpoint} in {b.backend}"
        yield "", ""
        yield from _encoding_lines(a, width)
        for name, same in self.identical.items():
            yield drawing.verdict(same), f"   {name}: {'identical' if same else 'DIFFERENT'}"
        yield "", ""
        yield from _model_lines(a)
        yield "", f"   largest difference of the logits: {self.logits}"
        if self.hidden_states:
            yield "", "   largest difference of the hidden states, layer by layer"
            layers = {
                "layer": list(map(str, range(len(self.hidden_states)))),
                "differs": list(map(str, self.hidden_states)),
            }
            yield from drawing.columns(layers, width, "layers")
        yield "", ""
        yield "bold", f"3. Postprocessing: {_function(a.function)}, then the best label"
        yield "", f"   largest difference of the scores: {self.probabilities}"
        for index, same in enumerate(self.same_labels):
            first, second = visible(a.predictions[index]), visible(b.predictions[index])
            labels = "in both" if same else f"in {a.backend}, {second} in {b.backend}"
            yield drawing.verdict(same), f"   text {index}: {first} {labels}"
            yield from self._label_lines("logit", a.logits[index], b.logits[index])
            yield from self._label_lines("score", a.probabilities[index], b.probabilities[index])

    def _label_lines(self, title: str, first: Array, second: Array) -> Iterator[Line]:
        """The numbers of both sides for each label, and their difference."""
        rows = []
        for label, number, other in zip(self.a.labels, first, second, strict=True):
            distance = Difference.between(np.asarray(number), np.asarray(other)).largest
            cells = [drawing.fixed(number), drawing.fixed(other), f"{distance:.2e}"]
            rows.append((label, cells))
        return drawing.label_rows(title, (self.a.backend, self.b.backend, "differ by"), rows)


def compare(a: Explanation, b: Explanation) -> Comparison:
    """Compare two explanations of the same texts.

    Raises:
        ValueError: their texts, labels or numbers of layers differ.
    """
    for name in ("texts", "text_pairs", "labels"):
        if getattr(a, name) != getattr(b, name):
            raise ValueError(
                f"the two explanations cannot be compared: their {name} differ"
                f" ({getattr(a, name)!r} and {getattr(b, name)!r}); explain the same texts with the"
                " same checkpoint"
            )
    if len(a.hidden_states) != len(b.hidden_states):
        raise ValueError(
            f"the two explanations cannot be compared: {a.backend} returns"
            f" {len(a.hidden_states)} layers, and {b.backend} {len(b.hidden_states)}; explain the"
            " same texts with the same checkpoint"
        )
    names = dict.fromkeys([*a.encoding, *b.encoding])
    missing = np.empty(0)
    return Comparison(
        a,
        b,
        identical={
            name: np.array_equal(a.encoding.get(name, missing), b.encoding.get(name, missing))
            for name in names
        },
        hidden_states=tuple(map(Difference.between, a.hidden_states, b.hidden_states)),
        logits=Difference.between(a.logits, b.logits),
        probabilities=Difference.between(a.probabilities, b.probabilities),
    )


def _encoding_lines(explanation: Explanation, width: int) -> Iterator[Line]:
    yield "bold", "1. Preprocessing: text to encoding"
    for name, array in explanation.encoding.items():
        yield "", f"   {name} {list(array.shape)}"
    for index, text in enumerate(explanation.texts):
        yield "cyan", f"   text {index}: {drawing.quoted(text, width - 35)}"
        if explanation.text_pairs:
            yield "cyan", f"     with: {drawing.quoted(explanation.text_pairs[index], width - 35)}"
        yield from drawing.columns(
            {
                "tokens": [visible(token) for token in explanation.tokens[index]],
                **{
                    _SHORT_NAMES.get(name, name): [str(number) for number in array[index].tolist()]
                    for name, array in explanation.encoding.items()
                },
            },
            width,
        )


def _model_lines(explanation: Explanation) -> Iterator[Line]:
    yield "bold", "2. Model: encoding to logits"
    shapes = [list(layer.shape) for layer in explanation.hidden_states]
    if shapes and all(shape == shapes[0] for shape in shapes):
        yield "", f"   hidden states {len(shapes)} of {shapes[0]}, the embeddings first"
    else:
        yield "", f"   hidden states {', '.join(map(str, shapes)) or 'none'}"
    yield "", f"   logits {list(explanation.logits.shape)}"


def _function(function: ScoreFunction) -> str:
    return "the logits as they are" if function == "none" else function


def _jsonable(values: Array) -> list[float | str]:
    return [json_number(float(value)) for value in values]
