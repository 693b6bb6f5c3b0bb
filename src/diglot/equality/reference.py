"""What the tested side is held against: right answers, and how far off rounding may put them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from diglot import backends
from diglot.backends.torch import TorchBackend
from diglot.equality.cases import Case
from diglot.equality.judge import PEERS
from diglot.equality.rounding import coarsest, rounded_anew
from diglot.equality.sides import ClassifierSide, Run, Stages
from diglot.types import Encoding

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from diglot.checkpoints import Checkpoint
    from diglot.types import Precision


@dataclass(frozen=True)
class Expected:
    """What is right for one input.

    Attributes:
        encoding: the input, encoded.
        stages: the reference's.
        truth: the same in float64.
        peers: the reference's, its rounding drawn anew; each call may run the model again.
        comparable: what of the tested side's stages stands beside these.
    """

    encoding: Encoding
    stages: Stages
    truth: Stages
    peers: Callable[[], Sequence[Stages]]
    comparable: Callable[[Stages], Stages] = dict


class Reference(Protocol):
    """Where right answers come from."""

    @property
    def name(self) -> str:
        """Such as ``"torch"``."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """In the order of the logits."""
        ...

    @property
    def forms(self) -> frozenset[str]:
        """Of the inputs that it takes; see :class:`~diglot.equality.sides.Side`."""
        ...

    def expected(self, case: Case) -> Expected:
        """What is right for one input.

        Raises:
            DiglotError: it cannot be taken.
        """
        ...


class Live:
    """A backend, with the same PyTorch model in float64, and rounded anew, behind it."""

    def __init__(
        self,
        found: Checkpoint,
        backend: str,
        precision: Precision = "float32",
        device: str | None = None,
        *,
        model: PreTrainedModel | None = None,
    ) -> None:
        """Load the checkpoint as often as is needed.

        Args:
            found: the checkpoint.
            backend: whose answers are held to be right.
            precision: the dtype of the parameters.
            device: where to run the backend; float64 is always run on the CPU.
            model: the checkpoint's PyTorch model, if it is loaded already; then nothing is read
                from disk, and the float64 model is a copy of it. The backend must be PyTorch's.

        Raises:
            BackendError: the backend is unknown, not installed, or lacks the device.
            CheckpointError: the checkpoint cannot be read or used.
        """
        import torch

        loaded: Any
        load = partial(TorchBackend.load, found, device="cpu")
        if model is None:
            loaded = backends.require(backend).load(found, precision=precision, device=device)
            double = load(precision="float64")
        else:
            loaded, double = (
                TorchBackend(
                    each,
                    torch.device("cpu"),
                    outputs=found.head.outputs,
                    max_tokens=found.max_tokens,
                )
                for each in (model, copy.deepcopy(model).double())
            )
        self.side = ClassifierSide.of(found, loaded)
        self.name, self.labels, self.forms = backend, found.labels, self.side.forms
        own = loaded if isinstance(loaded, TorchBackend) else load(precision=precision)
        self._peer = ClassifierSide.of(found, own)
        self.model = own.model
        """Transformers' own, in the tested precision."""
        self.stages = _Remembered(self.side.run)
        """The backend's stages of an encoding."""
        self.truth = _Remembered(ClassifierSide.of(found, double).run)
        """The same in float64."""

    def expected(self, case: Case) -> Expected:
        """What the backend makes of an input.

        Raises:
            InputError: the tokenizer or the model refuses it.
        """
        encoding = case.encoding if case.encoding is not None else self.side.encode(case.read())
        return Expected(
            encoding, self.stages(encoding), self.truth(encoding), partial(self.anew, encoding)
        )

    @cached_property
    def rounding(self) -> float:
        """The relative size of the coarsest rounding in the model, in the tested precision."""
        ones = np.ones((1, 2), np.int64)
        encoding = {"input_ids": ones, "attention_mask": ones}
        return coarsest(lambda: self._peer.run(encoding))

    def anew(self, encoding: Encoding) -> list[Stages]:
        """The stages in the tested precision, PyTorch's rounding drawn anew each time."""
        peers = []
        for seed in range(PEERS):
            with rounded_anew(self.model, seed):
                peers.append(self._peer.run(encoding))
        return peers


class _Remembered:
    """A run that keeps its last few results: invariants ask for the same ones again and again."""

    _SIZE = 4

    def __init__(self, run: Run) -> None:
        self._run = run
        self._known: dict[object, Stages] = {}

    def __call__(self, encoding: Encoding) -> Stages:
        key = tuple((name, value.shape, value.tobytes()) for name, value in encoding.items())
        stages = self._known.pop(key, None) or self._run(encoding)
        self._known[key] = stages
        if len(self._known) > self._SIZE:
            del self._known[next(iter(self._known))]
        return stages
