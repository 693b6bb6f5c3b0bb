"""The base classes of a model that answers, and of a backend that loads one from a checkpoint.

NumPy arrays are the only currency between a model and the rest of diglot, so a caller need not know
the framework. Everything that differs between backends is an attribute or a method here: no
other code compares a backend's name.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from diglot.checkpoints import Checkpoint
    from diglot.types import Encoding, Outputs, Precision, ScoreFunction

Run = Callable[..., "Outputs"]
"""Another way to run a model; it is called as :meth:`Model.run`."""


class Model(ABC):
    """A model that is ready to answer.

    A subclass sets ``name`` and implements :meth:`run`; all else has a default.
    """

    name: str
    """The name of what runs the model, such as ``"torch"``."""

    thread_safe: ClassVar[bool] = False
    """Whether several threads may call :meth:`run` of one model at once."""

    shows_hidden_states: bool = True
    """Whether :meth:`run` can return hidden states; a model that cannot returns none."""

    @abstractmethod
    def run(
        self,
        encoding: Encoding,
        *,
        function: ScoreFunction | None = None,
        hidden_states: bool = False,
    ) -> Outputs:
        """Run the model, and the score function after it, in one crossing to the framework.

        Args:
            encoding: the model's inputs by name (``input_ids``, ``attention_mask`` and, where the
                architecture takes them, ``token_type_ids``), each ``[batch, tokens]``.
            function: the function that turns outputs into scores; no scores unless given.
            hidden_states: whether to return them as well.

        Raises:
            InputError: the model cannot take this encoding.
            BackendError: the framework failed.
        """

    def other_runs(self) -> Mapping[str, Run]:
        """Other ways to run the same model, which must give the same answers, by name."""
        return {}

    def traceable(self) -> Any:
        """The model whose operators a trace can run one by one; ``None`` where there is none."""
        return None

    def close(self) -> None:  # noqa: B027 - most models hold nothing that needs it
        """Release what the model holds; it cannot be used afterwards."""


class Backend(Model):
    """A checkpoint, loaded in one framework.

    A subclass sets ``name`` and ``requires``, and implements :meth:`load` and :meth:`run`.
    """

    requires: ClassVar[tuple[str, ...]]
    """The modules that must be importable; without one of them the backend is not installed."""

    extra: ClassVar[str] = ""
    """The extra of diglot that installs what is required; the backend's name where empty."""

    noisy: ClassVar[tuple[str, ...]] = ()
    """Modules that print to the terminal while they are imported."""

    tensors: ClassVar[str] = "np"
    """The framework's tensors, as ``return_tensors`` of a tokenizer names them."""

    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    """The names of the devices that :meth:`load` may take; an ``N`` stands for any number."""

    @classmethod
    def has_device(cls, name: str) -> bool:
        """Whether :attr:`devices` has a form of that name; the machine may lack the device."""
        return any(re.fullmatch(form.replace("N", r"\d+"), name) for form in cls.devices)

    @classmethod
    @abstractmethod
    def load(cls, checkpoint: Checkpoint, *, precision: Precision, device: str | None) -> Self:
        """Read the checkpoint's weights.

        Args:
            checkpoint: the checkpoint, whose head names the model's outputs.
            precision: the dtype of the parameters and of the arithmetic.
            device: one of :attr:`devices`; ``None`` for the fastest there is.

        Raises:
            BackendError: there is no such device.
            CheckpointError: the checkpoint cannot be used.
        """
