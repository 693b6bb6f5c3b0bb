"""The three steps of a classification as values: to print, to store, to lay side by side."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len, set_cell_size
from rich.text import Text

from diglot.text import json_number, visible

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions

    from diglot.types import ScoreFunction

WIDTH = 80

# Of a long text, this many tokens are printed at its start and at its end.
_HEAD, _TAIL = 32, 8

Array = NDArray[Any]
Line = tuple[str, str]
"""A style of rich and the text in it."""


class Printable(ABC):
    """A value that shows itself as styled lines, in plain text and in rich."""

    @abstractmethod
    def lines(self, width: int) -> Iterator[Line]:
        """The lines with their styles, for a terminal of that many columns."""

    def __str__(self) -> str:
        return "\n".join(text for _, text in self.lines(WIDTH))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        # Text objects, not markup: "[CLS]" is a token, not a style.
        for style, text in self.lines(options.max_width):
            yield Text(text, style=style, overflow="fold")

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """The value in lists, dictionaries, numbers and texts."""

    def to_json(self, *, indent: int | None = 2) -> str:
        """The value as JSON.

        What is not finite stands as the text ``"NaN"``, ``"Infinity"`` or ``"-Infinity"``, since
        JSON has no number for it.
        """
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)


@dataclass(frozen=True, eq=False)
class Explanation(Printable):
    """What each step made of some texts, in one backend.

    Attributes:
        checkpoint: the checkpoint's name.
        backend: the backend's name.
        labels: the names, in the order of the logits.
        function: what turned the logits into probabilities.
        texts: what was handed in.
        text_pairs: the second texts; empty if there are none.
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
        """The shape of each array, by name; that of each layer under ``hidden_states``."""
        arrays = {**self.encoding, "logits": self.logits, "probabilities": self.probabilities}
        shapes: dict[str, list[Any]] = {name: list(array.shape) for name, array in arrays.items()}
        shapes["hidden_states"] = [list(layer.shape) for layer in self.hidden_states]
        return shapes

    def to_dict(self) -> dict[str, Any]:
        """All of it but the hidden states, of which the shapes are told."""
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
            rows = zip(self.labels, self.logits[index], self.probabilities[index], strict=True)
            yield "", f"   text {index}: {visible(label)}"
            yield "dim", f"     {'label':<{_column(self.labels)}}{'logit':>13}{'score':>13}"
            for name, logit, score in rows:
                cells = f"{_fixed(logit):>13}{_fixed(score):>13}"
                yield (
                    "bold green" if name == label else "",
                    f"     {_left(visible(name), _column(self.labels))}{cells}",
                )


@dataclass(frozen=True)
class Difference:
    """How far two arrays lie apart.

    Attributes:
        largest: the largest absolute difference; infinite where only one side is finite, or the
            sides are different infinities or differ in shape. Equal infinities, and two NaNs, are
            no difference.
        one_sided: in how many places that infinite difference occurs.
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
        """Both attributes, ready for JSON."""
        return {"largest": json_number(self.largest), "one_sided": self.one_sided}


@dataclass(frozen=True, eq=False)
class Comparison(Printable):
    """Two explanations of the same texts, side by side; see :func:`compare`.

    Attributes:
        a: the first explanation.
        b: the second one.
        identical: for each input of the model, whether both encodings have the same numbers.
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
        return tuple(x == y for x, y in zip(self.a.predictions, self.b.predictions, strict=True))

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
            yield _verdict(same), f"   {name}: {'identical' if same else 'DIFFERENT'}"
        yield "", ""
        yield from _model_lines(a)
        yield "", f"   largest difference of the logits: {self.logits}"
        if self.hidden_states:
            yield "", "   largest difference of the hidden states, layer by layer"
            layers = {
                "layer": list(map(str, range(len(self.hidden_states)))),
                "differs": list(map(str, self.hidden_states)),
            }
            yield from _columns(layers, width, "layers")
        yield "", ""
        yield "bold", f"3. Postprocessing: {_function(a.function)}, then the best label"
        yield "", f"   largest difference of the scores: {self.probabilities}"
        for index, same in enumerate(self.same_labels):
            labels = [a.predictions[index], b.predictions[index]]
            said = "in both" if same else f"in {a.backend}, {visible(labels[1])} in {b.backend}"
            yield _verdict(same), f"   text {index}: {visible(labels[0])} {said}"
            yield from self._rows(index)

    def _rows(self, index: int) -> Iterator[Line]:
        pad = _column(self.a.labels)
        heads = "".join(
            f"{head[:12]:>13}" for head in (self.a.backend, self.b.backend, "differ by")
        )
        for what in ("logits", "probabilities"):
            title = "logit" if what == "logits" else "score"
            yield "dim", f"     {title:<{pad}}{heads}"
            left, right = getattr(self.a, what)[index], getattr(self.b, what)[index]
            for name, x, y in zip(self.a.labels, left, right, strict=True):
                apart = Difference.between(np.asarray(x), np.asarray(y)).largest
                cells = f"{_fixed(x):>13}{_fixed(y):>13}{apart:>13.2e}"
                yield "", f"     {_left(visible(name), pad)}{cells}"


def compare(a: Explanation, b: Explanation) -> Comparison:
    """Lay two explanations of the same texts side by side.

    Raises:
        ValueError: they are of different texts, or have different labels or numbers of layers.
    """
    for what in ("texts", "text_pairs", "labels"):
        if getattr(a, what) != getattr(b, what):
            raise ValueError(
                f"the two explanations cannot be compared: their {what} differ"
                f" ({getattr(a, what)!r} and {getattr(b, what)!r})"
            )
    if len(a.hidden_states) != len(b.hidden_states):
        raise ValueError(
            f"the two explanations cannot be compared: {a.backend} gives {len(a.hidden_states)}"
            f" layers, and {b.backend} {len(b.hidden_states)}"
        )
    names = dict.fromkeys([*a.encoding, *b.encoding])
    nothing = np.empty(0)
    return Comparison(
        a,
        b,
        identical={
            name: np.array_equal(a.encoding.get(name, nothing), b.encoding.get(name, nothing))
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
        yield "cyan", f"   text {index}: {_quoted(text, width - 35)}"
        if explanation.text_pairs:
            yield "cyan", f"     with: {_quoted(explanation.text_pairs[index], width - 35)}"
        yield from _columns(
            {
                "tokens": [visible(token) for token in explanation.tokens[index]],
                **{
                    _SHORT.get(name, name): [str(number) for number in array[index].tolist()]
                    for name, array in explanation.encoding.items()
                },
            },
            width,
        )


_SHORT = {"input_ids": "ids", "attention_mask": "mask", "token_type_ids": "types"}


def _model_lines(explanation: Explanation) -> Iterator[Line]:
    yield "bold", "2. Model: encoding to logits"
    shapes = [list(layer.shape) for layer in explanation.hidden_states]
    if shapes and all(shape == shapes[0] for shape in shapes):
        yield "", f"   hidden states {len(shapes)} of {shapes[0]}, the embeddings first"
    else:
        yield "", f"   hidden states {', '.join(map(str, shapes)) or 'none'}"
    yield "", f"   logits {list(explanation.logits.shape)}"


def _columns(rows: Mapping[str, Sequence[str]], width: int, unit: str = "tokens") -> Iterator[Line]:
    """Rows of like length under each other, cut into blocks that fit the width."""
    count = len(next(iter(rows.values())))
    shown = list(range(count))
    if count > _HEAD + _TAIL:
        shown = [*range(_HEAD), *range(count - _TAIL, count)]
    head = max(map(len, rows)) + 5
    block: list[int] = []
    taken = head
    sizes = [max(cell_len(row[index]) for row in rows.values()) + 1 for index in range(count)]
    for place, index in enumerate(shown):
        elided = place == _HEAD and len(shown) < count
        if block and (elided or taken + sizes[index] > width):
            yield from _block(rows, block, sizes, head)
            block, taken = [], head
        if elided:
            yield "dim", f"{'':{head}}… {count - len(shown)} {unit} are not shown …"
        block.append(index)
        taken += sizes[index]
    yield from _block(rows, block, sizes, head)


def _block(
    rows: Mapping[str, Sequence[str]], block: Sequence[int], sizes: Sequence[int], head: int
) -> Iterator[Line]:
    for name, row in rows.items():
        cells = "".join(" " * (sizes[i] - cell_len(row[i])) + row[i] for i in block)
        yield "", f"     {name:<{head - 5}}{cells}"


def _column(labels: Sequence[str]) -> int:
    return max(8, *(cell_len(visible(label)) + 1 for label in labels))


def _left(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))


def _quoted(text: str, room: int) -> str:
    quoted = repr(text)
    if cell_len(quoted) <= room:
        return quoted
    return f"{set_cell_size(quoted, room).rstrip()}… ({len(text)} characters)"


def _function(function: ScoreFunction) -> str:
    return "the logits as they are" if function == "none" else function


def _fixed(value: Any) -> str:
    return f"{float(value):.6g}" if abs(float(value)) >= 1e6 else f"{float(value):.6f}"


def _verdict(same: bool) -> str:
    return "green" if same else "bold red"


def _jsonable(values: Array) -> list[float | str]:
    return [json_number(float(value)) for value in values]
