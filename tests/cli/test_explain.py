"""``diglot explain``: the three steps, in one framework and in both."""

import json

import pytest

from diglot import TextClassifier, backends
from diglot.cli import loading

TEXTS = ("a b c", "x [bold]y")


@pytest.fixture(scope="session")
def explained(spread):
    return TextClassifier.from_pretrained(spread, "torch").explain(list(TEXTS))


@pytest.fixture(scope="session")
def headless(save_tiny):
    """A base model, which has no head."""
    return save_tiny("BertModel")


def test_one_framework_as_a_table(run, spread, explained):
    result = run("explain", *TEXTS, "-m", spread, "-b", "torch")

    assert (result.code, result.err) == (0, "")
    assert [line.rstrip() for line in result.out.splitlines()] == [
        line.rstrip() for line in str(explained).splitlines()
    ]
    assert "[bold]so-so[/bold]" in result.out


def test_one_framework_as_json(run, spread, explained):
    result = run("explain", *TEXTS, "-m", spread, "-b", "torch", "--format", "json")

    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out) == explained.to_dict()


def test_both_frameworks_side_by_side(run, spread):
    result = run("explain", *TEXTS, "-m", spread, "-b", "both", "-f", "json")

    assert (result.code, result.err) == (0, "")
    found = json.loads(result.out)
    assert [one["backend"] for one in found["explanations"]] == ["torch", "tensorflow"]
    differences = found["differences"]
    assert set(differences["identical"]) == {"input_ids", "attention_mask", "token_type_ids"}
    assert all(differences["identical"].values())
    assert differences["same_labels"] == [True, True]
    assert 0 < max(layer["largest"] for layer in differences["hidden_states"]) < 1e-4


def test_a_head_that_is_made_up_is_the_same_in_both(run, headless):
    options = ("-m", headless, "--labels", "a,b", "--fresh-head")
    result = run("explain", *TEXTS, *options, "-b", "both", "-f", "json")

    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out)["differences"]["logits"]["largest"] < 1e-5


def test_options_reach_the_classifier(run, spread):
    result = run(
        *("explain", "a b c d e f", "-m", spread, "-b", "torch", "-f", "json"),
        *("--max-length", "4", "--labels", "x,y,z", "--precision", "float64", "--device", "cpu"),
    )

    found = json.loads(result.out)
    assert found["labels"] == ["x", "y", "z"]
    assert found["shapes"]["input_ids"] == [1, 4]


def test_a_text_is_needed(run):
    assert run("explain").code == 2


def test_both_frameworks_must_be_there_before_either_is_loaded(run, spread, monkeypatch):
    monkeypatch.setattr(
        backends, "missing", lambda kind: ["keras"] if kind.name == "tensorflow" else []
    )
    monkeypatch.setattr(loading, "load", lambda *_, **__: pytest.fail("one is loaded"))
    result = run("explain", "a", "-m", spread, "-b", "both")

    assert (result.code, result.out) == (1, "")
    assert "python -m pip install 'diglot[tensorflow]'" in result.err
