"""What a trace found, as a value: read it, print it, or make a chart of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from diglot.parity.result import plain

# The block that a module belongs to: all up to its number, as in ``bert.encoder.layer.3``; without
# a number, the first two names.
_BLOCK = re.compile(r".*?\.\d+(?=\.|$)|[^.]+(\.[^.]+)?")

# How many operators are printed before and behind the one that is named.
_AROUND = 3


@dataclass(frozen=True)
class Step:
    """One operator or weight of the recorded model, on both sides.

    Errors are the largest of all elements, in the result's own unit, against float64.

    Attributes:
        node: its name in the recorded graph.
        module: Hugging Face's name of the module that calls it, or the weight's own name; empty
            for the model itself.
        operator: such as ``"aten.linear.default"``; of a weight ``"parameter"``, ``"buffer"`` or
            ``"constant"``.
        dtype: of the result.
        shape: of the result.
        scale: the largest finite magnitude in the result.
        expected: the reference's error, with all that it inherits from the operators before.
        actual: the tested side's, likewise; infinite where it has no such result.
        growth: how much larger ``actual`` is than in the worst of its inputs, both as a share of
            the scale.
        expected_here: the error that the reference's operator itself makes: both sides have the
            same inputs.
        actual_here: the error that the tested side's operator itself makes.
        limit: what is allowed of ``actual_here``; 0 where both must be identical.
        ratio: ``actual_here`` as a share of the limit; above 1 where the sides part.
        reason: why the difference that is born here is not rounding; empty where none is.
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
        """The part of the model that it belongs to, such as ``bert.encoder.layer.3``."""
        found = _BLOCK.match(self.module)
        return found[0] if found else "(the model itself)"

    def __str__(self) -> str:
        return f"{self.module or 'the model itself'}: {self.operator} ({self.node})"

    @property
    def rounds(self) -> bool:
        """Whether it computes, and so has rounding; a weight does not."""
        return "." in self.operator and self.dtype.startswith(("float", "bfloat"))


@dataclass(frozen=True)
class Layer:
    """A block of the model, and the errors at its end.

    Attributes:
        name: such as ``bert.encoder.layer.3``.
        expected: the reference's error, against float64.
        actual: the tested side's.
        scale: the largest magnitude in what the block gives.
        ratio: the largest of its operators', as a share of what each was allowed.
    """

    name: str
    expected: float
    actual: float
    scale: float
    ratio: float


@dataclass(frozen=True)
class Trace:
    """Two readings of one model, followed through all operators on the same input.

    Attributes:
        checkpoint: what was traced.
        reference: the side that is held to be right, such as ``"PyTorch in float32"``.
        against: the side that is tested, such as ``"TensorFlow in float32"``.
        shapes: of the inputs, by name.
        steps: in the order in which the model runs them, the weights first.
        elsewhere: differences that are born in no operator: a side gives something else as a whole
            than its operators one by one.
    """

    checkpoint: str
    reference: str
    against: str
    shapes: Mapping[str, tuple[int, ...]]
    steps: tuple[Step, ...]
    elsewhere: tuple[str, ...] = ()

    @property
    def born(self) -> Step | None:
        """The first operator or weight at which the sides part by more than rounding."""
        return next((step for step in self.steps if step.reason), None)

    @property
    def equal(self) -> bool:
        """Whether nothing parts."""
        return self.born is None and not self.elsewhere

    @property
    def grown(self) -> Step | None:
        """The operator in which the tested side's error grows most, as a share of the scale.

        One that makes no error by itself, as a slice, has only another scale.
        """
        some = (step for step in self.steps if step.rounds and step.actual_here)
        return max(some, key=lambda step: step.growth, default=None)

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
                some[-1].expected,
                some[-1].actual,
                some[-1].scale,
                max(step.ratio for step in some),
            )
            for name, some in blocks.items()
        )

    def facts(self) -> dict[str, Any]:
        """All of it as JSON has it; a number that is not finite becomes a text."""
        derived = {"equal": self.equal, "born": self.born, "layers": self.layers}
        return {**plain(derived), **plain(self)}

    def __str__(self) -> str:
        return self.text()

    def text(self, *, every: bool = False) -> str:
        """The verdict, what surrounds it, and the errors block by block.

        Args:
            every: whether to print each operator in place of the blocks.
        """
        blocks = [(one.name, one.scale, one.expected, one.actual) for one in self.layers]
        table = _rows(self.steps) if every else _columns(("block", *_ERRORS), blocks)
        return "\n".join([*self._verdict(), "", *table])

    def _verdict(self) -> Iterator[str]:
        verdict = "no operator parts" if self.equal else "DIFFERENT"
        inputs = ", ".join(f"{name} {list(shape)}" for name, shape in self.shapes.items())
        yield f"{self.against} against {self.reference}, {self.checkpoint}: {verdict}"
        yield f"  {len(self.steps)} weights and operators; {inputs}"
        if (grown := self.grown) is not None:
            yield f"  the error grows most in {grown}: by {grown.growth:.1e} of the scale"
        yield from (f"  {one}" for one in self.elsewhere)
        if (born := self.born) is None:
            return
        yield f"  born in {born}, {born.dtype} {list(born.shape)}"
        yield f"    {born.reason}"
        if others := sum(bool(step.reason) for step in self.steps) - 1:
            yield f"  {others} more part on the same inputs"
        yield ""
        place = self.steps.index(born)
        yield from _rows(self.steps[max(place - _AROUND, 0) : place + _AROUND + 1])


_ERRORS = ("scale", "reference", "tested")


def _rows(steps: Iterable[Step]) -> Iterator[str]:
    """A line for each step; an arrow marks those that part."""
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
    """Cells under their heads, the first to the left and the numbers to the right."""
    cells = [heads, *((first, *map(_short, rest)) for first, *rest in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for first, *rest in cells:
        numbers = (f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True))
        yield "  ".join([f"  {first:<{widths[0]}}", *numbers])


def _short(value: float) -> str:
    return f"{value:.1e}" if value else "0"
