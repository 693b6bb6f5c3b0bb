"""Whatever answers requests to the signatures of an export: a loaded version, or a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Tensor:
    """One input or output of a signature.

    Attributes:
        dtype: TensorFlow's name of it, such as ``"int32"`` or ``"string"``.
        shape: ``None`` for a size that may vary.
    """

    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Signature:
    """What a signature takes and gives, by name."""

    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]


class Endpoint(Protocol):
    """One model that answers by its signatures."""

    @property
    def name(self) -> str:
        """How to call it in a message: a folder, or an address and a model's name."""
        ...

    def signatures(self) -> Mapping[str, Signature]:
        """The signatures by name, such as ``"serving_default"``.

        Raises:
            BackendError: it cannot be asked.
        """
        ...

    def predict(self, signature: str, inputs: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """The outputs of a signature.

        Args:
            signature: its name.
            inputs: arrays or nested lists by name; texts as ``str``.

        Returns:
            Arrays by name; strings as ``str`` in arrays of objects.

        Raises:
            InputError: the inputs do not fit the signature.
            BackendError: it could not be asked, or could not answer.
        """
        ...

    def close(self) -> None:
        """Release the session or the connections behind it."""
        ...
