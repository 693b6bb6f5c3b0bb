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

    It is called as any :class:`~diglot.classifier.TextClassifier`, and has the server's own methods
    too. As a context manager, it closes its connections at the end.
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
        """Ask a server what it has.

        Args:
            address: ``http://HOST:8501`` or ``https://…`` for REST, maybe with ``/v1/models/NAME``;
                ``grpc://HOST:8500`` or ``HOST:8500`` for gRPC.
            model: the model's name, where the address does not have it.
            version: a number or, as text, a label; the server's newest unless given.
            timeout: for one attempt, in seconds.
            retries: how often an attempt is repeated that failed for no fault of the request.
            max_batch: the most rows of one request.
            **options: ``batch_size``, ``top_k`` and ``function_to_apply`` for every call.

        Raises:
            ServingError: the server cannot be reached, or has no such model.
            BackendError: a current diglot did not export the model.
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
        """What each signature takes and gives."""
        return self._connection.signatures()

    def predict(
        self, inputs: Mapping[str, Any], signature: str = "serving_default"
    ) -> dict[str, Array]:
        """The outputs of a signature; see :meth:`diglot.endpoints.endpoint.Endpoint.predict`."""
        return self._connection.predict(signature, inputs)

    def classify(self, examples: Sequence[Mapping[str, str]]) -> list[list[tuple[str, float]]]:
        """Ask the Classify API: each label and its score, of each example's features."""
        return self._connection.classify([dict(one) for one in examples])
