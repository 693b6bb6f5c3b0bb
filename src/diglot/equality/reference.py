"""The reference of a comparison: its results, and the error that rounding explains."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from diglot import backends
from diglot.backends.torch import TorchBackend
from diglot.equality.judge import PEERS
from diglot.equality.rounding import coarsest, rounded_anew
from diglot.equality.sides import ClassifierSide, Run

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from diglot.checkpoints import Checkpoint
    from diglot.equality.cases import Case
    from diglot.equality.stages import Stages
    from diglot.types import Encoding, Precision


def _unchanged(stages: Stages) -> Stages:
    return stages


@dataclass(frozen=True)
class Expected:
    """The reference's results for one input.

    Attributes:
        encoding: the encoded input.
        stages: the arrays in the tested precision.
        truth: the arrays in float64.
        peers: gives arrays with other roundings; each call may run the model again.
        comparable: brings the tested side's arrays into the form of these.
    """

    encoding: Encoding
    stages: Stages
    truth: Stages
    peers: Callable[[], Sequence[Stages]]
    comparable: Callable[[Stages], Stages] = _unchanged


class Reference(Protocol):
    """The source of expected results."""

    @property
    def name(self) -> str:
        """The name, such as ``"torch"``."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of the head's outputs."""
        ...

    @property
    def forms(self) -> frozenset[str]:
        """The forms of input; see :class:`~diglot.equality.sides.Side`."""
        ...

    def expected(self, case: Case) -> Expected:
        """The expected results for one input.

        Raises:
            DiglotError: the reference does not take the input.
        """
        ...


class ModelReference:
    """A backend as the reference, with PyTorch in float64 and with other roundings behind it.

    Attributes:
        side: the backend's side.
        model: transformers' PyTorch model in the tested precision.
        stages: the backend's arrays for an encoding.
        truth: PyTorch's arrays for an encoding in float64.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        backend: str,
        precision: Precision = "float32",
        device: str | None = None,
        *,
        model: PreTrainedModel | None = None,
    ) -> None:
        """Load the checkpoint in the backend, in PyTorch, and in PyTorch in float64.

        Args:
            checkpoint: the checkpoint.
            backend: the backend whose results are the reference.
            precision: the dtype of the parameters.
            device: the device of the backend; PyTorch in float64 always runs on the CPU.
            model: the checkpoint's PyTorch model on the CPU, if it is loaded already. Then the
                backend must be PyTorch's, nothing is read from disk, and the float64 model is a
                copy of this model.

        Raises:
            BackendError: the backend is unknown, not installed, or lacks the device.
            CheckpointError: the checkpoint cannot be read or used.
        """
        load = partial(TorchBackend.load, checkpoint, device="cpu")
        if model is None:
            loaded: Any = backends.require(backend).load(
                checkpoint, precision=precision, device=device
            )
            double = load(precision="float64")
        else:
            loaded = _backend(checkpoint, model)
            double = _backend(checkpoint, copy.deepcopy(model).double())
        self.side = ClassifierSide.of(checkpoint, loaded)
        self.name, self.labels, self.forms = backend, checkpoint.labels, self.side.forms
        torch = loaded if isinstance(loaded, TorchBackend) else load(precision=precision)
        self._torch_side = ClassifierSide.of(checkpoint, torch)
        self.model = torch.model
        self.stages = _Remembered(self.side.run)
        self.truth = _Remembered(ClassifierSide.of(checkpoint, double).run)

    def expected(self, case: Case) -> Expected:
        """The backend's results for an input.

        Raises:
            InputError: the tokenizer or the model does not take the input.
        """
        encoding = case.encoding if case.encoding is not None else self.side.encode(case.read())
        return Expected(
            encoding, self.stages(encoding), self.truth(encoding), partial(self.peers, encoding)
        )

    @cached_property
    def rounding(self) -> float:
        """The relative size of the coarsest rounding in the model, in the tested precision."""
        ones = np.ones((1, 2), np.int64)
        encoding = {"input_ids": ones, "attention_mask": ones}
        return coarsest(lambda: self._torch_side.run(encoding))

    def peers(self, encoding: Encoding) -> list[Stages]:
        """PyTorch's arrays in the tested precision, each time with other roundings."""
        peers = []
        for seed in range(PEERS):
            with rounded_anew(self.model, seed):
                peers.append(self._torch_side.run(encoding))
        return peers

    def close(self) -> None:
        """Close the backend."""
        self.side.close()


def _backend(checkpoint: Checkpoint, model: PreTrainedModel) -> TorchBackend:
    import torch

    return TorchBackend(
        model,
        torch.device("cpu"),
        outputs=checkpoint.head.outputs,
        max_tokens=checkpoint.max_tokens,
    )


class _Remembered:
    """A run that remembers its last few results, which the invariants need repeatedly."""

    _SIZE = 8

    def __init__(self, run: Run) -> None:
        self._run = run
        self._results: dict[object, Stages] = {}

    def __call__(self, encoding: Encoding) -> Stages:
        key = tuple((name, values.shape, values.tobytes()) for name, values in encoding.items())
        stages = self._results.pop(key, None) or self._run(encoding)
        self._results[key] = stages
        if len(self._results) > self._SIZE:
            del self._results[next(iter(self._results))]
        return stages
