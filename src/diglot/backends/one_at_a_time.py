"""A model that several threads may share, though it is not thread-safe itself."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar

from diglot.backends.backend import Model, Run

if TYPE_CHECKING:
    from diglot.types import Encoding, Outputs, ScoreFunction


class OneAtATime(Model):
    """A model whose every run waits for the one before; all else is the model's own."""

    thread_safe: ClassVar[bool] = True

    def __init__(self, model: Model) -> None:
        self.name = model.name
        self.shows_hidden_states = model.shows_hidden_states
        self._model = model
        self._lock = Lock()

    def run(
        self,
        encoding: Encoding,
        *,
        function: ScoreFunction | None = None,
        hidden_states: bool = False,
    ) -> Outputs:
        """Run the model, once no other thread runs it; see :meth:`Model.run`."""
        with self._lock:
            return self._model.run(encoding, function=function, hidden_states=hidden_states)

    def other_runs(self) -> Mapping[str, Run]:
        """The model's other runs, which are for one thread."""
        return self._model.other_runs()

    def traceable(self) -> Any:
        """The model that a trace can follow."""
        return self._model.traceable()

    def close(self) -> None:
        """Close the model."""
        self._model.close()
