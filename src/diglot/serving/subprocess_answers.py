"""Run requests on a SavedModel as a server would: TensorFlow's loader, a session, nothing else.

    python -m diglot.serving.subprocess_answers VERSION REQUESTS ANSWERS

It is run in a process of its own, in which torch, transformers and keras cannot be imported.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diglot.endpoints.saved_model import Session

if TYPE_CHECKING:
    from numpy.typing import NDArray

ABSENT = ("torch", "transformers", "keras", "tokenizers")


def warm(session: Session, folder: Path) -> int:
    """Replay the warmup requests; the number of them."""
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    from diglot.endpoints import layout

    count = 0
    for raw in tf.data.TFRecordDataset(str(folder / layout.WARMUP)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(raw)
        if log.HasField("classify_log"):
            examples = log.classify_log.request.input.example_list.examples
            session.run("classify", {"inputs": [one.SerializeToString() for one in examples]})
        else:
            request = log.predict_log.request
            inputs = {name: tf.make_ndarray(one) for name, one in request.inputs.items()}
            session.run(request.model_spec.signature_name, inputs)
        count += 1
    return count


def answer(session: Session, requests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The answer to each request, all of it as JSON has it; see :func:`main`."""
    answers = []
    for one in requests:
        inputs = one["inputs"]
        if one["signature"] == "classify":
            inputs = {"inputs": _examples(inputs)}
        outputs = session.run(one["signature"], inputs)
        answers.append({name: _plain(value) for name, value in outputs.items()})
    return answers


def main(folder: str, requests: str, answers: str) -> None:
    """Replay the warmup, and answer requests from a JSON file in another.

    Args:
        folder: the version.
        requests: a list of ``{"signature": ..., "inputs": {name: nested lists}}``.
        answers: where ``{"warmups": number, "answers": [{output: nested lists}]}`` is written.
    """
    session = Session(Path(folder))
    warmups = warm(session, Path(folder))
    given = json.loads(Path(requests).read_text("utf-8"))
    found = {"warmups": warmups, "answers": answer(session, given)}
    Path(answers).write_text(json.dumps(found), "utf-8")


def _examples(texts: Mapping[str, Sequence[str]]) -> list[bytes]:
    """Serialized ``tf.Example``s with the texts as their features."""
    import tensorflow as tf

    def feature(text: str) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))

    rows = [dict(zip(texts, row, strict=True)) for row in zip(*texts.values(), strict=True)]
    return [
        tf.train.Example(
            features=tf.train.Features(feature={name: feature(row[name]) for name in row})
        ).SerializeToString()
        for row in rows
    ]


def _plain(value: NDArray[Any]) -> Any:
    if value.dtype != object:
        return value.tolist()
    return np.vectorize(bytes.decode, otypes=[object])(value).tolist() if value.size else []


if __name__ == "__main__":
    for name in ABSENT:
        sys.modules[name] = None  # type: ignore[assignment] # importing it now fails
    main(*sys.argv[1:])
