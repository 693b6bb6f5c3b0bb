"""A model of a TF Serving server by gRPC.

Source: TF Serving's ``prediction_service.proto`` and ``model_service.proto``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from diglot.endpoints import connection
from diglot.endpoints.batches import DTYPES, Arrays
from diglot.endpoints.connection import Connection
from diglot.endpoints.endpoint import Signature, Tensor
from diglot.errors import BackendNotInstalledError, ServingError

try:
    import grpc
    import tensorflow as tf
    from tensorflow.core.framework import types_pb2
    from tensorflow_serving.apis import (
        classification_pb2,
        get_model_metadata_pb2,
        get_model_status_pb2,
        model_service_pb2_grpc,
        predict_pb2,
        prediction_service_pb2_grpc,
    )
except ImportError as error:
    raise BackendNotInstalledError(
        f"gRPC needs {error.name}, which is not installed; install diglot[tensorflow,serving], or"
        " use the server's REST port: http://HOST:8501"
    ) from error

if TYPE_CHECKING:
    from tensorflow_serving.apis import model_pb2

_AGAIN = (
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNAVAILABLE,
)

_CHANNEL = (
    # A batch of encodings may exceed gRPC's default limit of 4 MB.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # With gRPC's own pauses, an attempt within a second after a failure fails without a connection.
    ("grpc.initial_reconnect_backoff_ms", int(1000 * connection.FIRST_PAUSE)),
    ("grpc.max_reconnect_backoff_ms", int(1000 * connection.LONGEST_PAUSE)),
    # The attempts are counted here, for the messages.
    ("grpc.enable_retries", 0),
)


class GrpcConnection(Connection):
    """A model by gRPC, without encryption."""

    def __init__(
        self, target: str, model: str, version: int | str | None = None, **options: Any
    ) -> None:
        """Prepare the channel, without sending anything.

        Args:
            target: the host and the port, such as ``localhost:8500``.
            model: the model's name.
            version: a number, or the text of a label; the server's newest version by default.
            **options: see :class:`~diglot.endpoints.connection.Connection`.

        Raises:
            ServingError: an option is out of its range.
        """
        super().__init__(f"grpc://{target}/{connection.path(model, version)}", **options)
        self._model = model
        self._version = version
        self._channel = grpc.insecure_channel(target, options=_CHANNEL)
        self._prediction = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def status(self) -> list[tuple[int, str, str]]:
        """Each version's number, state (such as ``"AVAILABLE"``) and error message.

        Raises:
            ServingError: the server cannot be reached, or has no such model.
        """
        request = get_model_status_pb2.GetModelStatusRequest()
        self._address(request.model_spec)
        answer = self._ask(self._models.GetModelStatus, request)
        states = get_model_status_pb2.ModelVersionStatus.State
        return [
            (
                int(version.version),
                str(states.Name(version.state)),
                str(version.status.error_message),
            )
            for version in answer.model_version_status
        ]

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def _signatures(self) -> dict[str, Signature]:
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        self._address(request.model_spec)
        answer = self._ask(self._prediction.GetModelMetadata, request)
        definitions = get_model_metadata_pb2.SignatureDefMap()
        if not answer.metadata["signature_def"].Unpack(definitions):
            raise ServingError(f"{self.name} sent no signatures; check that it is TF Serving")
        return {
            name: Signature(_tensors(definition.inputs), _tensors(definition.outputs))
            for name, definition in definitions.signature_def.items()
            if not name.startswith("__")
            and not any(info.tensor_shape.unknown_rank for info in definition.inputs.values())
        }

    def _predict(self, name: str, signature: Signature, inputs: Arrays) -> Arrays:
        request = predict_pb2.PredictRequest()
        self._address(request.model_spec, name)
        for key, value in inputs.items():
            dtype = tf.dtypes.as_dtype(signature.inputs[key].dtype)
            request.inputs[key].CopyFrom(tf.make_tensor_proto(value, dtype, value.shape))
        answer = self._ask(self._prediction.Predict, request)
        return {key: tf.make_ndarray(value) for key, value in answer.outputs.items()}

    def _classify(
        self, signature: str, examples: list[dict[str, str]]
    ) -> list[list[tuple[str, float]]]:
        request = classification_pb2.ClassificationRequest()
        self._address(request.model_spec, signature)
        for features in examples:
            example = request.input.example_list.examples.add()
            for key, value in features.items():
                example.features.feature[key].bytes_list.value.append(value.encode())
        answer = self._ask(self._prediction.Classify, request)
        return [
            [(str(ranked.label), float(ranked.score)) for ranked in row.classes]
            for row in answer.result.classifications
        ]

    def _address(self, spec: model_pb2.ModelSpec, signature: str = "") -> None:
        spec.name = self._model
        spec.signature_name = signature
        if isinstance(self._version, int):
            spec.version.value = self._version
        elif self._version is not None:
            spec.version_label = self._version

    def _ask(self, call: Callable[..., Any], request: Any) -> Any:
        for tries in range(1, self.retries + 2):
            try:
                return call(request, timeout=self.timeout)
            except grpc.RpcError as error:
                failure = self._error(error, tries)
                again = error.code() in _AGAIN and not _too_large(error)
                if not again or tries > self.retries:
                    raise failure from error
            time.sleep(min(connection.FIRST_PAUSE * 2 ** (tries - 1), connection.LONGEST_PAUSE))
        raise AssertionError("the last attempt either answers or raises")

    def _error(self, error: Any, tries: int) -> Exception:
        code, message = error.code(), error.details() or error.code().name
        if code is grpc.StatusCode.NOT_FOUND:
            return self._missing(message)
        # TF Serving answers so to an unknown signature.
        if code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION):
            return self._refused(message)
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return self._timed_out(tries)
        if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            return self._busy(tries, message)
        if code is grpc.StatusCode.UNAVAILABLE:
            return self._unreachable(tries, message)
        if code is grpc.StatusCode.UNIMPLEMENTED:
            return ServingError(
                f"{self.name} is not answered by TF Serving's gRPC API: {message}. Check the"
                " address and the gRPC port; the default is 8500"
            )
        return self._failed(f"{code.name} {message}")


def _too_large(error: Any) -> bool:
    """Whether a message exceeded a limit, so that another attempt would fail too."""
    return "larger than max" in (error.details() or "")


def _tensors(infos: Mapping[str, Any]) -> dict[str, Tensor]:
    def tensor(info: Any) -> Tensor:
        dtype = types_pb2.DataType.Name(info.dtype)
        if info.tensor_shape.unknown_rank:
            return Tensor(DTYPES.get(dtype, dtype), (None,))
        sizes = tuple(None if dim.size < 0 else int(dim.size) for dim in info.tensor_shape.dim)
        return Tensor(DTYPES.get(dtype, dtype), sizes)

    return {name: tensor(info) for name, info in infos.items()}
