"""The run from rows to answers: rows that a classifier refuses, and the progress bar."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diglot.cli import rendering, stream
from diglot.cli.rows import Fault, Row, Source
from diglot.cli.stream import Faults, OnError, Progress
from diglot.errors import BackendError, InputError


class Picky:
    """A classifier that refuses some texts, by their index or without saying which."""

    def __init__(self, refused=(), *, telling=True, failure=InputError):
        self.refused = refused
        self.telling = telling
        self.failure = failure
        self.calls = 0

    def __call__(self, inputs):
        """Answer as a TextClassifier does."""
        self.calls += 1
        one = isinstance(inputs, dict)
        texts = [each["text"] for each in ([inputs] if one else inputs)]
        for index, text in enumerate(texts):
            if text in self.refused:
                if self.failure is not InputError:
                    raise self.failure("broken")
                where = "" if one else f" at index {index}"
                known = None if one or not self.telling else index
                raise InputError(f"the text{where} is refused", index=known)
        found = [{"label": text.upper(), "score": 0.5} for text in texts]
        return found[0] if one else found


def faults(on_error=OnError.SKIP):
    return Faults("a.txt:", on_error, rendering.console(io.StringIO()))


def answered(classifier, texts, found):
    rows = [Row(number, text) for number, text in enumerate(texts, 10)]
    return [
        (answer.line, answer.texts, answer.predictions)
        for answer in stream.answers(classifier, rows, found)
    ]


@given(
    texts=st.lists(st.sampled_from("abcdef"), max_size=20),
    refused=st.sets(st.sampled_from("abcdef")),
    telling=st.booleans(),
)
def test_what_is_refused_is_left_out_and_the_rest_keeps_its_order(texts, refused, telling):
    found = faults()

    assert answered(Picky(refused, telling=telling), texts, found) == [
        (number, [text], [{"label": text.upper(), "score": 0.5}])
        for number, text in enumerate(texts, 10)
        if text not in refused
    ]
    wrong = [number for number, text in enumerate(texts, 10) if text in refused]
    assert found.count == len(wrong)
    assert found.console.file.getvalue() == "".join(
        f"a.txt:{number}: the text is refused\n" for number in wrong
    )


def test_one_bad_row_among_many_costs_few_calls():
    texts = ["a"] * 500 + ["b"] + ["a"] * 499
    telling, silent = Picky("b"), Picky("b", telling=False)

    assert len(answered(telling, texts, faults())) == len(answered(silent, texts, faults())) == 999
    assert telling.calls == 4
    assert silent.calls < 25


def test_the_first_refusal_is_the_end_where_nothing_is_left_out():
    with pytest.raises(InputError, match=r"^a\.txt:11: the text is refused") as error:
        answered(Picky("b"), "abb", faults(OnError.FAIL))
    assert isinstance(error.value.__context__, InputError)


def test_a_failure_that_is_not_about_a_row_is_the_end():
    with pytest.raises(BackendError, match="broken"):
        answered(Picky("b", failure=BackendError), "abc", faults())


def test_pairs_and_rankings_go_through():
    asked = []

    def classifier(inputs):
        asked.append(inputs)
        return [[{"label": "x", "score": 1.0}, {"label": "y", "score": 0.0}]] * len(inputs)

    first, second = stream.answers(classifier, [Row(1, "a", "b"), Row(2, "c")], faults())
    assert asked == [[{"text": "a", "text_pair": "b"}, {"text": "c"}]]
    assert (first.texts, second.texts) == (["a", "b"], ["c"])
    assert [one["label"] for one in first.predictions] == ["x", "y"]


def test_faults_are_sifted_and_counted():
    found = faults()

    assert found.sift([Row(1, "a"), Fault(2, "is\x1b [bold]bad :smile:"), Row(3, "b")]) == [
        Row(1, "a"),
        Row(3, "b"),
    ]
    assert (found.count, found.seen) == (1, 3)
    assert found.console.file.getvalue() == "a.txt:2: is\\x1b [bold]bad :smile:\n"
    with pytest.raises(InputError, match=re.escape("a.txt:2: is bad (--on-error skip")):
        faults(OnError.FAIL).sift([Fault(2, "is bad")])


def test_a_long_message_stays_on_one_line():
    found = faults()
    found.report(Fault(1, "very " * 100 + "long"))

    assert found.console.file.getvalue().count("\n") == 1


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self):
        """As a terminal answers."""
        return True


def bar(windows, *, shown=True, **source):
    console = rendering.console(Terminal())
    with Progress(Source("", iter([]), **source), console, shown=shown) as progress:
        for each in progress.windows(windows):
            progress.bar.refresh()
            yield each
        progress.bar.refresh()
        assert progress.bar.console is console
    yield console.file.getvalue()


def test_one_window_has_no_progress_bar():
    assert list(bar([["a"]])) == [["a"], ""]


def test_nothing_is_shown_where_nobody_looks():
    assert list(bar([["a"], ["b"]], shown=False)) == [["a"], ["b"], ""]


def test_long_work_has_a_progress_bar_that_goes_away():
    *windows, out = bar([["a", "b"], ["c"], ["d"]], size=4)

    assert windows == [["a", "b"], ["c"], ["d"]]
    assert [f"{number} rows" in out for number in (2, 3, 4)] == [True, True, True]
    assert out.endswith("\x1b[2K")


def test_the_bar_follows_what_is_read(monkeypatch):
    position = iter([25, 50])
    source = Source("", iter([]), 100, lambda: next(position))
    console = rendering.console(Terminal())
    with Progress(source, console, shown=True) as progress:
        shares = [progress.bar.tasks[0].percentage for _ in progress.windows([["a"], ["b"]])]
        assert shares == [0, 25]
        assert progress.bar.tasks[0].percentage == 50
