"""The warmup requests of a SavedModel, which a server replays at loading, and its batching."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import classification_pb2, predict_pb2, prediction_log_pb2

from diglot.endpoints import layout
from diglot.errors import ExportError
from diglot.serving.targets.target import Finding

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCH_SIZES = (1, 2, 4, 8, 16, 32)
"""The sizes that a server may pad a batch to; the last one is the largest."""

_LENGTHS = (16, 64, 256, 512)
_WORDS = "a good film and a bad one "
_DEFAULT = "serving_default"
# The most warmup requests that a server takes. Source: ``WarmupConsts::kMaxNumRecords``.
_MOST_REQUESTS = 1_000
# A server's default of max_batch_size. Source: ``SharedBatchScheduler::QueueOptions``.
_BATCH_SIZE = 1_000


def lengths(most: int | None) -> tuple[int, ...]:
    """The lengths in tokens to warm up: those that the model takes, and its limit up to 512."""
    shorter = [length for length in _LENGTHS if most is None or length < most]
    return tuple(shorter if most is None or most > _LENGTHS[-1] else [*shorter, most])


def requests(
    name: str, signatures: Mapping[str, Any], *, most: int | None, pad: int
) -> Iterator[prediction_log_pb2.PredictionLog]:
    """Requests for each signature: each batch size at the shortest length, each length alone.

    Args:
        name: the model's name on the server.
        signatures: the concrete functions by name.
        most: the longest encoding that the model takes, in tokens.
        pad: an id that the vocabulary has.
    """
    sizes = lengths(most)
    shapes = [(batch, sizes[0]) for batch in BATCH_SIZES] + [(1, size) for size in sizes[1:]]
    for signature, function in sorted(signatures.items()):
        specs = function.structured_input_signature[0]
        for batch, tokens in shapes:
            inputs = {spec.name: _value(spec, batch, tokens, pad) for spec in specs}
            yield request(name, signature, inputs)


def request(
    name: str, signature: str, inputs: Mapping[str, Any]
) -> prediction_log_pb2.PredictionLog:
    """One request as TF Serving logs it.

    Args:
        name: the model's name on the server.
        signature: the signature's name; ``"classify"`` makes a request of the Classify API.
        inputs: arrays by name.
    """
    if signature == "classify":
        classify = classification_pb2.ClassificationRequest()
        classify.model_spec.name, classify.model_spec.signature_name = name, signature
        for example in inputs["inputs"]:
            classify.input.example_list.examples.add().ParseFromString(example)
        return prediction_log_pb2.PredictionLog(
            classify_log=prediction_log_pb2.ClassifyLog(request=classify)
        )
    predict = predict_pb2.PredictRequest()
    predict.model_spec.name, predict.model_spec.signature_name = name, signature
    for key, value in inputs.items():
        predict.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return prediction_log_pb2.PredictionLog(
        predict_log=prediction_log_pb2.PredictLog(request=predict)
    )


def write(path: Path, logs: Sequence[prediction_log_pb2.PredictionLog]) -> None:
    """Write the requests as TF Serving reads them, a TFRecord of ``PredictionLog``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for log in logs:
            writer.write(log.SerializeToString())


def read(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The signature and the inputs of each request that :func:`write` has written."""
    for log in _logs(path):
        if log.HasField("classify_log"):
            examples = log.classify_log.request.input.example_list.examples
            yield "classify", {"inputs": [example.SerializeToString() for example in examples]}
        else:
            predict = log.predict_log.request
            inputs = {name: tf.make_ndarray(proto) for name, proto in predict.inputs.items()}
            yield predict.model_spec.signature_name, inputs


def batching_parameters() -> str:
    """The text of ``batching_params.pbtxt``.

    A server reads it with ``--enable_batching --enable_per_model_batching_parameters``. Source:
    TF Serving's ``session_bundle_config.proto``.
    """
    allowed = "".join(f"allowed_batch_sizes: {size}\n" for size in BATCH_SIZES)
    return (
        f"max_batch_size {{ value: {BATCH_SIZES[-1]} }}\n"
        "batch_timeout_micros { value: 2000 }\n"
        "max_enqueued_batches { value: 100 }\n"
        f"{allowed}"
        "pad_variable_length_inputs: true\n"
    )


def examine_batching(path: Path) -> Iterator[Finding]:
    """Check the batching parameters, whoever wrote them."""
    if not path.is_file():
        yield Finding(
            "note", layout.BATCHING, "the file is missing; a server will not batch requests"
        )
        return
    # The text form of a protocol buffer allows comments, a list or repeated fields, and braces or
    # angle brackets.
    text = re.sub(r"#.*", "", path.read_text("utf-8", errors="replace"))
    size = re.search(r"\bmax_batch_size\s*:?\s*[{<]\s*value\s*:\s*(\d+)", text)
    most = int(size[1]) if size else _BATCH_SIZE
    lists = re.findall(r"\ballowed_batch_sizes\s*:\s*(\d+|\[[^]]*\])", text)
    allowed = [int(number) for number in re.findall(r"\d+", " ".join(lists))]
    if allowed != sorted(set(allowed)) or (allowed and allowed[-1] != most):
        yield Finding(
            "error",
            layout.BATCHING,
            f"allowed_batch_sizes are {allowed}, and must rise to max_batch_size, {most}; a"
            " server refuses the model otherwise",
        )
    else:
        yield Finding("ok", layout.BATCHING, f"batches of {allowed or 'any size'} up to {most}")


def examine(path: Path, signatures: Set[str]) -> Iterator[Finding]:
    """Check the warmup requests, whoever wrote them.

    Args:
        path: the file.
        signatures: the names of the model's signatures.
    """
    if not path.is_file():
        yield Finding("note", "warmup", "there are no requests; the first answers will be slow")
        return
    try:
        counts = _counts(path)
    except ExportError as error:
        yield Finding("error", "warmup", str(error))
        return
    count = sum(counts.values())
    if unknown := sorted(set(counts) - signatures - {""}):
        yield Finding(
            "error", "warmup", f"asks for {', '.join(unknown)}, which the model does not have"
        )
    elif count > _MOST_REQUESTS:
        yield Finding(
            "error",
            "warmup",
            f"has {count} requests, and a server takes {_MOST_REQUESTS}; remove some",
        )
    else:
        names = ", ".join(filter(None, sorted(counts))) or "no signature by name"
        yield Finding("ok", "warmup", f"{count} requests to {names}")


def _counts(path: Path) -> dict[str, int]:
    """The number of requests by signature; ``""`` for those that name none."""
    from google.protobuf.message import DecodeError

    counts: dict[str, int] = {}
    try:
        for log in _logs(path):
            kind = log.WhichOneof("log_type")
            # A request for several signatures, or by the names of tensors, names no signature.
            spec = getattr(getattr(log, kind or "", None), "request", None)
            named = kind in ("classify_log", "regress_log", "predict_log")
            name = (spec.model_spec.signature_name or _DEFAULT) if named and spec else ""
            counts[name] = counts.get(name, 0) + 1
    except (tf.errors.DataLossError, DecodeError) as error:
        raise ExportError(
            f"{path} cannot be read, and a server will not start: {error}; export again"
        ) from error
    return counts


def _logs(path: Path) -> Iterator[prediction_log_pb2.PredictionLog]:
    for raw in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        yield prediction_log_pb2.PredictionLog.FromString(raw)


def _value(spec: Any, batch: int, tokens: int, pad: int) -> NDArray[Any]:
    """A valid value for one input of a signature."""
    if spec.dtype == tf.string:
        text = (_WORDS * tokens)[: 4 * tokens]
        if spec.name == "inputs":
            features = {name: _bytes(text) for name in ("text", "text_pair")}
            example = tf.train.Example(features=tf.train.Features(feature=features))
            return np.array([example.SerializeToString()] * batch, object)
        return np.array([text] * batch, object)
    dtype = spec.dtype.as_numpy_dtype
    if spec.shape.rank == 1:
        return np.full(batch, tokens, dtype)
    filling = {"input_ids": pad, "attention_mask": 1}.get(spec.name, 0)
    return np.full((batch, tokens), filling, dtype)


def _bytes(text: str) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))
