"""The models of the test server: what TF Serving does behind both of its APIs.

Codes and wording are those of TF Serving's ``predict_util.cc``, ``classifier.cc``, ``util.cc``,
``get_model_metadata_impl.cc``, ``get_model_status_impl.cc``, ``server_core.cc`` and
``batching_session.cc``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    predict_pb2,
)

from diglot.endpoints.saved_model import Session

Code = grpc.StatusCode
CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"
DEFAULT = "serving_default"


class StatusError(Exception):
    """A status that is not OK."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def invalid(message: str) -> StatusError:
    return StatusError(Code.INVALID_ARGUMENT, message)


@dataclass
class Models:
    """Models by name, with all of their versions loaded.

    Attributes:
        folders: the folder of each model's versions; a version that cannot be loaded has ended.
        labels: names of versions by model.
        max_batch: what a server with ``--enable_batching`` takes; ``None`` for one without.
    """

    folders: Mapping[str, Path]
    labels: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    max_batch: int | None = None

    def __post_init__(self) -> None:
        self._loaded: dict[str, dict[int, Session]] = {}
        self._ended: dict[str, dict[int, str]] = {}
        for name, folder in self.folders.items():
            self._loaded[name], self._ended[name] = {}, {}
            for version in sorted(folder.iterdir()):
                try:
                    self._loaded[name][int(version.name)] = Session(version)
                except (OSError, RuntimeError) as error:
                    self._ended[name][int(version.name)] = str(error)

    def close(self) -> None:
        """Release all versions."""
        for sessions in self._loaded.values():
            for session in sessions.values():
                session.close()

    def predict(self, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
        """Predict, with the filter of outputs."""
        version, session = self._handle(request)
        name = request.model_spec.signature_name or DEFAULT
        if name not in session.signatures:
            raise StatusError(
                Code.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.'
            )
        definition = session.signatures[name]
        _same_inputs(definition.inputs, request.inputs)
        inputs = {}
        for alias, proto in request.inputs.items():
            try:
                inputs[alias] = tf.make_ndarray(proto)
            except (TypeError, ValueError):
                raise invalid(f"tensor parsing error: {alias}") from None
            have, want = (
                tf.dtypes.as_dtype(one.dtype) for one in (proto, definition.inputs[alias])
            )
            if have != want:
                index = sorted(request.inputs).index(alias)
                raise invalid(f"Expects arg[{index}] to be {want.name} but {have.name} is provided")
        wanted = list(request.output_filter)
        for alias in wanted:
            if alias not in definition.outputs:
                raise invalid(
                    f"output tensor alias not found in signature: {alias} Outputs expected to be in"
                    f" the set {{{','.join(sorted(definition.outputs))}}}."
                )
            if wanted.count(alias) > 1:
                raise invalid(f"duplicate output tensor alias: {alias}")
        outputs = self._run(session, name, inputs)
        response = predict_pb2.PredictResponse()
        _answered(response.model_spec, request, version, name)
        for alias in wanted or outputs:
            response.outputs[alias].CopyFrom(
                tf.make_tensor_proto(outputs[alias], definition.outputs[alias].dtype)
            )
        return response

    def classify(
        self, request: classification_pb2.ClassificationRequest
    ) -> classification_pb2.ClassificationResponse:
        """Classify, where the signature is for that."""
        version, session = self._handle(request)
        name = request.model_spec.signature_name or DEFAULT
        definition = self._of_method(session, name, "classification", CLASSIFY)
        if len(definition.inputs) != 1:
            raise invalid("Expected one input Tensor.")
        if "inputs" not in definition.inputs:
            raise StatusError(
                Code.FAILED_PRECONDITION, "No classification inputs found in SignatureDef: "
            )
        examples = [one.SerializeToString() for one in request.input.example_list.examples]
        if not examples:
            raise invalid("Input is empty.")
        found = self._run(session, name, {"inputs": np.array(examples, object)})
        classes, scores = found["classes"], found["scores"]
        for one, what in ((classes, "classes"), (scores, "scores")):
            if one.ndim != 2:
                raise invalid("Expected Tensor shape: [batch_size num_classes] but got ")
            if len(one) != len(examples):
                raise invalid(
                    f"Expected {what} output batch size of {len(examples)}. Got: {len(one)}"
                )
        response = classification_pb2.ClassificationResponse()
        _answered(response.model_spec, request, version, name)
        for labels, values in zip(classes, scores, strict=True):
            row = response.result.classifications.add()
            for label, value in zip(labels, values, strict=True):
                row.classes.add(label=label.decode(), score=float(value))
        return response

    def regress(self, request: Any) -> Any:
        """Refuse: diglot exports nothing to regress with."""
        _, session = self._handle(request)
        name = request.model_spec.signature_name or DEFAULT
        self._of_method(session, name, "regression", REGRESS)
        raise StatusError(Code.UNIMPLEMENTED, "the test server does not regress")

    def metadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """Tell the signatures."""
        if not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")
        if not request.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for one in request.metadata_field:
            if one != "signature_def":
                raise invalid(f"Metadata field {one} is not supported")
        version, session = self._handle(request)
        found = get_model_metadata_pb2.SignatureDefMap()
        for name, definition in session.signatures.items():
            found.signature_def[name].CopyFrom(definition)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = version
        response.metadata["signature_def"].Pack(found)
        return response

    def status(
        self, request: get_model_status_pb2.GetModelStatusRequest
    ) -> get_model_status_pb2.GetModelStatusResponse:
        """Tell the state of each version, the newest first."""
        if not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")
        name, number = request.model_spec.name, self._number(request.model_spec)
        loaded, ended = self._loaded.get(name, {}), self._ended.get(name, {})
        if number is not None and number not in loaded | ended:
            raise StatusError(Code.NOT_FOUND, f"Could not find version {number} of model {name}")
        if not loaded | ended:
            raise StatusError(Code.NOT_FOUND, f"Could not find any versions of model {name}")
        response = get_model_status_pb2.GetModelStatusResponse()
        state = get_model_status_pb2.ModelVersionStatus
        for one in sorted(loaded | ended, reverse=True):
            if number in (None, one):
                told = response.model_version_status.add(
                    version=one, state=state.AVAILABLE if one in loaded else state.END
                )
                told.status.error_code = 0 if one in loaded else 2
                told.status.error_message = ended.get(one, "")
        return response

    def inputs(self, spec: model_pb2.ModelSpec, signature: str) -> Mapping[str, Any]:
        """What a signature takes, for REST to read JSON by."""
        _, session = self._handle(predict_pb2.PredictRequest(model_spec=spec))
        name = signature or DEFAULT
        if name not in session.signatures:
            raise invalid(f'Serving signature name: "{name}" not found in signature def')
        return session.signatures[name].inputs

    def _number(self, spec: model_pb2.ModelSpec) -> int | None:
        if spec.HasField("version"):
            return spec.version.value
        if not spec.version_label:
            return None
        try:
            return self.labels[spec.name][spec.version_label]
        except KeyError:
            raise invalid(f"Unrecognized servable version label: {spec.version_label}") from None

    def _handle(self, request: Any) -> tuple[int, Session]:
        if not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")
        spec = request.model_spec
        if not spec.name:
            raise invalid("ModelSpec has no name specified.")
        number, loaded = self._number(spec), self._loaded.get(spec.name, {})
        found = max(loaded, default=None) if number is None else number
        if found not in loaded:
            which = f"Latest({spec.name})" if number is None else f"Specific({spec.name}, {number})"
            raise StatusError(Code.NOT_FOUND, f"Servable not found for request: {which}")
        return found, loaded[found]

    def _of_method(self, session: Session, name: str, kind: str, method: str) -> Any:
        if name not in session.signatures:
            raise invalid(f"No signature was found with the name: {name}")
        definition = session.signatures[name]
        if definition.method_name != method:
            raise invalid(
                f"Expected {kind} signature method_name to be {method}. Was:"
                f" {definition.method_name}"
            )
        return definition

    def _run(
        self, session: Session, name: str, inputs: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        if self.max_batch is not None:
            if any(not one.ndim for one in inputs.values()):
                raise invalid("Batching Run() input tensors must have at least one dimension")
            sizes = {len(one) for one in inputs.values()}
            if len(sizes) > 1:
                raise invalid("Batching Run() input tensors must have equal 0th-dimension size")
            if max(sizes) > self.max_batch:
                raise invalid(
                    f"Task size {max(sizes)} is larger than maximum input batch size"
                    f" {self.max_batch}"
                )
        try:
            return session.run(name, inputs)
        except tf.errors.OpError as error:
            code = next(one for one in Code if one.value[0] == error.error_code)
            raise StatusError(code, error.message) from error
        except ValueError as error:  # the shape of an input, which Python looks at
            raise invalid(str(error)) from error


def _same_inputs(wanted: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    if len(given) != len(wanted):
        extra, missing = set(given) - set(wanted), set(wanted) - set(given)
        raise invalid(
            f"input size does not match signature: {len(given)}!={len(wanted)}"
            f" len({{{_list(given)}}}) != len({{{_list(wanted)}}})."
            f" Sent extra: {{{_list(extra)}}}. Missing but required: {{{_list(missing)}}}."
        )
    for alias, info in sorted(wanted.items()):
        if alias not in given:
            raise invalid(
                f"Signature input alias: {alias}(feed name: {info.name}) not found in request and"
                " no default value provided. Inputs expected to be in the request"
                f" {{{_list(given)}}}, or default input alias set: "
            )


def _list(names: Sequence[str] | Mapping[str, Any] | set[str]) -> str:
    return ",".join(sorted(names))


def _answered(spec: model_pb2.ModelSpec, request: Any, version: int, signature: str) -> None:
    spec.name = request.model_spec.name
    spec.version.value = version
    spec.signature_name = signature
