"""``classifier(..., on_error=...)``: each text's result, or its error in place of the result."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diglot import TextClassifier
from diglot.backends import Model
from diglot.errors import BackendError, InputError

LONG = "a " * 60
"""A text of more tokens than the tiny model takes."""

ODD = "z"
"""A text whose token the picky model refuses."""


@pytest.fixture(scope="module")
def classifier(tiny: Path) -> TextClassifier:
    return TextClassifier.from_pretrained(tiny, "torch")


class Picky(Model):
    """A model that refuses each batch with one token, as one that lacks that token's embedding."""

    name = "picky"
    failure: type[Exception] = InputError

    def __init__(self, model: Any, token: int) -> None:
        self.model = model
        self.token = token
        self.calls = 0

    def run(self, encoding: Any, **options: Any) -> Any:
        """The answer of the model, or the refusal."""
        self.calls += 1
        if (encoding["input_ids"] == self.token).any():
            raise self.failure("the model refuses the batch")
        return self.model.run(encoding, **options)


def picky(classifier: TextClassifier) -> tuple[TextClassifier, Picky]:
    ids = classifier.encode(ODD)["input_ids"]
    model = Picky(classifier._model, int(ids[0, 1]))
    return TextClassifier(classifier.task, classifier.encoder, model), model


def outcomes(classifier: TextClassifier, texts: list[Any], **options: Any) -> list[Any]:
    """The results, with ``(index, message)`` in place of a result."""
    return list(
        classifier(iter(texts), on_error=lambda index, error: (index, str(error)), **options)
    )


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.sampled_from(["a b", "c", "d e f", 5, "\ud800", LONG, ODD]), max_size=20),
    st.sampled_from([1, 2, 8]),
)
def test_each_text_has_its_result_or_its_error(
    classifier: TextClassifier, texts: list[Any], size: int
) -> None:
    refusing, _ = picky(classifier)
    got = outcomes(refusing, texts, truncation=False, batch_size=size)

    assert len(got) == len(texts)
    for index, (text, outcome) in enumerate(zip(texts, got, strict=True)):
        if text in ("a b", "c", "d e f"):
            expected = classifier({"text": text})
            assert outcome["label"] == expected["label"]
            assert outcome["score"] == pytest.approx(expected["score"], abs=1e-6)
        else:
            place, message = outcome
            assert place == index
            beginning = {5: "the input is 5", "\ud800": "the input holds a lone surrogate"}
            beginning |= {LONG: "the text has 62 tokens", ODD: "the model refuses the batch"}
            assert message.startswith(beginning[text])


def test_a_list_gives_the_same(classifier: TextClassifier) -> None:
    texts = ["a b", 5, "c"]

    assert classifier(texts, on_error=lambda index, error: (index, str(error))) == outcomes(
        classifier, texts
    )


def test_without_the_function_the_first_error_is_raised(classifier: TextClassifier) -> None:
    with pytest.raises(InputError, match="the input at index 1 is 5"):
        classifier(["a b", 5, "c"])


def test_without_errors_the_results_do_not_change(classifier: TextClassifier) -> None:
    texts = ["a b c", "d", "e f", "g h i j"] * 5

    assert outcomes(classifier, texts, batch_size=3, top_k=None) == classifier(
        texts, batch_size=3, top_k=None
    )


def test_a_refused_batch_is_run_row_by_row_and_no_other_batch_is(
    classifier: TextClassifier,
) -> None:
    refusing, model = picky(classifier)
    got = outcomes(refusing, ["a"] * 100 + [ODD] + ["a"] * 99, batch_size=10)

    assert got[100] == (100, "the model refuses the batch")
    assert all(isinstance(outcome, dict) for outcome in got[:100] + got[101:])
    # 20 batches, of which one is run again in 10 rows.
    assert model.calls == 30


@pytest.mark.parametrize("failure", [BackendError, ValueError, ZeroDivisionError])
def test_an_error_that_is_not_about_the_input_is_raised(
    classifier: TextClassifier, failure: type[Exception]
) -> None:
    refusing, model = picky(classifier)
    model.failure = failure

    with pytest.raises(failure, match="the model refuses the batch"):
        outcomes(refusing, ["a", ODD, "b"])


def test_an_error_of_the_stream_itself_is_raised(classifier: TextClassifier) -> None:
    def stream() -> Iterator[str]:
        yield "a"
        raise InputError("the stream is broken")

    with pytest.raises(InputError, match="the stream is broken"):
        list(classifier(stream(), on_error=lambda index, error: error))


def test_the_function_may_raise(classifier: TextClassifier) -> None:
    def stop(index: int, error: InputError) -> None:
        raise LookupError(index)

    results = classifier(iter(["a", 5]), on_error=stop, batch_size=1)
    assert next(results)["label"] in classifier.labels
    with pytest.raises(LookupError, match="1"):
        next(results)


def test_a_stream_is_read_no_further_ahead(classifier: TextClassifier) -> None:
    read = []
    stream = (read.append(number) or "a" for number in range(100))  # type: ignore[func-returns-value]
    results = classifier(stream, on_error=lambda index, error: error, batch_size=2)

    next(results)
    assert len(read) == 16
