"""The protocol of an endpoint: anything that answers requests to the signatures of an export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from diglot.types import Array


@dataclass(frozen=True)
class Tensor:
    """The type of one input or output of a signature.

    Attributes:
        dtype: TensorFlow's name of the dtype, such as ``"int32"`` or ``"string"``.
        shape: the size of each dimension; ``None`` for a size that may vary.
    """

    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Signature:
    """The inputs and outputs of a signature, by name."""

    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]


class Endpoint(Protocol):
    """One model that answers by its signatures.

    Any number of threads may share an endpoint, unless its class says otherwise.
    """

    @property
    def name(self) -> str:
        """The name for messages: a folder, or an address with the model's name."""
        ...

    def signatures(self) -> Mapping[str, Signature]:
        """The signatures by name, such as ``"serving_default"``.

        Raises:
            BackendError: the endpoint cannot be reached.
        """
        ...

    def predict(self, signature: str, inputs: Mapping[str, Any]) -> dict[str, Array]:
        """Answer one request.

        Args:
            signature: the signature's name.
            inputs: arrays or nested lists by name; texts as ``str``.

        Returns:
            The outputs by name; strings as ``str`` in arrays of objects.

        Raises:
            InputError: the inputs do not fit the signature.
            BackendError: the endpoint cannot be reached, or could not answer.
        """
        ...

    def close(self) -> None:
        """Release the session or the connections; the endpoint cannot be used afterwards."""
        ...
