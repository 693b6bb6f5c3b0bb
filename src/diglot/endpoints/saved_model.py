"""A version, loaded into this process, as an endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from diglot.endpoints.endpoint import Signature, Tensor
from diglot.errors import BackendError, InputError
from diglot.quiet import errors_only

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Session:
    """A version, loaded by the loader that TF Serving uses.

    TensorFlow's sessions are thread-safe. As a context manager, it closes the session at the end.
    """

    def __init__(self, folder: Path) -> None:
        import tensorflow as tf

        self._graph = tf.Graph()
        with self._graph.as_default():
            self._session = tf.compat.v1.Session(graph=self._graph)
            load = tf.compat.v1.saved_model.loader.load
            with errors_only(tf.get_logger()):  # it advises another loader, which no server has
                meta = load(self._session, ["serve"], str(folder))
        self.signatures = dict(meta.signature_def)

    def run(self, signature: str, inputs: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """The outputs of a signature by name."""
        definition = self.signatures[signature]
        feed = {definition.inputs[name].name: value for name, value in inputs.items()}
        outputs = {name: one.name for name, one in definition.outputs.items()}
        return dict(self._session.run(outputs, feed))

    def close(self) -> None:
        """Release the session and its graph."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SavedModel:
    """An exported version, answered by TensorFlow's own loader and session.

    Attributes:
        name: its folder.
    """

    def __init__(self, folder: Path, *, name: str | None = None) -> None:
        """Load a version.

        Args:
            folder: the version's folder.
            name: how to call it in messages; the folder unless given.

        Raises:
            BackendError: TensorFlow cannot load it.
        """
        self.name = name or str(folder)
        try:
            self._session = Session(folder)
        except (
            Exception
        ) as error:  # TensorFlow raises OSError, ValueError, RuntimeError and its own
            raise BackendError(
                f"TensorFlow cannot load {folder}: {error}. Look at it with: diglot doctor {folder}"
            ) from error

    def close(self) -> None:
        """Release the session; nothing can be asked afterwards."""
        self._session.close()

    @cached_property
    def _known(self) -> dict[str, Signature]:
        return {
            name: Signature(_tensors(one.inputs), _tensors(one.outputs))
            for name, one in self._session.signatures.items()
            if not name.startswith("__")
        }

    def signatures(self) -> Mapping[str, Signature]:
        """The signatures by name."""
        return self._known

    def predict(self, signature: str, inputs: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """The outputs of a signature; see :meth:`diglot.endpoints.endpoint.Endpoint.predict`."""
        import tensorflow as tf

        if signature not in self._known:
            raise InputError(
                f"{self.name} has no signature {signature!r}; it has {', '.join(self._known)}"
            )
        if set(inputs) != set(taken := self._known[signature].inputs):
            raise InputError(
                f"the signature {signature!r} of {self.name} takes {', '.join(taken)}, not"
                f" {', '.join(inputs) or 'nothing'}"
            )
        try:
            outputs = self._session.run(signature, inputs)
        except (tf.errors.InvalidArgumentError, ValueError, TypeError) as error:
            raise InputError(f"{self.name} cannot take these inputs: {error}") from error
        except tf.errors.OpError as error:
            raise BackendError(
                f"{self.name} cannot be run here: {error}. Send fewer rows at a time, or look at it"
                f" with: diglot doctor {self.name}"
            ) from error
        return {name: _text(value) for name, value in outputs.items()}


def _tensors(infos: Mapping[str, Any]) -> dict[str, Tensor]:
    import tensorflow as tf

    return {
        name: Tensor(
            tf.dtypes.as_dtype(info.dtype).name,
            tuple(None if one.size < 0 else one.size for one in info.tensor_shape.dim),
        )
        for name, info in infos.items()
    }


def _text(value: NDArray[Any]) -> NDArray[Any]:
    if value.dtype != object:
        return value
    return np.array([one.decode() for one in value.flat], object).reshape(value.shape)
