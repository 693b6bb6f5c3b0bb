"""``diglot explain``: the three steps, in one framework and in both."""

import json

import pytest

from diglot import TextClassifier, extras
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
    result_json = json.loads(result.out)
    assert [explanation["backend"] for explanation in result_json["explanations"]] == [
        "torch",
        "tensorflow",
    ]
    differences = result_json["differences"]
    assert set(differences["identical"]) == {"input_ids", "attention_mask", "token_type_ids"}
    assert all(differences["identical"].values())
    assert differences["same_labels"] == [True, True]
    assert 0 < max(layer["largest"] for layer in differences["hidden_states"]) < 1e-4


def test_a_fresh_head_is_the_same_in_both(run, headless):
    options = ("-m", headless, "--labels", "a,b", "--fresh-head")
    result = run("explain", *TEXTS, *options, "-b", "both", "-f", "json")

    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out)["differences"]["logits"]["largest"] < 1e-5


def test_options_reach_the_classifier(run, spread):
    result = run(
        *("explain", "a b c d e f", "-m", spread, "-b", "torch", "-f", "json"),
        *("--max-length", "4", "--labels", "x,y,z", "--precision", "float64", "--device", "cpu"),
    )

    result_json = json.loads(result.out)
    assert result_json["labels"] == ["x", "y", "z"]
    assert result_json["shapes"]["input_ids"] == [1, 4]


def test_a_text_is_needed(run):
    assert run("explain").code == 2


def test_both_frameworks_must_be_installed_before_either_is_loaded(run, spread, monkeypatch):
    monkeypatch.setattr(extras, "missing", lambda *names: ["keras"] if "keras" in names else [])
    monkeypatch.setattr(loading, "load", lambda *_, **__: pytest.fail("a backend is loaded"))
    result = run("explain", "a", "-m", spread, "-b", "both")

    assert (result.code, result.out) == (1, "")
    assert "python -m pip install 'diglot[tensorflow]'" in result.err
