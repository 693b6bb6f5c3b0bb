"""A small SavedModel whose answers are known without running it, with a signature for each case."""

from pathlib import Path

import tensorflow as tf

from diglot.endpoints import provenance

LABELS = ("NEGATIVE", "POSITIVE")
FILLING = 7


class Probe(tf.Module):
    """Its signatures tell the version, and answer as each docstring says."""

    def __init__(self, version: int) -> None:
        super().__init__()
        self._version = float(version)
        self._table = tf.constant([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])

    def text(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """The number of bytes, and POSITIVE where it is even."""
        length = tf.strings.length(text)
        even = tf.equal(length % 2, 0)
        return {"label": tf.gather(LABELS, tf.cast(even, tf.int32)), "length": length}

    def tokenize(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """The code points, filled up with ``FILLING``, and their mask."""
        ids = tf.strings.unicode_decode(text, "UTF-8")
        mask = tf.ones_like(ids)
        return {"input_ids": ids.to_tensor(FILLING), "attention_mask": mask.to_tensor(0)}

    def rows(self, input_ids: tf.Tensor) -> dict[str, tf.Tensor]:
        """The sum of the rows of a table with three."""
        return {"logits": tf.reduce_sum(tf.gather(self._table, input_ids), axis=1)}

    def added(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """The version added, as a single output."""
        return {"y": x + self._version}

    def two(self, a: tf.Tensor, b: tf.Tensor) -> dict[str, tf.Tensor]:
        """A sum of different dtypes, and the texts as bytes."""
        return {"sum": tf.cast(a, tf.int64) + b, "a_bytes": tf.strings.as_string(a)}

    def total(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """One number for all rows."""
        return {"total": tf.reduce_sum(x)}

    def classify(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """The label of the text and its opposite, with the length as the score of POSITIVE."""
        features = {"text": tf.io.FixedLenFeature([], tf.string)}
        text = tf.io.parse_example(inputs, features)["text"]
        length = tf.cast(tf.strings.length(text), tf.float32)
        scores = tf.stack([-length, length], axis=1)
        return {"classes": tf.broadcast_to(tf.constant(LABELS), tf.shape(scores)), "scores": scores}


def save(folder: Path, version: int) -> None:
    """Write a version with the method of each signature as TF Serving wants it."""
    from tensorflow.core.protobuf import saved_model_pb2

    def spec(shape: list[int | None], dtype: tf.DType, name: str) -> tf.TensorSpec:
        return tf.TensorSpec(shape, dtype, name)

    probe = Probe(version)
    text = [spec([None], tf.string, "text")]
    specs = {
        "serving_default": (probe.text, text),
        "tokenize": (probe.tokenize, text),
        "rows": (probe.rows, [spec([None, None], tf.int32, "input_ids")]),
        "added": (probe.added, [spec([None, 2], tf.float32, "x")]),
        "two": (probe.two, [spec([None], tf.int32, "a"), spec([None], tf.int64, "b")]),
        "total": (probe.total, [spec([None], tf.float32, "x")]),
        "classify": (probe.classify, [spec([None], tf.string, "inputs")]),
    }
    signatures = {
        name: tf.function(call, input_signature=given, autograph=False).get_concrete_function()
        for name, (call, given) in specs.items()
    }
    target = folder / str(version)
    tf.saved_model.save(probe, str(target), signatures=signatures)
    path = target / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for graph in saved.meta_graphs:
        graph.signature_def["classify"].method_name = "tensorflow/serving/classify"
    path.write_bytes(saved.SerializeToString())
    provenance.write(target, {"tokenizer": None})
