"""A SavedModel, loaded into this process, as an endpoint."""

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
    from diglot.types import Array


class Session:
    """A SavedModel in a TensorFlow session, loaded as TF Serving loads it.

    Any number of threads may share a session. As a context manager, it closes itself at the end.

    Attributes:
        signatures: TensorFlow's definition of each signature by name.
    """

    def __init__(self, folder: Path) -> None:
        import tensorflow as tf

        self._graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=self._graph)
        load = tf.compat.v1.saved_model.loader.load
        try:
            # The loader advises to use another one, which no server has.
            with self._graph.as_default(), errors_only(tf.get_logger()):
                meta = load(self._session, ["serve"], str(folder))
        except BaseException:
            self._session.close()
            raise
        self.signatures = dict(meta.signature_def)

    def run(self, signature: str, inputs: Mapping[str, Any]) -> dict[str, Array]:
        """Compute the outputs of a signature, by name."""
        definition = self.signatures[signature]
        feed = {definition.inputs[name].name: value for name, value in inputs.items()}
        outputs = {name: tensor.name for name, tensor in definition.outputs.items()}
        return dict(self._session.run(outputs, feed))

    def close(self) -> None:
        """Release the session and its graph."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SavedModel:
    """An exported version; satisfies :class:`~diglot.endpoints.endpoint.Endpoint`.

    Any number of threads may share one. As a context manager, it closes itself at the end.

    Attributes:
        name: the name for messages, such as its folder.
    """

    def __init__(self, folder: Path, *, name: str | None = None) -> None:
        """Load a version.

        Args:
            folder: the version's folder.
            name: the name for messages; the folder by default.

        Raises:
            BackendError: TensorFlow cannot load it.
        """
        self.name = name or str(folder)
        try:
            self._session = Session(folder)
        except Exception as error:  # OSError, ValueError, RuntimeError and TensorFlow's own
            raise BackendError(
                f"TensorFlow cannot load {folder}: {error}. Look at it with: diglot doctor {folder}"
            ) from error

    def signatures(self) -> Mapping[str, Signature]:
        """The signatures by name."""
        return self._signatures

    @cached_property
    def _signatures(self) -> dict[str, Signature]:
        return {
            name: Signature(_tensors(definition.inputs), _tensors(definition.outputs))
            for name, definition in self._session.signatures.items()
            if not name.startswith("__")
        }

    def predict(self, signature: str, inputs: Mapping[str, Any]) -> dict[str, Array]:
        """Answer one request; see :meth:`diglot.endpoints.endpoint.Endpoint.predict`.

        Raises:
            InputError: the inputs do not fit the signature.
            BackendError: TensorFlow failed, for example because memory ran out.
        """
        import tensorflow as tf

        if signature not in self._signatures:
            raise InputError(
                f"{self.name} has no signature {signature!r}; it has {', '.join(self._signatures)}"
            )
        if set(inputs) != set(taken := self._signatures[signature].inputs):
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
        except RuntimeError as error:
            raise BackendError(
                f"{self.name} cannot be run: {error}. It may be closed; open it again"
            ) from error
        return {name: _decoded(value) for name, value in outputs.items()}

    def close(self) -> None:
        """Release the session; the version cannot be used afterwards."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _tensors(infos: Mapping[str, Any]) -> dict[str, Tensor]:
    import tensorflow as tf

    return {
        name: Tensor(
            tf.dtypes.as_dtype(info.dtype).name,
            tuple(None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim),
        )
        for name, info in infos.items()
    }


def _decoded(value: Array) -> Array:
    if value.dtype != object:
        return value
    return np.array([text.decode() for text in value.flat], object).reshape(value.shape)
