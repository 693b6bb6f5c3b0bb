"""``TextClassifier`` gives what transformers' own ``pipeline`` gives, field by field."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, event, given
from hypothesis import strategies as st

from diglot import TextClassifier
from diglot.errors import InputError
from diglot.parity.strategies import texts

from .architectures import CLS, MAX_TOKENS, PAD, SEP, VOCABULARY, torch_model

# The bound of transformers' own tests of its TensorFlow classes against its PyTorch classes. It is
# about a hundred roundings of the scores of softmax and sigmoid, which lie below one; for raw
# logits, it is multiplied by the largest.
TOLERANCE = 1e-5

HEADS: Mapping[str, Mapping[str, Any]] = {
    "single label": {"architecture": "bert"},
    "multi label": {
        "architecture": "distilbert",
        "problem_type": "multi_label_classification",
    },
    "one label": {"architecture": "bert", "num_labels": 1},
    "regression": {"architecture": "bert", "num_labels": 1, "problem_type": "regression"},
    "decoder": {"architecture": "gpt2"},
    "decoder padded left": {"architecture": "gpt2"},
    "decoder without a pad token": {"architecture": "gpt2", "pad_token_id": None},
}

BACKENDS = ("torch", "tensorflow")


@dataclass(frozen=True)
class Sides:
    """One checkpoint in transformers' pipeline and in diglot."""

    pipeline: Any
    classifier: TextClassifier

    def has_tokens(self, item: Any) -> bool:
        """Whether the item has tokens; a decoder's tokenizer gives none for ""."""
        return bool(self.pipeline.preprocess(item)["input_ids"].numel())


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Sides]:
    """A function that gives both sides of a head; it makes each side once."""

    @cache
    def folder(head: str) -> Path:
        path = tmp_path_factory.mktemp("checkpoint")
        changes = dict(HEADS[head])
        model = torch_model(changes.pop("architecture"), **changes)
        model.config.id2label = {i: f"label {i}" for i in range(model.config.num_labels)}
        model.config.label2id = {label: i for i, label in model.config.id2label.items()}
        model.save_pretrained(path)
        tokenizer(head).save_pretrained(path)
        return path

    @cache
    def in_transformers(head: str) -> Any:
        from transformers import pipeline

        return pipeline("text-classification", model=str(folder(head)), device="cpu")

    @cache
    def both(head: str, backend: str) -> Sides:
        classifier = TextClassifier.from_pretrained(folder(head), backend, device="cpu")
        return Sides(in_transformers(head), classifier)

    return both


def tokenizer(head: str) -> Any:
    """A tokenizer with letters as word pieces; for a decoder, it adds no special tokens."""
    import transformers

    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
    letters = "abcdefghijklmnopqrstuvwxyz"
    pieces = [*special, *letters, *(f"##{letter}" for letter in letters), "not", "good"]
    assert [pieces.index(token) for token in special[:3]] == [PAD, CLS, SEP]
    assert len(pieces) <= VOCABULARY
    bert = transformers.BertTokenizer(vocab={piece: index for index, piece in enumerate(pieces)})
    options = {"unk_token": "[UNK]", "model_max_length": MAX_TOKENS}
    if HEADS[head]["architecture"] != "gpt2":
        bert.model_max_length = MAX_TOKENS
        return bert
    bert.backend_tokenizer.post_processor = None
    if HEADS[head].get("pad_token_id", PAD) is not None:
        options |= {"pad_token": "[PAD]"}
    if head == "decoder padded left":
        options |= {"padding_side": "left"}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=bert.backend_tokenizer, **options)


class Rows(torch.utils.data.Dataset[Any]):
    """A dataset that both sides read as a stream."""

    def __init__(self, rows: list[Any]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Any:
        return self.rows[index]


# To truncate a pair, the tokenizers library combines every part of one text with every part of the
# other before it drops them: two very long texts would take gigabytes.
partners = texts.map(lambda text: text[: 4 * MAX_TOKENS])

items = st.one_of(
    texts,
    st.builds(lambda text: {"text": text}, texts),
    st.builds(lambda text, pair: {"text": text, "text_pair": pair}, partners, partners | st.none()),
    st.builds(lambda text, pair: [[text, pair]], partners, partners),
    st.builds(lambda text: {"text": text, "label": 1}, texts),
)

# Each function is called for each side, because a generator can be read only once.
forms: st.SearchStrategy[Callable[[list[Any]], Any]] = st.sampled_from(
    [
        lambda rows: rows,
        lambda rows: (row for row in rows),
        Rows,
        lambda rows: rows[0] if not isinstance(rows[0], list) else rows,
    ]
)

options_drawn = st.fixed_dictionaries(
    {},
    optional={
        "top_k": st.none() | st.integers(-4, 4) | st.just(99) | st.booleans(),
        "function_to_apply": st.sampled_from([None, "softmax", "sigmoid", "none", "SIGMOID"]),
        "max_length": st.integers(4, MAX_TOKENS),
        "add_special_tokens": st.just(True),
    },
)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("head", HEADS)
@given(
    rows=st.lists(items, min_size=1, max_size=5),
    form=forms,
    options=options_drawn,
    batch_size=st.sampled_from([None, 1, 2, 3]),
)
def test_it_gives_what_the_pipeline_gives(
    sides: Callable[[str, str], Sides],
    head: str,
    backend: str,
    rows: list[Any],
    form: Callable[[list[Any]], Any],
    options: dict[str, Any],
    batch_size: int | None,
) -> None:
    both = sides(head, backend)
    rows = list(filter(both.has_tokens, rows))
    assume(rows)
    expected = both.pipeline(form(rows), truncation=True, **options)
    ranking = both.pipeline(form(rows), truncation=True, **options | {"top_k": None})
    actual = both.classifier(form(rows), batch_size=batch_size, **options)
    if not isinstance(form(rows), str | dict | list):
        assert isinstance(actual, Iterator)
        expected, ranking, actual = list(expected), list(ranking), list(actual)
    if assert_same(actual, expected, ranking):
        event("labels within the tolerance changed places")


def assert_same(actual: Any, expected: Any, ranking: Any) -> int:
    """Compares results with transformers' results: shapes, keys, types, labels, scores.

    Args:
        actual: diglot's result.
        expected: transformers' result for the same call.
        ranking: transformers' result for ``top_k=None``: one ranking for each text.

    Returns:
        The number of labels that changed places with a label within the tolerance.
    """
    assert type(actual) is type(expected)
    if isinstance(expected, dict):
        return _assert_same_prediction(actual, expected, ranking)
    assert len(actual) == len(expected)
    # One ranking belongs to all predictions of one text; several belong to one text each.
    nested = isinstance(ranking[0], list)
    rankings = ranking if nested else [ranking] * len(expected)
    return sum(map(assert_same, actual, expected, rankings))


def _assert_same_prediction(
    actual: dict[str, Any], expected: dict[str, Any], ranking: list[dict[str, Any]]
) -> int:
    assert list(actual) == list(expected) == ["label", "score"]
    assert type(actual["label"]) is str
    assert type(actual["score"]) is float
    scores = {prediction["label"]: prediction["score"] for prediction in ranking}
    bound = TOLERANCE * max(1.0, *map(abs, scores.values()))
    assert abs(actual["score"] - expected["score"]) <= bound, (actual, expected)
    if actual["label"] == expected["label"]:
        return 0
    # Two labels may change places only if they are so close that rounding decides.
    margin = abs(scores[actual["label"]] - scores[expected["label"]])
    assert margin <= 2 * bound, (actual, expected, ranking)
    return 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda right: right | {"label": "label 2"}, "label 2"),
        (lambda right: right | {"score": right["score"] + 2e-5}, "score"),
        (lambda right: right | {"score": float("nan")}, "nan"),
        (lambda right: right | {"score": np.float32(right["score"])}, "float32"),
        (lambda right: right | {"rank": 1}, "rank"),
        (lambda right: [right], "list"),
        (lambda right: {"score": right["score"], "label": right["label"]}, "label"),
    ],
)
def test_the_comparison_finds_each_kind_of_fault(wrong: Any, message: str) -> None:
    ranking = [{"label": "label 1", "score": 0.75}, {"label": "label 2", "score": 0.25}]
    assert_same([ranking[0]], [ranking[0]], [ranking])
    assert_same(ranking, ranking, ranking)
    with pytest.raises(AssertionError, match=message):
        assert_same([wrong(ranking[0])], [ranking[0]], [ranking])
    with pytest.raises(AssertionError):
        assert_same([ranking[0]], [ranking[0]] * 2, [ranking] * 2)


def test_labels_may_change_places_within_the_tolerance_only() -> None:
    tied = [{"label": "a", "score": 0.500004}, {"label": "b", "score": 0.499996}]
    assert assert_same([tied[1]], [tied[0]], [tied]) == 1
    assert assert_same([tied[0]], [tied[0]], [tied]) == 0
    apart = [{"label": "a", "score": 0.50002}, {"label": "b", "score": 0.49998}]
    with pytest.raises(AssertionError):
        assert_same([{"label": "b", "score": 0.50002}], [apart[0]], [apart])


# ----- deliberate differences


class Indexable:
    """A dataset that is no subclass of PyTorch's."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> str:
        return ["a", "b"][index]


@dataclass(frozen=True)
class Deviation:
    """One accepted difference between transformers and diglot.

    Attributes:
        inputs: makes the inputs of the call.
        options: the options of the call.
        error: the class of transformers' error; ``None`` if transformers answers.
        equivalent: the inputs and options of a call to which transformers gives the answer that
            diglot gives to this one; ``None`` if diglot raises an ``InputError``.
        reason: why diglot differs.
    """

    inputs: Callable[[], Any]
    options: Mapping[str, Any]
    error: type[Exception] | None
    equivalent: tuple[Any, Mapping[str, Any]] | None
    reason: str


LONG = "a good film " * 40
PLAIN: Mapping[str, Any] = {}

DEVIATIONS = {
    "over-long text": Deviation(
        lambda: LONG, PLAIN, RuntimeError, (LONG, {"truncation": True}), "truncation is the default"
    ),
    "over-long texts, no truncation": Deviation(
        lambda: ["a", LONG],
        {"truncation": False},
        RuntimeError,
        None,
        "the error gives the numbers",
    ),
    "iterator": Deviation(
        lambda: iter(["a", "b"]), PLAIN, ValueError, (["a", "b"], PLAIN), "iterators stream as well"
    ),
    "dataset of another kind": Deviation(
        Indexable,
        PLAIN,
        ValueError,
        (["a", "b"], PLAIN),
        "a dataset is anything with items and a length",
    ),
    "tuple": Deviation(
        lambda: ("a", "b"), PLAIN, None, None, "only the first of several texts is answered"
    ),
    "list of tuples": Deviation(
        lambda: [("a", "b")], PLAIN, None, None, "only the first of several texts is answered"
    ),
    "several texts under one key": Deviation(
        lambda: {"text": ["a", "b"]}, {"padding": True}, None, None, "only the first is answered"
    ),
    "options in the input": Deviation(
        lambda: {"text": "a", "max_length": 5}, PLAIN, None, None, "options belong to the call"
    ),
    "top_k that is no number": Deviation(
        lambda: "a", {"top_k": "2"}, None, None, "treated as absent"
    ),
    "retired option": Deviation(
        lambda: "a", {"return_all_scores": True}, None, None, "ignored silently"
    ),
    "unknown option": Deviation(lambda: "a", {"truncate": True}, None, None, "ignored silently"),
    "unknown function": Deviation(
        lambda: "a", {"function_to_apply": "tanh"}, KeyError, None, "the error names the functions"
    ),
    "lone surrogate": Deviation(
        lambda: "a\ud800", PLAIN, TypeError, None, "the error names the character"
    ),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", DEVIATIONS)
def test_each_deviation_is_as_declared(
    sides: Callable[[str, str], Sides], backend: str, name: str
) -> None:
    both, deviation = sides("single label", backend), DEVIATIONS[name]
    with pytest.raises(deviation.error) if deviation.error else nullcontext():
        both.pipeline(deviation.inputs(), **deviation.options)
    if deviation.equivalent is None:
        with pytest.raises(InputError):
            both.classifier(deviation.inputs(), **deviation.options)
        return
    actual = both.classifier(deviation.inputs(), **deviation.options)
    inputs, options = deviation.equivalent
    expected = both.pipeline(inputs, **options)
    ranking = both.pipeline(inputs, **options, top_k=None)
    assert_same(actual if isinstance(actual, list) else list(actual), expected, ranking)


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_texts_give_no_results(sides: Callable[[str, str], Sides], backend: str) -> None:
    """Transformers looks for chat messages in the first text, and there is none."""
    both = sides("single label", backend)
    with pytest.raises(IndexError):
        both.pipeline([])
    assert both.classifier([]) == []


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "inputs",
    [
        None,
        3,
        b"a",
        ["a", 3],
        [None],
        [["a"]],
        [["a", "b"]],
        [["a", "b"], ["b", "a"]],
        {},
        {"text_pair": "a"},
        {"text": None},
        [{"text": 3}],
    ],
    ids=repr,
)
def test_both_refuse(sides: Callable[[str, str], Sides], backend: str, inputs: Any) -> None:
    both = sides("single label", backend)
    with pytest.raises(ValueError, match=r"."):
        both.pipeline(inputs)
    with pytest.raises(InputError):
        both.classifier(inputs)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("head", [head for head in HEADS if head.startswith("decoder")])
def test_a_decoder_refuses_a_text_without_tokens(
    sides: Callable[[str, str], Sides], head: str, backend: str
) -> None:
    both = sides(head, backend)
    with pytest.raises(RuntimeError):
        both.pipeline("")
    with pytest.raises(InputError, match="the text has no tokens"):
        both.classifier("")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_batch_padded_left_answers_as_each_text_alone(
    sides: Callable[[str, str], Sides], backend: str
) -> None:
    """GPT-2 counts positions from the left, padding included, which changes its own answers."""
    both = sides("decoder padded left", backend)
    rows = ["a good film", "not", "b"]
    alone = both.pipeline(rows, top_k=None)
    assert_same(both.classifier(rows, top_k=None), alone, alone)
    with pytest.raises(AssertionError):
        assert_same(both.pipeline(rows, top_k=None, batch_size=3), alone, alone)


@pytest.mark.parametrize("backend", BACKENDS)
def test_options_given_once_hold_for_every_call(
    sides: Callable[[str, str], Sides], backend: str, tmp_path: Path
) -> None:
    import transformers

    import diglot

    folder = str(sides("single label", backend).classifier.encoder.checkpoint.path)
    defaults = {"top_k": None, "function_to_apply": "none", "max_length": 4, "truncation": True}
    arguments = {"task": "sentiment-analysis", "model": folder, "device": -1, **defaults}
    pipeline = transformers.pipeline(**arguments)
    classifier = diglot.pipeline(**arguments, backend=backend)
    for call in (PLAIN, {"top_k": 2}, {"function_to_apply": "softmax"}, {"max_length": 6}):
        for inputs in ("a good film", ["a good film", "not"], {"text": "a good film"}):
            expected = pipeline(inputs, **call)
            ranking = pipeline(inputs, **call | {"top_k": None})
            assert_same(classifier(inputs, **call), expected, ranking)
