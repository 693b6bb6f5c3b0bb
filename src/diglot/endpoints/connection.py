"""A connection to one model of a TF Serving server, by REST or by gRPC."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from diglot.endpoints import batches
from diglot.errors import InputError, ServingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from diglot.endpoints.endpoint import Signature

MAX_BATCH = 32
"""The most rows of one request; the exported ``batching_params.pbtxt`` has the same number."""

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0
"""The seconds between two attempts; each pause is twice as long as the last."""


class Connection(ABC):
    """One model of a server; satisfies :class:`diglot.endpoints.endpoint.Endpoint`.

    Any number of threads may share a connection.

    Attributes:
        name: the model's URL, for messages.
        timeout: the seconds that one attempt may take.
        retries: the number of further attempts after a failure that is not the request's fault.
        max_batch: the most rows of one request; more rows are sent in several requests.
    """

    def __init__(
        self,
        name: str,
        *,
        timeout: float = 10.0,
        retries: int = 3,
        max_batch: int = MAX_BATCH,
    ) -> None:
        """Store the options, without sending anything.

        Raises:
            ServingError: a number is out of its range.
        """
        if timeout <= 0 or retries < 0 or max_batch < 1:
            raise ServingError(
                "timeout must be more than 0, retries 0 or more and max_batch 1 or more, not"
                f" {timeout}, {retries} and {max_batch}"
            )
        self.name = name
        self.timeout = timeout
        self.retries = retries
        self.max_batch = max_batch
        self._known: Mapping[str, Signature] | None = None

    def signatures(self) -> Mapping[str, Signature]:
        """The signatures by name; the server is asked at the first call.

        After a request that did not fit, the next call asks again. A signature with an input of
        unknown rank is skipped, because its batch dimension is unknown.

        Raises:
            ServingError: the server cannot be reached, or has no such model.
        """
        if self._known is None:
            self._known = self._signatures()
        return self._known

    def predict(self, signature: str, inputs: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """Answer one request; see :meth:`diglot.endpoints.endpoint.Endpoint.predict`.

        Raises:
            InputError: the inputs do not fit the signature, or the server refuses them.
            ServingError: the server cannot be reached, or cannot answer.
        """
        remembered = self._known is not None
        try:
            definition, arrays = self._fitted(signature, inputs)
        except InputError:
            self._known = None
            if not remembered:
                raise
            # The server may have loaded a version with other signatures.
            definition, arrays = self._fitted(signature, inputs)

        def ask(batch: batches.Arrays) -> batches.Arrays:
            return self._checked(definition, self._predict(signature, definition, batch))

        try:
            return batches.asked(arrays, self.max_batch, ask, definition)
        except (InputError, ServingError):
            self._known = None
            raise

    def classify(
        self, examples: list[dict[str, str]], signature: str = "classify"
    ) -> list[list[tuple[str, float]]]:
        """Ask the Classify API for each label and its score.

        Args:
            examples: the features of each ``tf.Example``, such as ``{"text": ...}``.
            signature: the signature's name.

        Returns:
            For each example its labels and their scores, in the order of the model's labels.

        Raises:
            InputError: there is no example, a feature is not a text, or the server refuses them.
            ServingError: the server cannot be reached, or cannot answer.
        """
        if not examples:
            raise InputError("there is no example to classify; give one at least")
        for index, example in enumerate(examples):
            for name, value in example.items():
                if not isinstance(value, str):
                    raise InputError(
                        f"the feature {name!r} takes a text, not {type(value).__name__}"
                        f" {value!r:.60}",
                        index=index,
                    )
                try:
                    value.encode()
                except UnicodeEncodeError as error:
                    raise InputError(f"{name!r} is not UTF-8: {error}", index=index) from None
        answers = []
        for first in range(0, len(examples), self.max_batch):
            batch = examples[first : first + self.max_batch]
            answer = self._classify(signature, batch)
            if len(answer) != len(batch):
                raise ServingError(
                    f"{self.name} answered {len(answer)} of {len(batch)} examples; is it TF"
                    " Serving?"
                )
            answers += answer
        return answers

    @abstractmethod
    def status(self) -> list[tuple[int, str, str]]:
        """Each version's number, state (such as ``"AVAILABLE"``) and error message.

        Raises:
            ServingError: the server cannot be reached, or has no such model.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the connections to the server."""

    @abstractmethod
    def _signatures(self) -> dict[str, Signature]:
        """Ask the server for the signatures."""

    @abstractmethod
    def _predict(self, name: str, signature: Signature, inputs: batches.Arrays) -> batches.Arrays:
        """Send one request of the Predict API."""

    @abstractmethod
    def _classify(
        self, signature: str, examples: list[dict[str, str]]
    ) -> list[list[tuple[str, float]]]:
        """Send one request of the Classify API."""

    def _fitted(
        self, signature: str, inputs: Mapping[str, Any]
    ) -> tuple[Signature, batches.Arrays]:
        known = self.signatures()
        if signature not in known:
            raise InputError(
                f"{self.name} has no signature {signature!r}; it has {', '.join(sorted(known))}"
            )
        return known[signature], batches.fitted(signature, known[signature], inputs)

    def _checked(self, signature: Signature, outputs: batches.Arrays) -> batches.Arrays:
        if set(outputs) != set(signature.outputs):
            raise ServingError(
                f"{self.name} answered with {', '.join(sorted(outputs))}, where its metadata says"
                f" {', '.join(sorted(signature.outputs))}; it may have just loaded another"
                " version. Ask again"
            )
        return {name: batches.texts(name, outputs[name]) for name in signature.outputs}

    def _refused(self, message: str) -> InputError | ServingError:
        """The error of a request that the server calls invalid."""
        if "servable version label" in message:
            return self._missing(message)
        # TensorFlow's own messages have several lines.
        return InputError(f"{self.name} refuses the request: {' '.join(message.split())}")

    def _missing(self, message: str) -> ServingError:
        return ServingError(
            f"{self.name} does not exist: {message}. Check that a folder that the server watches,"
            " or its models.config, has this name and version, and that the server has loaded it"
        )

    def _timed_out(self, tries: int) -> ServingError:
        return ServingError(
            f"{self.name} did not answer within {self.timeout:g} s, at {_times(tries)}; allow"
            " more time (timeout=), send fewer rows at a time (max_batch=), or check its load"
        )

    def _unreachable(self, tries: int, reason: str) -> ServingError:
        return ServingError(
            f"{self.name} cannot be reached, at {_times(tries)}: {reason}. Check that the server"
            " runs, and that this is its port: TF Serving's default is 8501 for REST (http://) and"
            " 8500 for gRPC (grpc://)"
        )

    def _busy(self, tries: int, message: str) -> ServingError:
        return ServingError(
            f"{self.name} was not ready, at {_times(tries)}: {message}. Try again later, or send"
            " less at a time"
        )

    def _failed(self, message: str) -> ServingError:
        return ServingError(f"{self.name} failed: {message}. See the server's log")


def _times(tries: int) -> str:
    return "the only attempt" if tries == 1 else f"any of {tries} attempts"


def path(model: str, version: int | str | None) -> str:
    """The path of a model on its server, such as ``v1/models/reviews/versions/2``."""
    place = f"v1/models/{quote(model, safe='')}"
    if version is None:
        return place
    kind = "versions" if isinstance(version, int) else "labels"
    return f"{place}/{kind}/{quote(str(version), safe='')}"
