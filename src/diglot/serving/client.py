"""A text classifier that asks a TF Serving server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from diglot.classifier import TextClassifier
from diglot.endpoints.address import connect
from diglot.endpoints.connection import MAX_BATCH
from diglot.endpoints.model import parts
from diglot.extras import require

if TYPE_CHECKING:
    from diglot.types import Array


class Client(TextClassifier):
    """A text classifier that asks a TF Serving server.

    It classifies as any :class:`~diglot.classifier.TextClassifier`, and adds the server's own
    methods. Any number of threads may share a client. As a context manager, it closes its
    connections at the end.
    """

    def __init__(
        self,
        address: str,
        model: str | None = None,
        *,
        version: int | str | None = None,
        timeout: float = 10.0,
        retries: int = 3,
        max_batch: int = MAX_BATCH,
        **options: Any,
    ) -> None:
        """Connect to a server, and ask it for the model's description.

        Args:
            address: ``http://HOST:8501`` or ``https://…`` for REST, ``grpc://HOST:8500`` or
                ``HOST:8500`` for gRPC; ``/v1/models/NAME`` may follow.
            model: the model's name, unless it is part of the address.
            version: a number, or the text of a label; the server's newest version by default.
            timeout: the seconds that one attempt may take.
            retries: the number of further attempts after a failure that is not the request's fault.
            max_batch: the most rows of one request.
            **options: ``batch_size``, ``top_k`` and ``function_to_apply`` for every call.

        Raises:
            ServingError: the server cannot be reached, or has no such model.
            BackendError: no current diglot exported the model.
            BackendNotInstalledError: the extra ``serving`` is missing.
        """
        rest = address.partition("://")[0] in ("http", "https")
        require("tensorflow,serving", *(("urllib3",) if rest else ("grpc", "tensorflow_serving")))
        self._connection = connect(
            address, model, version, timeout=timeout, retries=retries, max_batch=max_batch
        )
        try:
            super().__init__(*parts(self._connection, "serving"), **options)
        except BaseException:
            self._connection.close()
            raise

    def status(self) -> list[tuple[int, str, str]]:
        """Each version's number, state (such as ``"AVAILABLE"``) and error message."""
        return self._connection.status()

    def metadata(self) -> Mapping[str, Any]:
        """The inputs and outputs of each signature, by name."""
        return self._connection.signatures()

    def predict(
        self, inputs: Mapping[str, Any], signature: str = "serving_default"
    ) -> dict[str, Array]:
        """The outputs of a signature; see :meth:`diglot.endpoints.endpoint.Endpoint.predict`."""
        return self._connection.predict(signature, inputs)

    def classify(self, examples: Sequence[Mapping[str, str]]) -> list[list[tuple[str, float]]]:
        """Ask the Classify API for each label and its score.

        Args:
            examples: the features of each example, such as ``{"text": ...}``.

        Returns:
            The labels of each example with their scores, in the order of the model's labels.
        """
        return self._connection.classify([dict(example) for example in examples])
