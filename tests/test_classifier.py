"""The classifier: what it takes, what it gives, and what it refuses."""

from collections import UserDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, normalizers

import diglot
from diglot import TextClassifier, checkpoints, heads
from diglot.backends import Model
from diglot.errors import CheckpointNotFoundError, InputError, SettingsError
from diglot.types import Outputs


class Recorder(Model):
    """A backend without a framework: the logits count a text's tokens, and calls are kept."""

    name = "recorder"

    def __init__(self) -> None:
        self.encodings: list[Mapping[str, Any]] = []

    def run(
        self, encoding: Mapping[str, Any], *, function: Any = None, hidden_states: bool = False
    ) -> Outputs:
        """Count the tokens."""
        self.encodings.append(encoding)
        tokens = encoding["attention_mask"].sum(1)
        logits = np.stack([5.0 - tokens, tokens - 5.0], axis=1).astype(np.float32)
        layer = encoding["input_ids"][:, :, None].astype(np.float32)
        scores = {} if function is None else {"logits": heads.scores(logits, function)}
        return Outputs({"logits": logits}, scores, (layer, layer) if hidden_states else ())

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of each batch, in the order in which they came."""
        return [encoding["input_ids"].shape for encoding in self.encodings]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def recorded(tiny: Path, recorder: Recorder) -> TextClassifier:
    """A classifier that says POSITIVE of texts of more than five tokens, NEGATIVE of shorter."""
    return TextClassifier.from_checkpoint(checkpoints.find(tiny), recorder, batch_size=2)


@pytest.fixture(scope="module", params=["torch", "tensorflow"])
def classifier(request: pytest.FixtureRequest, save_tiny: Any) -> TextClassifier:
    return TextClassifier.from_pretrained(save_tiny(initializer_range=0.3), request.param)


def labels(results: Any) -> list[str]:
    return [result["label"] for result in results]


SHORT, LONG = "a b", "a b c d e f"


class Rows:
    """A dataset as PyTorch's are: no iterator, an index and a length."""

    def __init__(self, rows: list[Any]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Any:
        return self.rows[index]


# ----- what it gives


def test_results_come_in_the_callers_order_whatever_the_batches(recorded: TextClassifier) -> None:
    texts = [LONG, SHORT, LONG, SHORT, SHORT]
    assert labels(recorded(texts)) == ["POSITIVE", "NEGATIVE", "POSITIVE", "NEGATIVE", "NEGATIVE"]


def test_like_lengths_share_batches_of_the_size_asked_for(
    recorded: TextClassifier, recorder: Recorder
) -> None:
    recorded([LONG, SHORT, LONG, SHORT, SHORT])
    assert recorder.shapes == [(2, 4), (2, 8), (1, 8)]
    recorder.encodings.clear()
    recorded([LONG, SHORT, LONG, SHORT, SHORT], batch_size=5)
    assert recorder.shapes == [(5, 8)]


def test_long_texts_come_in_smaller_batches(
    recorded: TextClassifier, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("diglot.batched_model._MAX_BATCH_TOKENS", 8)
    recorded([LONG, SHORT, LONG, SHORT])
    assert recorder.shapes == [(2, 4), (1, 8), (1, 8)]


def test_pairs_and_single_texts_may_be_mixed(recorded: TextClassifier, recorder: Recorder) -> None:
    mixed = [{"text": "a", "text_pair": LONG}, SHORT, [["a", "b"]], {"text": LONG, "label": 1}]
    assert labels(recorded(mixed)) == ["POSITIVE", "NEGATIVE", "NEGATIVE", "POSITIVE"]
    types = [row.sum() for each in recorder.encodings for row in each["token_type_ids"]]
    assert sorted(types) == [0, 0, 2, 7]


def test_one_second_text_may_go_to_all(recorded: TextClassifier) -> None:
    assert labels(recorded([SHORT, {"text": SHORT}], text_pair=SHORT)) == ["POSITIVE", "POSITIVE"]
    assert labels(recorded(SHORT, text_pair=SHORT)) == ["POSITIVE"]


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_an_empty_text_is_classified(recorded: TextClassifier, text: str) -> None:
    assert labels(recorded(text)) == ["NEGATIVE"]


def test_no_texts_give_no_results(recorded: TextClassifier) -> None:
    assert recorded([]) == []
    assert list(recorded(iter([]))) == []
    assert recorded.logits([]).shape == recorded.probabilities([]).shape == (0, 2)


# ----- streams


@pytest.mark.parametrize(
    "stream",
    [
        lambda texts: (text for text in texts),
        iter,
        lambda texts: map(str, texts),
        Rows,
        lambda texts: np.array(texts),
        lambda texts: dict.fromkeys(texts).keys(),
    ],
    ids=["generator", "iterator", "map", "dataset", "array", "keys"],
)
def test_streams_give_lazy_iterators(recorded: TextClassifier, stream: Any) -> None:
    results = recorded(stream([SHORT, LONG]))
    assert isinstance(results, Iterator)
    assert labels(results) == ["NEGATIVE", "POSITIVE"]


@pytest.mark.parametrize(("size", "ahead"), [(1, 1), (2, 16), (3, 24)])
def test_a_stream_is_read_a_window_ahead_and_no_more(
    recorded: TextClassifier, size: int, ahead: int
) -> None:
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        while True:
            read += 1
            yield SHORT

    results = recorded(endless(), batch_size=size)
    assert read == 0
    for _ in range(ahead):
        next(results)
    assert read == ahead
    next(results)
    assert read == 2 * ahead


def test_wrong_options_of_a_stream_are_reported_at_once(recorded: TextClassifier) -> None:
    with pytest.raises(InputError, match="'colour' is not an option"):
        recorded(iter([SHORT]), colour="red")


def test_a_fault_in_a_stream_has_its_place_in_the_whole(recorded: TextClassifier) -> None:
    results = recorded(iter([SHORT] * 20 + [3]))
    assert labels(next(results) for _ in range(16)) == ["NEGATIVE"] * 16
    with pytest.raises(InputError, match="the input at index 20 is 3, of the type int") as caught:
        next(results)
    assert caught.value.index == 20


def test_a_stream_of_long_texts_names_the_right_one(recorded: TextClassifier) -> None:
    results = recorded(iter([SHORT] * 17 + ["a " * 30]), truncation=False)
    with pytest.raises(InputError, match="the text at index 17 has 32 tokens") as caught:
        list(results)
    assert caught.value.index == 17


# ----- what it refuses


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (3, "the input is 3, of the type int; a text must be a str"),
        (None, "the input is None, of the type NoneType"),
        (b"x" * 50, r"the input is b'x{37}…, of the type bytes"),
        ([SHORT, None], "the input at index 1 is None"),
        ([["a", "b"]], 'index 0 is a list of 2, which might be a pair.*{"text": .*flat list'),
        ([["a"]], "the input at index 0 is a list of 1"),
        (("a", "b"), "the input is a tuple of 2"),
        ([[["a", 1]]], "the second text of the input at index 0 is 1, of the type int"),
        ({}, r"the input has the keys \(none\), but no 'text'"),
        ([{"txt": "a"}], "index 0 has the keys 'txt', but no 'text'"),
        ({"text": ["a", "b"]}, r"the input is \['a', 'b'\], of the type list"),
        ({"text": "a", "truncation": False}, r"options of the tokenizer \(truncation\)"),
        ("a\ud800b", r"the input holds a lone surrogate, U\+D800, at character 1"),
        ([{"text": "a", "text_pair": "\udfff"}], r"second text of the input at index 0.*U\+DFFF"),
    ],
)
def test_what_is_not_text_is_refused(recorded: TextClassifier, inputs: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        recorded(inputs)


def test_a_bad_input_of_a_list_is_reported_before_any_work(
    recorded: TextClassifier, recorder: Recorder
) -> None:
    with pytest.raises(InputError, match="index 40") as caught:
        recorded([SHORT] * 40 + [None])
    assert caught.value.index == 40
    assert recorder.encodings == []


def test_two_second_texts_are_one_too_many(recorded: TextClassifier) -> None:
    with pytest.raises(InputError, match="a second text of its own, and text_pair is another"):
        recorded({"text": "a", "text_pair": "b"}, text_pair="c")


def test_a_table_is_refused_rather_than_its_columns_classified(recorded: TextClassifier) -> None:
    class Table(UserDict[str, Any]):
        columns = ("text", "label")

    class Frame(Rows):
        columns = ("text", "label")

    with pytest.raises(InputError, match="the input is a Frame, a table; hand in one column"):
        recorded(Frame(["text", "label"]))
    with pytest.raises(InputError, match="no 'text'"):
        recorded(Table())


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ({"return_all_scores": True}, "write top_k=None"),
        ({"framework": "pt"}, 'write backend="torch"'),
        ({"return_tensors": "pt"}, "the options are .*max_length"),
        ({"is_split_into_words": True}, "the options are"),
    ],
)
def test_an_unknown_option_is_refused(
    recorded: TextClassifier, option: dict[str, Any], hint: str
) -> None:
    with pytest.raises(InputError, match=rf"{next(iter(option))}' is not an option here; {hint}"):
        recorded(SHORT, **option)


@pytest.mark.parametrize("size", [0, -1, 2.0, True, "2"])
def test_a_batch_size_is_a_number_above_zero(recorded: TextClassifier, size: Any) -> None:
    with pytest.raises(InputError, match="batch_size must be a whole number above 0"):
        recorded([SHORT], batch_size=size)


def test_what_the_tokenizer_refuses_is_told(recorded: TextClassifier) -> None:
    with pytest.raises(InputError, match=r"cannot encode the texts: .*foo") as caught:
        recorded(SHORT, truncation="foo")
    assert caught.value.__cause__ is not None
    with pytest.raises(InputError, match=r"the tokenizer cannot pad the texts: .*foo"):
        recorded(SHORT, padding="foo")


# ----- the length of texts


def test_a_long_text_is_cut_to_what_the_model_takes(
    recorded: TextClassifier, recorder: Recorder
) -> None:
    recorded("a " * 100)
    recorded("a " * 100, truncation=None)
    recorded("a " * 100, max_length=7)
    assert recorder.shapes == [(1, 24), (1, 24), (1, 7)]


@settings(deadline=None)
@given(
    first=st.tuples(st.text("abc ü", max_size=20), st.integers(1, 60)),
    second=st.tuples(st.text("abc ü", max_size=20), st.integers(1, 60)),
    limit=st.integers(1, 24),
    truncation=st.sampled_from([True, "only_first", "only_second"]),
)
def test_pairs_are_cut_as_the_tokenizer_cuts_them(
    tiny: Path, first: Any, second: Any, limit: int, truncation: Any
) -> None:
    classifier = TextClassifier.from_checkpoint(checkpoints.find(tiny), Recorder())
    pair = [f"{text} " * times + "." for text, times in (first, second)]
    options = {"truncation": truncation, "max_length": limit}
    try:
        expected = classifier.encoder.tokenizer(*pair, **options)["input_ids"]
    except Exception:  # there is no room for the text that is not to be cut
        expected = []
    if 1 <= len(expected) <= 24:
        assert classifier.encode(*pair, **options).input_ids.tolist() == [expected]
    else:
        with pytest.raises(InputError):
            classifier.encode(*pair, **options)


@pytest.fixture
def handed_over(recorded: TextClassifier, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of the pairs' first texts that the tokenizer is given."""
    lengths: list[int] = []
    kind = type(recorded.encoder.tokenizer)
    call = kind.__call__

    def watch(self: Any, text: Any, text_pair: Any = None, **options: Any) -> Any:
        if text_pair is not None:
            lengths.extend(map(len, text))
        return call(self, text, text_pair, **options)

    monkeypatch.setattr(kind, "__call__", watch)
    return lengths


def test_a_pair_of_very_long_texts_is_shortened_first(
    recorded: TextClassifier, handed_over: list[int]
) -> None:
    encoding = recorded.encode("a b " * 50_000, "c d " * 50_000)
    assert encoding.input_ids[0].tolist() == [2, *[5, 6] * 5, 3, *[7, 8] * 5, 7, 3]
    assert handed_over == [95]


def test_a_text_whose_end_decides_on_its_start_is_not_shortened(
    recorded: TextClassifier, handed_over: list[int]
) -> None:
    # A text that ends in x is a single z.
    backend = recorded.encoder.tokenizer.backend_tokenizer
    backend.normalizer = normalizers.Replace(Regex(r"\A.*x\z"), "z")
    text = "x a " * 300
    encoding = recorded.encode(text, "b")
    assert handed_over == [len(text)]
    assert encoding.input_ids[0].tolist() == [2, *[28, 5] * 10, 3, 6, 3]


def test_a_text_that_is_cut_at_its_start_keeps_its_end(recorded: TextClassifier) -> None:
    recorded.encoder.tokenizer.truncation_side = "left"
    encoding = recorded.encode("a " * 300 + "b c", "d", max_length=8)
    assert encoding.input_ids[0].tolist() == [2, 5, 5, 6, 7, 3, 8, 3]


def test_the_models_limit_holds_where_the_tokenizer_knows_none(
    recorded: TextClassifier, recorder: Recorder
) -> None:
    recorded.encoder.tokenizer.model_max_length = 10**30
    recorded("a " * 100)
    recorded(SHORT, padding="max_length", truncation=False)
    assert recorder.shapes == [(1, 24), (1, 24)]


@pytest.mark.parametrize("off", [False, "do_not_truncate"])
def test_a_long_text_is_refused_where_truncation_is_off(recorded: TextClassifier, off: Any) -> None:
    message = "the text has 102 tokens, and .* takes 24 at most; shorten it, or leave truncation on"
    with pytest.raises(InputError, match=message):
        recorded("a " * 100, truncation=off)
    with pytest.raises(InputError, match="the text at index 1 has 102 tokens") as caught:
        recorded([SHORT, "a " * 100], truncation=off)
    assert caught.value.index == 1
    assert labels(recorded([SHORT], truncation=off)) == ["NEGATIVE"]


def test_more_than_the_model_takes_cannot_be_asked_for(recorded: TextClassifier) -> None:
    with pytest.raises(InputError, match=r"has 50 tokens, and .* takes 24 at most"):
        recorded("a " * 100, max_length=50)


def test_padding_can_be_asked_for(recorded: TextClassifier, recorder: Recorder) -> None:
    recorded([SHORT, LONG], padding="max_length")
    recorded([SHORT, LONG], padding="max_length", max_length=10, truncation=False)
    recorded([SHORT, LONG], pad_to_multiple_of=5)
    recorded([SHORT, LONG], padding=False)
    assert recorder.shapes == [(2, 24), (2, 10), (2, 10), (1, 4), (1, 8)]


def test_padding_on_the_left_is_not_needed_among_texts_of_one_length(
    recorded: TextClassifier, recorder: Recorder
) -> None:
    recorded([SHORT, LONG, "b a"], padding_side="left")
    assert recorder.shapes == [(2, 4), (1, 8)]
    recorder.encodings.clear()
    recorded([SHORT, LONG], padding_side="left", padding="max_length", max_length=9)
    assert recorder.shapes == [(2, 9)]
    assert recorder.encodings[0]["attention_mask"][0].tolist() == [0] * 5 + [1] * 4


@pytest.fixture
def padless(tiny: Path, recorder: Recorder) -> TextClassifier:
    """As with GPT-2: the tokenizer has no pad token."""
    found = checkpoints.find(tiny)
    found.tokenizer.pad_token = None
    return TextClassifier.from_checkpoint(found, recorder)


def test_without_a_pad_token_each_text_is_a_batch(
    padless: TextClassifier, recorder: Recorder
) -> None:
    assert labels(padless([SHORT, LONG, SHORT])) == ["NEGATIVE", "POSITIVE", "NEGATIVE"]
    assert padless.logits([SHORT, LONG]).shape == (2, 2)
    assert recorder.shapes == [(1, 4), (1, 4), (1, 8), (1, 4), (1, 8)]


def test_without_a_pad_token_one_encoding_holds_one_length(padless: TextClassifier) -> None:
    assert padless.encode([SHORT, "b c"])["input_ids"].shape == (2, 4)
    for step in (padless.encode, padless.hidden_states, padless.explain):
        with pytest.raises(InputError, match="the 2 texts differ in length, and the model has no"):
            step([SHORT, LONG])
    with pytest.raises(InputError, match="cannot pad the texts: Asking to pad"):
        padless.encode([SHORT, LONG], padding=True)


def test_a_pad_token_that_the_model_does_not_know_is_none(tiny: Path, recorder: Recorder) -> None:
    found = checkpoints.find(tiny)
    found.config.pad_token_id = 7
    TextClassifier.from_checkpoint(found, recorder)([SHORT, LONG])
    assert recorder.shapes == [(1, 4), (1, 8)]


def test_a_text_without_tokens_is_refused(recorded: TextClassifier) -> None:
    with pytest.raises(InputError, match="the text at index 1 has no tokens") as caught:
        recorded(["a", ""], add_special_tokens=False)
    assert caught.value.index == 1
    with pytest.raises(InputError, match="the text has no tokens"):
        recorded("", add_special_tokens=False)
    with pytest.raises(InputError, match="the text at index 0 has no tokens"):
        recorded.encode(["", "a"], add_special_tokens=False)


# ----- the steps


def test_encode_gives_one_batch_of_arrays(recorded: TextClassifier) -> None:
    encoding = recorded.encode([SHORT, LONG])
    assert encoding["input_ids"].tolist() == [[2, 5, 6, 3, 0, 0, 0, 0], [2, 5, 6, 7, 8, 9, 10, 3]]
    assert encoding.attention_mask.tolist() == [[1] * 4 + [0] * 4, [1] * 8]
    assert encoding.token_type_ids.tolist() == [[0] * 8] * 2
    assert encoding.word_ids(0) == [None, 0, 1, *[None] * 5]
    assert encoding.char_to_token(1, 4) == 3
    left = recorded.encode([SHORT, LONG], padding_side="left")
    assert left.input_ids[0].tolist() == [0, 0, 0, 0, 2, 5, 6, 3]
    assert left.word_ids(0) == [*[None] * 5, 0, 1, None]
    assert recorded.encode("a", "b").token_type_ids.tolist() == [[0, 0, 0, 1, 1]]
    assert recorded.encode("a " * 99).input_ids.shape == (1, 24)


def test_an_empty_second_text_is_one_that_is_not_there(recorded: TextClassifier) -> None:
    """As in transformers' pipeline, which hands its tokenizer one pair at a time."""
    encoding = recorded.encode(["a", "a", "b"], ["", "b", "a b c"])
    assert encoding.input_ids.tolist()[0] == [2, 5, 3, 0, 0, 0, 0]
    assert encoding.attention_mask.sum(1).tolist() == [3, 5, 7]
    assert encoding.word_ids(1) == [None, 0, None, 0, None, None, None]
    assert recorded.logits(["a", "a"], ["", "b"]).tolist() == recorded.logits(encoding)[:2].tolist()
    assert recorded.explain(["a", "a"], ["", "b"]).text_pairs == ("", "b")


def test_tokenizers_written_in_python_serve_as_well(tiny: Path, recorder: Recorder) -> None:
    found = checkpoints.find(tiny)
    found.__dict__["tokenizer"] = transformers.ByT5Tokenizer(model_max_length=24)
    classifier = TextClassifier.from_checkpoint(found, recorder)
    assert classifier.encode(["é", "ab"]).input_ids.tolist() == [[198, 172, 1], [100, 101, 1]]
    assert labels(classifier(["a", "abcdef", {"text": "abc", "text_pair": "def"}])) == [
        "NEGATIVE",
        "POSITIVE",
        "POSITIVE",
    ]
    long = classifier.encode("a" * 999, "b" * 999, max_length=6)
    assert long.input_ids.tolist() == [[100, 100, 1, 101, 101, 1]]


@pytest.mark.parametrize(
    ("texts", "options", "message"),
    [
        (([],), {}, "there is no text to encode"),
        ((["a", "b"], ["c"]), {}, "there are 2 texts, but 1 second texts"),
        ((["a", 1],), {}, "the input at index 1 is 1"),
        ((["a", "b c"],), {"padding": False}, "the 2 texts differ in length, and padding is off"),
        (("a " * 99,), {"truncation": False}, "the text at index 0 has 101 tokens"),
    ],
)
def test_what_cannot_be_encoded_is_refused(
    recorded: TextClassifier, texts: tuple[Any, ...], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        recorded.encode(*texts, **options)


def test_the_steps_lead_to_the_same_scores(classifier: TextClassifier) -> None:
    texts = [SHORT, LONG, "z y x"]
    encoding = classifier.encode(texts)
    logits = classifier.logits(encoding)
    assert logits.shape == (3, 2)
    # Other batches round otherwise; the numbers are of the order of one.
    close = {"rtol": 0, "atol": 1e-5}
    np.testing.assert_allclose(classifier.logits(texts), logits, **close)
    np.testing.assert_allclose(classifier.logits(SHORT), logits[:1], **close)
    powers = np.exp(logits.astype(np.float64))
    expected = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(classifier.probabilities(texts), expected, **close)
    np.testing.assert_allclose(classifier.probabilities(encoding), expected, **close)
    plain = classifier.probabilities(texts, function_to_apply="none")
    np.testing.assert_allclose(plain, logits, **close)
    results = classifier(texts)
    assert labels(results) == [classifier.labels[best] for best in expected.argmax(axis=1)]
    np.testing.assert_allclose([r["score"] for r in results], expected.max(axis=1), **close)
    explanation = classifier.explain(texts)
    np.testing.assert_allclose(explanation.logits, logits, **close)
    np.testing.assert_allclose(explanation.probabilities, expected, **close)
    assert list(explanation.predictions) == labels(results)
    layers = classifier.hidden_states(texts)
    assert [layer.shape for layer in layers] == [(3, 8, 16)] * 3
    for ours, theirs, again in zip(
        layers, explanation.hidden_states, classifier.hidden_states(encoding), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_array_equal(ours, again)


def test_pairs_go_through_every_step(classifier: TextClassifier) -> None:
    logits = classifier.logits([SHORT], [LONG])
    assert not np.allclose(logits, classifier.logits([SHORT]), atol=1e-3)
    (result,) = classifier(SHORT, text_pair=LONG, function_to_apply="none", top_k=1)
    assert result["score"] == pytest.approx(logits.max(), abs=1e-5)
    assert classifier.explain(SHORT, LONG).text_pairs == (LONG,)


def test_a_text_is_answered_alone_as_among_others(classifier: TextClassifier) -> None:
    texts = [SHORT, LONG, "", "a " * 40, "q"]
    together = classifier(texts, top_k=None)
    for text, among in zip(texts, together, strict=True):
        (alone,) = classifier([text], top_k=None)
        assert labels(alone) == labels(among)
        scores = [[each["score"] for each in answer] for answer in (alone, among)]
        np.testing.assert_allclose(*scores, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["lists", "torch", "tensorflow", "int32"])
def test_an_encoding_from_elsewhere_is_taken(recorded: TextClassifier, kind: str) -> None:
    import tensorflow as tf
    import torch

    convert: Any = {
        "lists": lambda rows: rows.tolist(),
        "torch": torch.tensor,
        "tensorflow": tf.constant,
        "int32": lambda rows: rows.astype(np.int32),
    }[kind]
    encoding = {name: convert(rows) for name, rows in recorded.encode([SHORT, LONG]).items()}
    beside = {"special_tokens_mask": [[0] * 8] * 2}
    np.testing.assert_array_equal(recorded.logits(encoding | beside), [[1, -1], [-3, 3]])


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        ({"input_ids": [[1, 2], [3]]}, "cannot become NumPy arrays.*pad it to one length"),
        ({"input_ids": [[0.5]]}, "input_ids must hold whole numbers, not float64"),
        ({"input_ids": [1, 2]}, r"needs input_ids of the shape \[batch, tokens\].*\[2\]"),
        ({"input_ids": np.zeros((1, 0), int)}, "one token at least"),
        ({}, "it has nothing"),
        ({"attention_mask": [[1]]}, "needs input_ids"),
        ({"input_ids": [[1, 2]], "attention_mask": [[1]]}, "the rest of the same shape"),
        ({"input_ids": [[1] * 25]}, "25 tokens long, and .* takes 24 at most"),
        ({"input_ids": [[1]], "position_ids": [[0]]}, "holds position_ids, which .* takes input_i"),
    ],
)
def test_an_encoding_that_does_not_fit_is_refused(
    recorded: TextClassifier, encoding: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        recorded.logits(encoding)


def test_options_come_too_late_for_an_encoding(recorded: TextClassifier) -> None:
    encoding = recorded.encode(SHORT)
    with pytest.raises(InputError, match="text_pairs, max_length cannot be applied to an encoding"):
        recorded.logits(encoding, ["b"], max_length=3)
    with pytest.raises(InputError, match="truncation cannot be applied"):
        recorded.hidden_states(encoding, truncation=True)


# ----- making one


def test_defaults_hold_until_a_call_says_otherwise(tiny: Path, recorder: Recorder) -> None:
    made = TextClassifier.from_checkpoint(
        checkpoints.find(tiny), recorder, top_k=None, function_to_apply="none", max_length=3
    )
    # The list in a list is transformers' own, for a top_k that the call itself does not give.
    everything = [{"label": "NEGATIVE", "score": 2.0}, {"label": "POSITIVE", "score": -2.0}]
    assert made(LONG) == [everything]
    assert made(LONG, top_k=1) == everything[:1]
    assert made(LONG, top_k=1, max_length=8)[0]["score"] == 3.0
    assert made(LONG, top_k=1, function_to_apply="sigmoid")[0]["score"] == pytest.approx(0.880797)


@pytest.mark.parametrize(
    "wrong",
    [
        {"top_k": "all"},
        {"function_to_apply": "tanh"},
        {"batch_size": 0},
        {"colour": "red"},
        {"tokenizer": "bert"},
    ],
)
def test_wrong_defaults_are_refused_when_it_is_made(
    tiny: Path, recorder: Recorder, wrong: Any
) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        TextClassifier.from_checkpoint(checkpoints.find(tiny), recorder, **wrong)


def test_it_says_what_it_is(recorded: TextClassifier, tiny: Path) -> None:
    assert recorded.backend == "recorder"
    assert recorded.labels == ("NEGATIVE", "POSITIVE")
    assert recorded.name == str(tiny)
    assert recorded.task.head.task == "text-classification"
    assert repr(recorded) == f"TextClassifier({str(tiny)!r}, backend='recorder')"


def test_settings_fill_what_is_not_given(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, recorder: Recorder
) -> None:
    asked: dict[str, Any] = {}

    class Loaded(Recorder):
        @classmethod
        def load(cls, found: Any, **options: Any) -> Recorder:
            asked.update(options, labels=found.labels)
            return recorder

    monkeypatch.setattr("diglot.backends.require", lambda name: asked.update(name=name) or Loaded)
    monkeypatch.setenv("DIGLOT_CHECKPOINT", str(tiny))
    monkeypatch.setenv("DIGLOT_PRECISION", "float16")
    monkeypatch.setenv("DIGLOT_BATCH_SIZE", "1")
    made = TextClassifier.from_pretrained(backend="tensorflow", device="cpu", labels=["no", "yes"])
    assert asked == {
        "name": "tensorflow",
        "precision": "float16",
        "device": "cpu",
        "labels": ("no", "yes"),
    }
    assert labels(made([SHORT, LONG])) == ["no", "yes"]
    assert recorder.shapes == [(1, 4), (1, 8)]


def test_nothing_given_takes_pytorch(tiny: Path) -> None:
    assert TextClassifier.from_pretrained(tiny).backend == "torch"


@pytest.mark.parametrize("task", ["sentiment-analysis", "text-classification"])
def test_pipeline_is_the_same_by_another_name(tiny: Path, task: str) -> None:
    made = diglot.pipeline(task, model=tiny, backend="torch", top_k=1, device=-1)
    assert isinstance(made, TextClassifier)
    expected = TextClassifier.from_pretrained(tiny, "torch")([SHORT], top_k=1)
    assert made([SHORT]) == expected


def test_pipeline_refuses_other_tasks(tiny: Path) -> None:
    with pytest.raises(InputError, match=r"'fill-mask' is not .*'sentiment-.*'text-classif"):
        diglot.pipeline("fill-mask", model=tiny)


def test_pipeline_takes_the_numbers_of_gpus(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def from_pretrained(model: Any, backend: Any, **options: Any) -> None:
        asked.append(options)

    monkeypatch.setattr(TextClassifier, "from_pretrained", from_pretrained)
    for device in (1, -1, "cuda", None):
        diglot.pipeline("text-classification", model=tiny, device=device)
    diglot.pipeline("text-classification", model=tiny)
    assert asked == [
        {"device": "cuda:1"},
        {"device": "cpu"},
        {"device": "cuda"},
        {"device": None},
        {},
    ]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"backend": "jax"}, SettingsError),
        ({"checkpoint": "./nowhere"}, CheckpointNotFoundError),
        ({"precision": "int8"}, SettingsError),
        ({"function_to_apply": "tanh"}, InputError),
    ],
)
def test_wrong_arguments_are_refused(tiny: Path, options: dict[str, Any], error: Any) -> None:
    with pytest.raises(error, match=next(iter(options.values()))):
        TextClassifier.from_pretrained(**{"checkpoint": str(tiny)} | options)
