"""The signatures alone, around a program whose logits are known without running it."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from diglot.endpoints.model import METADATA, Description
from diglot.heads import SEQUENCE_CLASSIFICATION, Task
from diglot.serving.signatures import Servable
from diglot.serving.targets import warmup

PAD = 9


class Sums:
    """Logits by hand: the sum of the real ids, its negative, and so on for each label."""

    def __init__(self, labels: int, batch: int | None) -> None:
        self.inputs = dict.fromkeys(("input_ids", "attention_mask"), (batch, None))
        self._signs = tf.constant([1.0, -1.0, 0.0][:labels])

    def __call__(self, input_ids: Any, attention_mask: Any) -> dict[str, Any]:
        """Two arrays ``[batch, tokens]`` to logits ``[batch, labels]``."""
        if self.inputs["input_ids"][0] == 1:
            # A row comes alone, without padding; or as it is, if all of it is masked.
            same = tf.equal(attention_mask, attention_mask[:, :1])
            tf.debugging.assert_equal(same, tf.ones_like(same))
            tf.debugging.assert_greater(tf.size(input_ids), 0)
        total = tf.reduce_sum(input_ids * attention_mask, axis=-1, keepdims=True)
        # Padding is no part of the sum, but the program sees what stands there.
        beyond = tf.reduce_max(input_ids * (1 - attention_mask), axis=-1, keepdims=True)
        tf.debugging.assert_less_equal(beyond, tf.constant(PAD, tf.int64))
        return {"logits": tf.cast(total, tf.float32) * self._signs}


class Bytes:
    """One token for each byte of a text, and of the second one."""

    def __call__(self, text: Any, pair: Any = None) -> dict[str, Any]:
        """Texts ``[batch]`` to ids and their mask ``[batch, tokens]``."""
        both = text if pair is None else text + pair
        ids = tf.cast(tf.strings.unicode_decode(both, "UTF-8"), tf.int64) - 96
        mask = tf.ones_like(ids).to_tensor(0)
        return {"input_ids": ids.to_tensor(PAD), "attention_mask": mask}


def servable(
    function: Any = "softmax",
    labels: int = 2,
    pairs: bool = False,
    pad: int | None = PAD,
    ids: Any = tf.int32,
) -> Any:
    program: Any = Sums(labels, 1 if pad is None else None)
    tokenizer: Any = Bytes()
    names = ["PLUS", "MINUS", "NONE"][:labels]
    task = Task(SEQUENCE_CLASSIFICATION, tuple(names), function)
    found = Servable(
        program,
        described=Description(task, 24),
        pad=pad,
        tokenizer=tokenizer,
        pairs=pairs,
        ids=ids,
    )
    return SimpleNamespace(**found.functions)


def plain(outputs: dict[str, Any]) -> dict[str, Any]:
    return {name: tensor.numpy().tolist() for name, tensor in outputs.items()}


@pytest.mark.parametrize("pad", [PAD, None])
@pytest.mark.parametrize("signature", ["serving_default", "tokenize", "classify"])
def test_no_text_at_all(signature: str, pad: int | None) -> None:
    (text,) = getattr(servable(pad=pad), signature).structured_input_signature[0]
    outputs = getattr(servable(pad=pad), signature)(tf.zeros([0], text.dtype))
    assert {len(one) for one in outputs.values()} == {0}


@pytest.mark.parametrize("pad", [PAD, None])
def test_no_encoding_at_all(pad: int | None) -> None:
    found, none = servable(pad=pad), tf.zeros([0, 3], tf.int32)
    assert found.encoded(none, none)["logits"].shape == (0, 2)
    assert found.encoded_lengths(none, none[:, 0])["probabilities"].shape == (0, 2)


@pytest.mark.parametrize(
    ("function", "probabilities"),
    [
        ("none", [3.0, -3.0, 0.0]),
        # 1 / (1 + exp(-3)), and its complement.
        ("sigmoid", [0.9525741, 0.0474259, 0.5]),
        # exp(3), exp(-3) and 1 through their sum.
        ("softmax", [0.9503303, 0.0023556, 0.0473142]),
    ],
)
def test_every_kind_of_score(function: str, probabilities: list[float]) -> None:
    answer = plain(servable(function, 3).serving_default(tf.constant(["ab"])))
    assert answer["logits"] == [[3.0, -3.0, 0.0]]
    assert answer["probabilities"][0] == pytest.approx(probabilities, abs=1e-6)
    assert answer["score"] == pytest.approx([max(probabilities)], abs=1e-6)
    assert answer["label"] == [b"PLUS"]


def test_one_label() -> None:
    answer = plain(servable("none", 1).serving_default(tf.constant(["ab", ""])))
    assert answer["label"] == [b"PLUS", b"PLUS"]
    assert answer["score"] == [3.0, 0.0]


def test_pairs_in_every_signature_for_text() -> None:
    found = servable(pairs=True)
    texts = tf.constant(["a", "b"]), tf.constant(["bc", ""])
    assert plain(found.tokenize(*texts))["input_ids"] == [[1, 2, 3], [2, PAD, PAD]]
    assert plain(found.serving_default(*texts))["logits"] == [[6.0, -6.0], [2.0, -2.0]]
    features = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        for name, value in (("text", b"a"), ("text_pair", b"bc"))
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    answer = plain(found.classify(tf.constant([example.SerializeToString()])))
    assert answer["classes"] == [[b"PLUS", b"MINUS"]]
    # exp(6) through exp(6) + exp(-6).
    assert answer["scores"][0] == pytest.approx([0.9999939, 0.0000061], abs=1e-6)


@pytest.mark.parametrize("pad", [PAD, None])
@pytest.mark.parametrize("ids", [tf.int32, tf.int64])
def test_what_stands_beyond_the_length_is_padding(pad: int | None, ids: Any) -> None:
    found = servable(pad=pad, ids=ids)
    encoding = tf.constant([[1, 99, 99], [4, 5, 6]], ids)
    answer = plain(found.encoded_lengths(encoding, tf.constant([1, 3], ids)))
    assert answer["logits"] == [[1.0, -1.0], [15.0, -15.0]]
    mask = tf.constant([[1, 0, 0], [1, 1, 1]], ids)
    inside = tf.constant([[1, 0, 0], [4, 5, 6]], ids)
    assert plain(found.encoded(inside, mask))["logits"] == answer["logits"]
    assert found.tokenize(tf.constant(["a"]))["input_ids"].dtype == ids


def test_the_description() -> None:
    answer = plain(getattr(servable("sigmoid", 3), METADATA)(tf.constant([7, 7])))
    assert len(answer[METADATA]) == 2
    told = Description.from_json(answer[METADATA][1].decode())
    assert told == Description(
        Task(SEQUENCE_CLASSIFICATION, ("PLUS", "MINUS", "NONE"), "sigmoid"), 24
    )


def test_a_row_without_tokens_does_not_fail_the_others() -> None:
    """The model takes one row at a time. A server may gather the rows of several clients."""
    alone = servable(pad=None)
    answer = plain(alone.serving_default(tf.constant(["ab", "", "c"])))
    assert [answer["logits"][row] for row in (0, 2)] == [[3.0, -3.0], [3.0, -3.0]]
    assert answer["label"][0] == answer["label"][2] == b"PLUS"
    for name in ("logits", "probabilities"):
        assert np.isnan(answer[name][1]).all()
    assert np.isnan(answer["score"][1])
    assert np.isnan(plain(alone.serving_default(tf.constant([""])))["logits"]).all()

    ids, lengths = tf.constant([[1, 9], [4, 5]]), tf.constant([0, 2])
    answer = plain(alone.encoded_lengths(ids, lengths))
    assert np.isnan(answer["logits"][0]).all()
    assert answer["logits"][1] == [9.0, -9.0]


def test_a_row_that_is_masked_entirely_is_run_as_it_is() -> None:
    """As PyTorch runs it; the sum of no ids is zero."""
    ids, mask = tf.constant([[1, 9], [4, 5]]), tf.constant([[0, 0], [1, 0]])
    answer = plain(servable(pad=None).encoded(ids, mask))
    assert answer["logits"] == [[0.0, 0.0], [4.0, -4.0]]


def test_the_warmup_asks_every_signature_for_what_it_takes() -> None:
    """Each is answered, at every batch size and length, by pairs too."""
    functions = vars(servable(pairs=True))
    logs = list(warmup.requests("one", functions, most=24, pad=PAD))
    seen = set()
    for log in logs:
        if log.HasField("classify_log"):
            examples = log.classify_log.request.input.example_list.examples
            given = [tf.constant([one.SerializeToString() for one in examples])]
            signature, name = "classify", log.classify_log.request.model_spec.name
        else:
            request = log.predict_log.request
            signature, name = request.model_spec.signature_name, request.model_spec.name
            specs = functions[signature].structured_input_signature[0]
            arrays = {key: tf.make_ndarray(one) for key, one in request.inputs.items()}
            assert set(arrays) == {one.name for one in specs}
            given = [tf.constant(arrays[one.name], one.dtype) for one in specs]
        assert name == "one"
        outputs = functions[signature](*given)
        assert {len(one) for one in outputs.values()} == {len(given[0])}
        widths = [one.shape[1] for one in given if one.shape.rank == 2]
        seen.add((signature, len(given[0]), *widths[:1]))
        if signature == "encoded":
            assert given[1].numpy().all()
        if signature == "encoded_lengths":
            assert given[1].numpy().tolist() == [given[0].shape[1]] * len(given[0])
    batches = {size for signature, size, *_ in seen if signature == "serving_default"}
    assert batches == {1, 2, 4, 8, 16, 32}
    assert {one for one in seen if one[0] == "encoded"} == {
        *(("encoded", size, 16) for size in batches),
        ("encoded", 1, 24),
    }


@pytest.mark.parametrize(
    ("most", "lengths"),
    [
        (8, (8,)),
        (16, (16,)),
        (100, (16, 64, 100)),
        (512, (16, 64, 256, 512)),
        (8192, (16, 64, 256, 512)),
        (None, (16, 64, 256, 512)),
    ],
)
def test_lengths_to_warm_up(most: int | None, lengths: tuple[int, ...]) -> None:
    assert warmup.lengths(most) == lengths
