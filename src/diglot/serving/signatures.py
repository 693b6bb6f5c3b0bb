"""The TensorFlow module whose functions become the signatures of a SavedModel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from diglot.endpoints.model import METADATA, Description

if TYPE_CHECKING:
    from diglot.lowering import Program
    from diglot.tokenization import GraphTokenizer

Tensors = dict[str, tf.Tensor]


class Servable(tf.Module):  # type: ignore[misc] # TensorFlow has no types
    """A checkpoint from the text to the label, in TensorFlow alone.

    Every function takes any number of rows, of any length. A row without tokens has no answer if
    the model takes one row at a time: its numbers are NaN, and the other rows keep theirs.
    """

    def __init__(
        self,
        program: Program,
        *,
        described: Description,
        pad: int | None,
        tokenizer: GraphTokenizer | None = None,
        pairs: bool = False,
        ids: tf.DType = tf.int32,
        freeze: bool = False,
        xla: bool = False,
    ) -> None:
        """Combine a lowered program and a compiled tokenizer.

        Args:
            program: the model: int64 inputs ``[batch, tokens]`` to logits ``[batch, labels]``.
            described: the head, its labels and its score function, and the model's limit.
            pad: the id that the model knows as padding; ``None`` if rows cannot share a batch.
            tokenizer: the compiled tokenizer; without it there are no signatures for text.
            pairs: whether each text has a second one.
            ids: the dtype of the inputs of an encoding.
            freeze: whether the weights become constants of the graph.
            xla: whether XLA compiles the program.
        """
        super().__init__(name="servable")
        self._names = tuple(program.inputs)
        task = described.task
        self._head = task.head
        self._labels = tf.constant(list(task.labels))
        self._description = tf.constant(described.to_json())
        self._apply = {"softmax": tf.nn.softmax, "sigmoid": tf.sigmoid, "none": tf.identity}[
            task.function
        ]
        self._pad = pad
        self._tokenizer = tokenizer
        self._ids = ids
        self._logits = self._core(program, freeze=freeze, xla=xla)
        self.functions = self._signatures(pairs=pairs)

    def _core(self, program: Program, *, freeze: bool, xla: bool) -> Callable[..., Any]:
        def run(*inputs: tf.Tensor) -> tf.Tensor:
            return tf.cast(
                program(**dict(zip(self._names, inputs, strict=True)))["logits"], tf.float32
            )

        signature = [tf.TensorSpec(shape, tf.int64, n) for n, shape in program.inputs.items()]
        core: Callable[..., Any] = tf.function(
            run, input_signature=signature, autograph=False, jit_compile=xla or None
        )
        # Variables are saved only where the module refers to them.
        self._program = None if freeze else program
        if freeze:
            core = _frozen(core)
        if program.inputs["input_ids"][0] == 1:
            return lambda *inputs: self._row_by_row(core, inputs)
        return core

    def _row_by_row(self, core: Callable[..., tf.Tensor], inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        """Run each row alone and without its padding, for a decoder without a pad token.

        A row that is masked entirely is run as it is, as PyTorch runs it. A row of no tokens at all
        cannot be run, and gives NaN.
        """
        mask = self._names.index("attention_mask")
        result = tf.TensorSpec([self._labels.shape[0]], tf.float32)

        def row(columns: Sequence[tf.Tensor]) -> tf.Tensor:
            real = columns[mask] > 0
            keep = real | ~tf.reduce_any(real)

            def logits() -> tf.Tensor:
                return core(*(tf.boolean_mask(column, keep)[None] for column in columns))[0]

            def nothing() -> tf.Tensor:
                return tf.fill(result.shape, tf.constant(np.nan, result.dtype))

            return tf.cond(tf.size(real) > 0, logits, nothing)

        return tf.map_fn(row, tuple(inputs), fn_output_signature=result)

    def _signatures(self, *, pairs: bool) -> dict[str, Any]:
        encoding = {name: tf.TensorSpec([None, None], self._ids, name) for name in self._names}
        lengths = {name: spec for name, spec in encoding.items() if name != "attention_mask"}
        lengths["length"] = tf.TensorSpec([None], self._ids, "length")
        signatures = {
            "encoded": _signature(self.encoded, encoding),
            "encoded_lengths": _signature(self.encoded_lengths, lengths),
            METADATA: _signature(self.metadata, {"row": tf.TensorSpec([None], self._ids, "row")}),
        }
        if self._tokenizer is None:
            return signatures
        names = ["text", "text_pair"] if pairs else ["text"]
        texts = {name: tf.TensorSpec([None], tf.string, name) for name in names}
        examples = {"inputs": tf.TensorSpec([None], tf.string, "inputs")}
        return signatures | {
            "serving_default": _signature(self.texts, texts),
            "tokenize": _signature(self.tokenize, texts),
            "classify": _signature(lambda inputs: self.examples(inputs, texts), examples),
        }

    def encoded(self, **encoding: tf.Tensor) -> Tensors:
        """An encoding, each ``[batch, tokens]``, to ``logits`` and ``probabilities``."""
        logits = self._logits(*(tf.cast(encoding[name], tf.int64) for name in self._names))
        return {"logits": logits, "probabilities": self._apply(logits)}

    def encoded_lengths(self, length: tf.Tensor, **encoding: tf.Tensor) -> Tensors:
        """The same, with the mask derived from the number of tokens in each row, ``[batch]``.

        When TF Serving gathers requests (``pad_variable_length_inputs``), it pads each tensor with
        the tensor's own first element, so a mask would be padded with ones. Here the values beyond
        a row's length do not matter.
        """
        mask = tf.sequence_mask(length, tf.shape(encoding["input_ids"])[1])
        beyond = {"input_ids": self._pad or 0}
        real = {
            name: tf.where(mask, value, tf.cast(beyond.get(name, 0), value.dtype))
            for name, value in encoding.items()
        }
        return self._tokens_only({**real, "attention_mask": tf.cast(mask, tf.int64)})

    def _tokens_only(self, encoding: Tensors) -> Tensors:
        """The answer to rows whose padding has no meaning, not even in a row without tokens."""
        answer = self.encoded(**encoding)
        if self._pad is not None:
            return answer
        empty = tf.reduce_max(encoding["attention_mask"], axis=-1, keepdims=True) < 1
        return {
            name: tf.where(empty, tf.constant(np.nan, value.dtype), value)
            for name, value in answer.items()
        }

    def tokenize(self, text: tf.Tensor, text_pair: tf.Tensor | None = None) -> Tensors:
        """Texts ``[batch]`` to the model's inputs ``[batch, tokens]``, padded on the right."""
        encoding = self._tokenizer(text, text_pair)  # type: ignore[misc] # only called with one
        return {name: tf.cast(encoding[name], self._ids) for name in self._names}

    def texts(self, text: tf.Tensor, text_pair: tf.Tensor | None = None) -> Tensors:
        """Texts ``[batch]`` to the best ``label`` and its ``score``, and all numbers."""
        answer = self._tokens_only(self.tokenize(text, text_pair))
        return {**self._head.signatures(self._labels, answer), **answer}

    def metadata(self, row: tf.Tensor) -> Tensors:
        """The export's description as JSON, once for each row ``[batch]``.

        The rows let a server batch this signature like any other.
        """
        return {METADATA: tf.fill(tf.shape(row), self._description)}

    def examples(self, inputs: tf.Tensor, texts: dict[str, tf.TensorSpec]) -> Tensors:
        """Serialized ``tf.Example`` messages ``[batch]`` to ``classes`` and ``scores``.

        This is the form of the Classify API. Source: TF Serving's ``classification.proto``.

        Args:
            inputs: the messages; their features are the texts by name.
            texts: the names and types of the texts.
        """
        features = {name: tf.io.FixedLenFeature([], tf.string) for name in texts}
        scores = self.texts(**tf.io.parse_example(inputs, features))["probabilities"]
        classes = tf.broadcast_to(self._labels, tf.shape(scores))
        return {"classes": classes, "scores": scores}


def _signature(function: Callable[..., Tensors], inputs: dict[str, tf.TensorSpec]) -> Any:
    """A concrete function of these inputs."""

    def call(*values: tf.Tensor) -> Tensors:
        return function(**dict(zip(inputs, values, strict=True)))

    specs = list(inputs.values())
    return tf.function(call, input_signature=specs, autograph=False).get_concrete_function()


def _frozen(function: Any) -> Callable[..., tf.Tensor]:
    """The same function with its variables turned into constants."""
    # TensorFlow's documents name it for this use, though it has no public path.
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    frozen = convert_variables_to_constants_v2(
        function.get_concrete_function(), lower_control_flow=False
    )
    return lambda *inputs: frozen(*inputs)[0]
