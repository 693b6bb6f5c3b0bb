"""The search for the smallest failing input."""

from collections.abc import Callable

import numpy as np
import pytest

from diglot.equality.cases import Case
from diglot.parity.shrinking import smallest


def test_a_text_is_reduced_to_the_failing_character() -> None:
    case = Case("own texts", ("nothing here", "some words, then é and more 東京" * 20, "x"))
    found = smallest(case, lambda case: any("é" in text for text in case.texts))
    assert found.texts == ("é",)
    assert found.origin == "own texts"


def test_other_characters_become_plain() -> None:
    case = Case("own texts", ("Zürich!",))
    assert smallest(case, lambda case: len(case.texts[0]) >= 3).texts == ("aaa",)


def test_both_texts_of_a_pair() -> None:
    case = Case("drawn pairs", ("long first", "b"), ("a second one with Q", "c"))
    found = smallest(case, lambda case: any("Q" in text for text in case.pairs or ()))
    assert (found.texts, found.pairs) == (("",), ("Q",))


def test_rows_that_fail_only_together_stay() -> None:
    case = Case("own texts", ("one", "two", "three", "four"))
    found = smallest(case, lambda case: case.rows >= 2)
    assert found.texts == ("", "")


def test_a_row_that_fails_alone_is_found_at_once() -> None:
    tried: list[int] = []

    def fails(case: Case) -> bool:
        tried.append(case.rows)
        return "é" in case.texts

    smallest(Case("own texts", (*"abcdefg", "é")), fails)
    assert set(tried) == {1}


def encoding(rows: int = 3, tokens: int = 12) -> Case:
    ids = np.arange(rows * tokens).reshape(rows, tokens) + 10
    types = np.ones_like(ids)
    return Case(
        "drawn encodings",
        encoding={"input_ids": ids, "attention_mask": ids * 0, "token_type_ids": types},
    )


@pytest.mark.parametrize(
    ("fails", "ids"),
    [
        (lambda ids: (ids == 20).any(), [[20]]),
        (lambda ids: ids.shape[1] >= 3, [[1, 1, 1]]),
        (lambda ids: ids.sum() > 0, [[1]]),
    ],
)
def test_an_encoding(fails: Callable[..., bool], ids: list[list[int]]) -> None:
    found = smallest(encoding(), lambda case: bool(fails(case.encoding["input_ids"]))).encoding
    assert found is not None
    assert found["input_ids"].tolist() == ids
    assert found["attention_mask"].tolist() == np.ones_like(ids).tolist()
    assert found["token_type_ids"].tolist() == np.zeros_like(ids).tolist()


def test_patience_ends() -> None:
    case = encoding()
    assert smallest(case, lambda case: True, patience=0) is case
