"""The answers of ``diglot classify``: in order, without the rows that the classifier refuses."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diglot.cli import rendering
from diglot.cli.classify import answers
from diglot.cli.faults import Faults, OnError
from diglot.cli.rows import Row
from diglot.errors import BackendError, InputError


class Picky:
    """A classifier that reads ahead, and refuses some texts."""

    def __init__(self, refused=(), *, ahead=3, failure=InputError):
        self.refused = refused
        self.ahead = ahead
        self.failure = failure
        self.inputs = []

    def __call__(self, inputs, *, on_error):
        """The results of a stream, as TextClassifier yields them."""
        index, window = 0, []
        for raw in inputs:
            self.inputs.append(raw)
            window.append(raw["text"])
            if len(window) == self.ahead:
                yield from self.results(window, index, on_error)
                index, window = index + len(window), []
        yield from self.results(window, index, on_error)

    def results(self, texts, start, on_error):
        """The results of one window."""
        for index, text in enumerate(texts, start):
            if text not in self.refused:
                yield {"label": text.upper(), "score": 0.5}
            elif self.failure is InputError:
                yield on_error(index, InputError("the text is refused"))
            else:
                raise self.failure("broken")


def faults(on_error=OnError.SKIP):
    return Faults("a.txt:", on_error, rendering.console(io.StringIO()))


def answered(classifier, texts, skipping):
    rows = (Row(number, text) for number, text in enumerate(texts, 10))
    return [
        (answer.line, answer.texts, answer.results)
        for answer in answers(classifier, rows, skipping)
    ]


@given(
    texts=st.lists(st.sampled_from("abcdef"), max_size=20),
    refused=st.sets(st.sampled_from("abcdef")),
    ahead=st.integers(1, 5),
)
def test_refused_rows_are_skipped_and_the_others_keep_their_order(texts, refused, ahead):
    skipping = faults()

    assert answered(Picky(refused, ahead=ahead), texts, skipping) == [
        (number, [text], [{"label": text.upper(), "score": 0.5}])
        for number, text in enumerate(texts, 10)
        if text not in refused
    ]
    wrong = [number for number, text in enumerate(texts, 10) if text in refused]
    assert skipping.skipped == len(wrong)
    assert skipping.console.file.getvalue() == "".join(
        f"a.txt:{number}: the text is refused\n" for number in wrong
    )


def test_the_first_refusal_is_raised_unless_faults_are_skipped():
    with pytest.raises(InputError, match=r"^a\.txt:11: the text is refused") as error:
        answered(Picky("b"), "abb", faults(OnError.FAIL))
    assert str(error.value.__cause__) == "the text is refused"


def test_an_error_that_is_not_about_a_row_is_raised():
    with pytest.raises(BackendError, match="broken"):
        answered(Picky("b", failure=BackendError), "abc", faults())


def test_a_defect_is_never_skipped_as_a_bad_row():
    with pytest.raises(ZeroDivisionError, match="broken"):
        answered(Picky("b", failure=ZeroDivisionError), "abc", faults())


def test_no_row_is_read_before_the_classifier_asks_for_it():
    read = []
    rows = (read.append(number) or Row(number, "a") for number in range(9))
    stream = answers(Picky(ahead=2), rows, faults())

    for expected in (2, 2, 4, 4, 6):
        next(stream)
        assert len(read) == expected


def test_pairs_and_rankings_pass_through():
    ranking = [{"label": "x", "score": 1.0}, {"label": "y", "score": 0.0}]
    inputs = []

    def classifier(stream, on_error):
        for raw in stream:
            inputs.append(raw)
            yield ranking

    first, second = answers(classifier, [Row(1, "a", "b"), Row(2, "c")], faults())
    assert inputs == [{"text": "a", "text_pair": "b"}, {"text": "c"}]
    assert (first.texts, second.texts) == (["a", "b"], ["c"])
    assert first.results == ranking
