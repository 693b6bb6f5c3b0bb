"""Explanations and their comparison: text, JSON, and what counts as a difference."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rich.cells import cell_len
from rich.console import Console

from diglot import TextClassifier
from diglot.explanation import Difference, Explanation, compare

FINITE = np.array([[1.0, 3.0], [2.0, 1.5]], np.float32)


def explanation(**changes: Any) -> Explanation:
    """An explanation of two texts with three tokens each, written by hand."""
    made = Explanation(
        checkpoint="some/model",
        backend="torch",
        labels=("NO", "YES"),
        function="softmax",
        texts=("good", "bad"),
        text_pairs=(),
        tokens=(("[CLS]", "good", "[SEP]"), ("[CLS]", "bad", "[PAD]")),
        encoding={
            "input_ids": np.array([[2, 7, 3], [2, 8, 0]]),
            "attention_mask": np.array([[1, 1, 1], [1, 1, 0]]),
        },
        hidden_states=(np.zeros((2, 3, 4)), np.ones((2, 3, 4))),
        logits=FINITE,
        probabilities=np.array([[0.25, 0.75], [0.625, 0.375]], np.float32),
    )
    return dataclasses.replace(made, **changes)


def test_it_prints_the_three_steps() -> None:
    assert str(explanation()) == (
        """\
some/model in torch

1. Preprocessing: text to encoding
   input_ids [2, 3]
   attention_mask [2, 3]
   text 0: 'good'
     tokens [CLS] good [SEP]
     ids        2    7     3
     mask       1    1     1
   text 1: 'bad'
     tokens [CLS] bad [PAD]
     ids        2   8     0
     mask       1   1     0

2. Model: encoding to logits
   hidden states 2 of [2, 3, 4], the embeddings first
   logits [2, 2]

3. Postprocessing: softmax, then the best label
   text 0: YES
     label           logit        score
     NO           1.000000     0.250000
     YES          3.000000     0.750000
   text 1: NO
     label           logit        score
     NO           2.000000     0.625000
     YES          1.500000     0.375000"""
    )


def test_it_becomes_json() -> None:
    pairs = explanation(text_pairs=("well", "worse"))
    assert json.loads(pairs.to_json()) == {
        "checkpoint": "some/model",
        "backend": "torch",
        "labels": ["NO", "YES"],
        "function": "softmax",
        "shapes": {
            "input_ids": [2, 3],
            "attention_mask": [2, 3],
            "logits": [2, 2],
            "probabilities": [2, 2],
            "hidden_states": [[2, 3, 4], [2, 3, 4]],
        },
        "texts": [
            {
                "text": "good",
                "text_pair": "well",
                "tokens": ["[CLS]", "good", "[SEP]"],
                "input_ids": [2, 7, 3],
                "attention_mask": [1, 1, 1],
                "logits": [1.0, 3.0],
                "probabilities": [0.25, 0.75],
                "label": "YES",
                "score": 0.75,
            },
            {
                "text": "bad",
                "text_pair": "worse",
                "tokens": ["[CLS]", "bad", "[PAD]"],
                "input_ids": [2, 8, 0],
                "attention_mask": [1, 1, 0],
                "logits": [2.0, 1.5],
                "probabilities": [0.625, 0.375],
                "label": "NO",
                "score": 0.625,
            },
        ],
    }
    assert explanation().to_dict()["texts"][0]["text_pair"] is None
    assert "\n" not in explanation().to_json(indent=None)


def test_numbers_that_are_not_finite_are_printed_and_are_valid_json() -> None:
    strange = np.array([[math.nan, 1.0], [-math.inf, math.inf]], np.float32)
    made = explanation(logits=strange, probabilities=strange)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    texts = json.loads(made.to_json(), parse_constant=refuse)["texts"]
    assert [text["logits"] for text in texts] == [["NaN", 1.0], ["-Infinity", "Infinity"]]
    assert [text["score"] for text in texts] == ["NaN", "Infinity"]
    assert [text["label"] for text in texts] == ["NO", "YES"]
    printed = str(made)
    assert "nan" in printed
    assert "-inf" in printed


texts_drawn = st.text(max_size=300) | st.sampled_from(
    ["[bold]x[/bold]", "\x1b[31mred", "日本語 " * 90]
)


@settings(deadline=None)
@given(st.lists(st.tuples(texts_drawn, texts_drawn), min_size=1, max_size=3), st.integers(1, 120))
def test_any_text_prints_within_the_width_and_without_control(
    texts: list[tuple[str, str]], count: int
) -> None:
    batch = len(texts)
    ids = np.arange(batch * count).reshape(batch, count)
    made = explanation(
        texts=tuple(text for text, _ in texts),
        text_pairs=tuple(pair for _, pair in texts),
        tokens=tuple(tuple((text[:9] or "Ġ") for _ in range(count)) for text, _ in texts),
        encoding={"input_ids": ids, "attention_mask": ids},
        logits=np.zeros((batch, 2)),
        probabilities=np.zeros((batch, 2)),
    )
    for value in (made, compare(made, made)):
        for line in str(value).split("\n"):
            assert cell_len(line) <= 80
            assert line.isprintable()
        console = Console(width=80, color_system=None, force_terminal=False)
        with console.capture() as capture:
            console.print(value)
        assert capture.get().rstrip("\n") == str(value)


def test_a_long_text_is_cut_in_the_middle_with_a_note() -> None:
    ids = np.arange(200).reshape(1, 200)
    made = explanation(
        texts=("x" * 500,),
        tokens=(tuple(f"t{index}" for index in range(200)),),
        encoding={"input_ids": ids},
        logits=FINITE[:1],
        probabilities=FINITE[:1],
    )
    printed = str(made)
    assert "… 160 tokens are not shown …" in printed
    assert "t31" in printed
    assert "t32" not in printed
    assert "t191" not in printed
    assert "t192" in printed
    assert "… (500 characters)" in printed
    assert "x" * 60 not in printed
    assert json.loads(made.to_json())["texts"][0]["tokens"][100] == "t100"


@pytest.mark.parametrize(
    ("layers", "line"),
    [
        ((), "hidden states none"),
        ((np.zeros((2, 3, 4)), np.zeros((2, 3, 8))), "hidden states [2, 3, 4], [2, 3, 8]"),
    ],
)
def test_layers_of_other_shapes_are_listed(layers: tuple[Any, ...], line: str) -> None:
    made = explanation(hidden_states=layers)
    assert f"   {line}\n" in str(made)
    assert line in str(compare(made, made))


def test_regression_and_large_numbers_print() -> None:
    made = explanation(function="none", logits=FINITE * 1e8)
    assert "3. Postprocessing: the logits as they are, then the best label" in str(made)
    assert "        3e+08     0.750000" in str(made)


# ----- side by side


def test_equal_explanations_differ_by_nothing() -> None:
    same = compare(explanation(), explanation(backend="tensorflow"))
    nothing = {"largest": 0.0, "one_sided": 0}
    assert json.loads(same.to_json())["differences"] == {
        "identical": {"input_ids": True, "attention_mask": True},
        "hidden_states": [nothing, nothing],
        "logits": nothing,
        "probabilities": nothing,
        "same_labels": [True, True],
    }
    assert [side["backend"] for side in same.to_dict()["explanations"]] == ["torch", "tensorflow"]


def test_each_difference_is_found_and_printed() -> None:
    other = explanation(
        backend="tensorflow",
        encoding={
            "input_ids": np.array([[2, 7, 3], [2, 9, 0]]),
            "attention_mask": np.array([[1, 1, 1], [1, 1, 0]]),
        },
        hidden_states=(np.zeros((2, 3, 4)), np.full((2, 3, 4), 1.5)),
        logits=FINITE + np.array([[0.0, 0.25], [0.0, 0.0]], np.float32),
        probabilities=np.array([[0.25, 0.75], [0.375, 0.625]], np.float32),
    )
    apart = compare(explanation(), other)
    assert apart.identical == {"input_ids": False, "attention_mask": True}
    assert [layer.largest for layer in apart.hidden_states] == [0.0, 0.5]
    assert apart.logits == Difference(0.25)
    assert apart.probabilities == Difference(0.25)
    assert apart.same_labels == (True, False)
    printed = str(apart)
    assert printed.startswith("some/model in torch and some/model in tensorflow\n")
    for line in (
        "   input_ids: DIFFERENT",
        "   attention_mask: identical",
        "   largest difference of the logits: 2.50e-01",
        "     layer          0        1",
        "     differs 0.00e+00 5.00e-01",
        "   largest difference of the scores: 2.50e-01",
        "   text 0: YES in both",
        "   text 1: NO in torch, YES in tensorflow",
        "     logit           torch   tensorflow    differ by",
        "     YES          3.000000     3.250000     2.50e-01",
        "     NO           0.625000     0.375000     2.50e-01",
    ):
        assert line in printed.split("\n")


def test_an_input_that_only_one_has_is_not_identical() -> None:
    fewer = explanation(encoding={"input_ids": np.array([[2, 7, 3], [2, 8, 0]])})
    assert compare(explanation(), fewer).identical == {"input_ids": True, "attention_mask": False}
    assert compare(fewer, explanation()).identical == {"input_ids": True, "attention_mask": False}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"texts": ("good", "worse")}, "their texts differ"),
        ({"text_pairs": ("a", "b")}, "their text_pairs differ"),
        ({"labels": ("NO", "MAYBE")}, "their labels differ"),
        ({"hidden_states": ()}, "torch returns 2 layers, and torch 0"),
    ],
)
def test_only_explanations_of_the_same_can_be_compared(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        compare(explanation(), explanation(**change))


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([1.0, 2.0], [1.5, 2.0], Difference(0.5)),
        ([], [], Difference(0.0)),
        ([math.nan, 1.0], [math.nan, 1.0], Difference(0.0)),
        ([math.inf, -math.inf], [math.inf, -math.inf], Difference(0.0)),
        ([math.nan, 1.0], [0.0, 1.0], Difference(math.inf, 1)),
        ([0.0, 1.0], [math.inf, math.nan], Difference(math.inf, 2)),
        ([math.inf], [-math.inf], Difference(math.inf, 1)),
        ([math.inf], [math.nan], Difference(math.inf, 1)),
        ([1.0], [1.0, 2.0], Difference(math.inf, 2)),
    ],
)
def test_a_one_sided_number_is_a_difference(
    a: list[float], b: list[float], expected: Difference
) -> None:
    assert Difference.between(np.array(a), np.array(b)) == expected
    assert Difference.between(np.array(b), np.array(a)) == expected


def test_a_one_sided_number_is_printed_and_is_valid_json() -> None:
    broken = explanation(backend="tensorflow", logits=np.array([[1.0, math.nan], [2.0, 1.5]]))
    apart = compare(explanation(), broken)
    assert "largest difference of the logits: inf (1 not comparable)" in str(apart)
    differences = json.loads(apart.to_json())["differences"]
    assert differences["logits"] == {"largest": "Infinity", "one_sided": 1}


@settings(deadline=None)
@given(hnp.arrays(np.float32, 4), hnp.arrays(np.float32, 4))
def test_only_equal_arrays_differ_by_nothing(a: Any, b: Any) -> None:
    assert (Difference.between(a, b).largest == 0) == np.array_equal(a, b, equal_nan=True)


@pytest.mark.parametrize("backend", ["torch", "tensorflow"])
def test_a_real_explanation_has_the_inputs_of_the_backend(tiny: Path, backend: str) -> None:
    classifier = TextClassifier.from_pretrained(tiny, backend)
    made = classifier.explain(["a b", "c"], ["d", "e [f"])
    content = made.to_dict()
    assert content["texts"][0]["tokens"] == ["[CLS]", "a", "b", "[SEP]", "d", "[SEP]", "[PAD]"]
    assert content["texts"][1]["tokens"] == ["[CLS]", "c", "[SEP]", "e", "[UNK]", "f", "[SEP]"]
    assert content["shapes"]["hidden_states"] == [[2, 7, 16]] * 3
    assert content["texts"][0]["token_type_ids"] == [0, 0, 0, 0, 1, 1, 0]
    assert content["texts"][0]["attention_mask"] == [1, 1, 1, 1, 1, 1, 0]
    assert content["backend"] == backend
