"""The requests that a server replays when it loads a version, and how it batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import classification_pb2, predict_pb2, prediction_log_pb2

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCH_SIZES = (1, 2, 4, 8, 16, 32)
"""What a server may pad a batch to; the last one is the largest."""

_LENGTHS = (16, 64, 256, 512)
_WORDS = "a good film and a bad one "


def lengths(most: int | None) -> tuple[int, ...]:
    """The lengths in tokens to warm up: those that the model takes, and its limit up to 512."""
    within = [one for one in _LENGTHS if most is None or one < most]
    return tuple(within if most is None or most > _LENGTHS[-1] else [*within, most])


def requests(
    name: str, signatures: Mapping[str, Any], *, most: int | None, pad: int
) -> Iterator[prediction_log_pb2.PredictionLog]:
    """Requests for each signature: every batch size at the shortest length, every length alone.

    Args:
        name: the model's name on the server.
        signatures: the concrete functions by name.
        most: the longest encoding that the model takes, in tokens.
        pad: an id that the vocabulary has.
    """
    sizes = lengths(most)
    shapes = [(batch, sizes[0]) for batch in BATCH_SIZES] + [(1, one) for one in sizes[1:]]
    for signature, function in sorted(signatures.items()):
        specs = function.structured_input_signature[0]
        for batch, tokens in shapes:
            inputs = {one.name: _value(one, batch, tokens, pad) for one in specs}
            yield _request(name, signature, inputs)


def write(path: Path, logs: Sequence[prediction_log_pb2.PredictionLog]) -> None:
    """Write the requests as TF Serving reads them, a TFRecord of ``PredictionLog``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for log in logs:
            writer.write(log.SerializeToString())


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


def _value(spec: Any, batch: int, tokens: int, pad: int) -> NDArray[Any]:
    """Something valid for one input of a signature."""
    if spec.dtype == tf.string:
        text = (_WORDS * tokens)[: 4 * tokens]
        if spec.name == "inputs":
            features = {name: _bytes(text) for name in ("text", "text_pair")}
            example = tf.train.Example(features=tf.train.Features(feature=features))
            return np.array([example.SerializeToString()] * batch, object)
        return np.array([text] * batch, object)
    dtype = spec.dtype.as_numpy_dtype
    if spec.name == "length":
        return np.full(batch, tokens, dtype)
    filling = {"input_ids": pad, "attention_mask": 1}.get(spec.name, 0)
    return np.full((batch, tokens), filling, dtype)


def _bytes(text: str) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))


def _request(
    name: str, signature: str, inputs: Mapping[str, NDArray[Any]]
) -> prediction_log_pb2.PredictionLog:
    if signature == "classify":
        request = classification_pb2.ClassificationRequest()
        request.model_spec.name, request.model_spec.signature_name = name, signature
        for one in inputs["inputs"]:
            request.input.example_list.examples.add().ParseFromString(one)
        return prediction_log_pb2.PredictionLog(
            classify_log=prediction_log_pb2.ClassifyLog(request=request)
        )
    predict = predict_pb2.PredictRequest()
    predict.model_spec.name, predict.model_spec.signature_name = name, signature
    for key, value in inputs.items():
        predict.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return prediction_log_pb2.PredictionLog(
        predict_log=prediction_log_pb2.PredictLog(request=predict)
    )
