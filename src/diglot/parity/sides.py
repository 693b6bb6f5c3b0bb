"""What is compared: a checkpoint in a backend, an export, a server, or what a ledger holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from diglot.inputs import Text
from diglot.parity.cases import Encoding

Stages = dict[str, NDArray[Any]]
"""What a model makes of an encoding: ``"hidden state 0"`` and so on, each ``[batch, tokens,
width]``, then ``"logits"`` and ``"probabilities"``, each ``[batch, labels]``."""

Run = Callable[[Encoding], Stages]


class Side(Protocol):
    """One reading of a checkpoint, stage by stage.

    Whatever it cannot take it refuses with a :class:`~diglot.errors.DiglotError`.
    """

    name: str
    """Such as ``"torch"``, or a folder or an address."""

    labels: tuple[str, ...]
    """In the order of the logits."""

    def encode(self, texts: Sequence[Text]) -> Encoding:
        """The first stage: texts to one batch, each array ``[batch, tokens]``."""
        ...

    def run(self, encoding: Encoding) -> Stages:
        """The other stages, as many of them as this side shows."""
        ...

    def answer(self, texts: Sequence[Text]) -> Stages | None:
        """From text to probabilities in one go, where this side has such a way of its own."""
        ...

    def ways(self) -> Mapping[str, Run]:
        """Other ways to run the same program, by name, such as ``"eager"`` and ``"XLA"``."""
        ...
