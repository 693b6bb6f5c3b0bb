"""What the tested side is held against: right answers, and how far off rounding may put them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from diglot import backends
from diglot.backends.torch import TorchBackend
from diglot.parity.cases import Case, Encoding
from diglot.parity.judging import PEERS
from diglot.parity.rounding import rounded_anew
from diglot.parity.sides import ModelSide, Stages

if TYPE_CHECKING:
    from diglot.backends import Precision
    from diglot.checkpoint import Checkpoint


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
    """Where right answers come from.

    Attributes:
        name: such as ``"torch"``.
        labels: in the order of the logits.
        forms: of the inputs that it takes.
    """

    name: str
    labels: tuple[str, ...]
    forms: frozenset[str]

    def expected(self, case: Case) -> Expected:
        """What is right for one input.

        Raises:
            DiglotError: it cannot be taken.
        """
        ...


class Live:
    """A backend, with the same PyTorch model in float64, and rounded anew, behind it."""

    def __init__(
        self, found: Checkpoint, backend: str, precision: Precision, device: str | None = None
    ) -> None:
        """Load the checkpoint as often as is needed.

        Args:
            found: the checkpoint.
            backend: whose answers are held to be right.
            precision: the dtype of the parameters.
            device: where to run the backend; float64 is always run on the CPU.

        Raises:
            BackendError: the backend is unknown, not installed, or lacks the device.
            CheckpointError: the checkpoint cannot be read or used.
        """
        load = partial(TorchBackend.load, found, device="cpu")
        loaded: Any = backends.require(backend).load(found, precision=precision, device=device)
        self.side = ModelSide(found, loaded)
        self.name, self.labels, self.forms = backend, found.labels, self.side.forms
        own = loaded if isinstance(loaded, TorchBackend) else load(precision=precision)
        self._peer = ModelSide(found, own)
        self._model = own.model
        self._true = ModelSide(found, load(precision="float64"))

    def expected(self, case: Case) -> Expected:
        """What the backend makes of an input.

        Raises:
            InputError: the tokenizer or the model refuses it.
        """
        encoding = case.encoding if case.encoding is not None else self.side.encode(case.read())
        return Expected(
            encoding, self.side.run(encoding), self.truth(encoding), partial(self.anew, encoding)
        )

    def truth(self, encoding: Encoding) -> Stages:
        """The stages in float64."""
        return self._true.run(encoding)

    def anew(self, encoding: Encoding) -> list[Stages]:
        """The stages in the tested precision, PyTorch's rounding drawn anew each time."""
        peers = []
        for seed in range(PEERS):
            with rounded_anew(self._model, seed):
                peers.append(self._peer.run(encoding))
        return peers
