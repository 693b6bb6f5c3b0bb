"""The result of a trace: its steps, its blocks, and the text of the report."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from diglot.parity.result import plain

# The block of a module: the name up to its number, as in ``bert.encoder.layer.3``; the first two
# names if there is no number.
_BLOCK = re.compile(r".*?\.\d+(?=\.|$)|[^.]+(\.[^.]+)?")

# The number of operators printed before and after the first divergent one.
_CONTEXT = 3


@dataclass(frozen=True)
class Step:
    """One operator or weight of the captured model, on both sides.

    Each error is the largest absolute difference from float64 over all elements, in the unit of the
    result.

    Attributes:
        node: its name in the captured graph.
        module: the Hugging Face name of the module that calls it, or of the weight; empty for the
            model itself.
        operator: such as ``"aten.linear.default"``; for a weight ``"parameter"``, ``"buffer"`` or
            ``"constant"``.
        dtype: the dtype of the result.
        shape: the shape of the result.
        scale: the largest finite magnitude in the result.
        expected: the reference's error, including the errors of the operators before.
        actual: the tested side's error, including those before; infinite without a result.
        growth: the relative error of the tested side here (``actual / scale``), minus that of its
            worst input.
        expected_here: the error of the reference's operator alone, on inputs that both sides share.
        actual_here: the error of the tested side's operator alone.
        limit: the largest ``actual_here`` that is allowed; 0 if both must be identical.
        ratio: ``actual_here / limit``; above 1 if the sides diverge.
        reason: the reason that the operator diverges by more than rounding; empty if it does not.
    """

    node: str
    module: str
    operator: str
    dtype: str
    shape: tuple[int, ...]
    scale: float
    expected: float
    actual: float
    growth: float
    expected_here: float
    actual_here: float
    limit: float
    ratio: float
    reason: str = ""

    @property
    def block(self) -> str:
        """The block of the model that it belongs to, such as ``bert.encoder.layer.3``."""
        match = _BLOCK.match(self.module)
        return match[0] if match else "(the model itself)"

    def __str__(self) -> str:
        return f"{self.module or 'the model itself'}: {self.operator} ({self.node})"

    @property
    def rounds(self) -> bool:
        """Whether it computes floating-point numbers, which are rounded; a weight is not."""
        return "." in self.operator and self.dtype.startswith(("float", "bfloat"))


@dataclass(frozen=True)
class Layer:
    """A block of the model, and the errors at its end.

    Attributes:
        name: such as ``bert.encoder.layer.3``.
        expected: the reference's largest absolute difference from float64.
        actual: the tested side's.
        scale: the largest magnitude in the block's result.
        ratio: the largest ratio of error to limit among its operators.
    """

    name: str
    expected: float
    actual: float
    scale: float
    ratio: float


@dataclass(frozen=True)
class Trace:
    """Two versions of one model, compared operator by operator on the same input.

    Attributes:
        checkpoint: the name of the checkpoint.
        reference: the reference side, such as ``"PyTorch in float32"``.
        against: the tested side, such as ``"TensorFlow in float32"``.
        shapes: the shape of each input, by name.
        steps: the weights, then the operators in the order in which the model runs them.
        elsewhere: differences outside of the operators: a model as a whole gives another result
            than its operators one by one.
    """

    checkpoint: str
    reference: str
    against: str
    shapes: Mapping[str, tuple[int, ...]]
    steps: tuple[Step, ...]
    elsewhere: tuple[str, ...] = ()

    @property
    def first_divergent(self) -> Step | None:
        """The first operator or weight at which the sides diverge by more than rounding."""
        return next((step for step in self.steps if step.reason), None)

    @property
    def equal(self) -> bool:
        """Whether nothing diverges."""
        return self.first_divergent is None and not self.elsewhere

    @property
    def grown(self) -> Step | None:
        """The operator in which the relative error of the tested side grows most.

        An operator without an error of its own, such as a slice, does not count: there only the
        scale changes.
        """
        steps = (step for step in self.steps if step.rounds and step.actual_here)
        return max(steps, key=lambda step: step.growth, default=None)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The errors block by block, in order."""
        blocks: dict[str, list[Step]] = {}
        for step in self.steps:
            if step.rounds:
                blocks.setdefault(step.block, []).append(step)
        return tuple(
            Layer(
                name,
                steps[-1].expected,
                steps[-1].actual,
                steps[-1].scale,
                max(step.ratio for step in steps),
            )
            for name, steps in blocks.items()
        )

    def facts(self) -> dict[str, Any]:
        """The trace as JSON values; a number that is not finite becomes a string."""
        derived = {
            "equal": self.equal,
            "first_divergent": self.first_divergent,
            "layers": self.layers,
        }
        return {**plain(derived), **plain(self)}

    def __str__(self) -> str:
        return self.text()

    def text(self, *, every: bool = False) -> str:
        """The verdict, the steps around the first divergent one, and the errors per block.

        Args:
            every: whether to print each operator instead of the blocks.
        """
        blocks = [(layer.name, layer.scale, layer.expected, layer.actual) for layer in self.layers]
        table = _rows(self.steps) if every else _columns(("block", *_ERRORS), blocks)
        return "\n".join([*self._verdict(), "", *table])

    def _verdict(self) -> Iterator[str]:
        verdict = "no operator diverges" if self.equal else "DIFFERENT"
        inputs = ", ".join(f"{name} {list(shape)}" for name, shape in self.shapes.items())
        yield f"{self.against} against {self.reference}, {self.checkpoint}: {verdict}"
        yield f"  {len(self.steps)} weights and operators; {inputs}"
        if (grown := self.grown) is not None:
            yield f"  the error grows most in {grown}: by {grown.growth:.1e} of the scale"
        yield from (f"  {difference}" for difference in self.elsewhere)
        if (first := self.first_divergent) is None:
            return
        yield f"  the first to diverge is {first}, {first.dtype} {list(first.shape)}"
        yield f"    {first.reason}"
        if others := sum(bool(step.reason) for step in self.steps) - 1:
            yield f"  on the same inputs as the reference, {others} more diverge"
        yield ""
        place = self.steps.index(first)
        yield from _rows(self.steps[max(place - _CONTEXT, 0) : place + _CONTEXT + 1])


_ERRORS = ("scale", "reference", "tested")


def _rows(steps: Iterable[Step]) -> Iterator[str]:
    """A line per step; an arrow marks the divergent ones."""
    return _columns(
        ("operator", *_ERRORS, "reference here", "tested here", "limit"),
        [
            (
                f"{'>' if step.reason else ' '} {step}",
                step.scale,
                step.expected,
                step.actual,
                step.expected_here,
                step.actual_here,
                step.limit,
            )
            for step in steps
        ],
    )


def _columns(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """A table; the first column is aligned left, the numbers right."""
    cells = [heads, *((first, *map(_short, rest)) for first, *rest in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for first, *rest in cells:
        numbers = (f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True))
        yield "  ".join([f"  {first:<{widths[0]}}", *numbers])


def _short(value: float) -> str:
    return f"{value:.1e}" if value else "0"
