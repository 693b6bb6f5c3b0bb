"""``diglot check``: its options, its exit codes, and what it prints and writes."""

import functools
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from tests.parity import results

from diglot.equality.cases import Case
from diglot.errors import InputError
from diglot.parity import BUDGET, LENIENT, STRICT, Tolerance, checks
from diglot.parity.failing_case import FailingCase
from diglot.parity.result import Change

ENCODED = Case("mine", encoding={"input_ids": np.array([[1]]), "attention_mask": np.array([[1]])})


@pytest.fixture
def asked(monkeypatch):
    """The arguments of a fake check, which returns or raises ``returns``."""
    seen = SimpleNamespace(returns=results.equal(3))

    @functools.wraps(checks.check)
    def check(checkpoint, against, **options):
        vars(seen).update(checkpoint=checkpoint, against=against, **options)
        if isinstance(seen.returns, Exception):
            raise seen.returns
        return seen.returns

    monkeypatch.setattr(checks, "check", check)
    return seen


@pytest.fixture
def _usual_run_only(monkeypatch):
    """The other runs of a backend record the model again, which takes seconds."""
    for backend in ("torch.TorchBackend", "tensorflow.TensorFlowBackend"):
        monkeypatch.setattr(f"diglot.backends.{backend}.other_runs", lambda self: {})


@pytest.fixture
def failing(tmp_path, tiny):
    """The file of a failing case, which fails again because no error at all is allowed."""
    none = Tolerance(absolute=0.0)
    case = FailingCase(
        str(tiny), "torch", "torch", "float32", none, "logits", "they differed", ENCODED
    )
    return case.write(tmp_path / "failing")


@pytest.mark.usefixtures("_usual_run_only")
def test_equal_sides_exit_with_0(run, tiny, tmp_path):
    (tmp_path / "own.csv").write_text("text\na b\nc d\n")
    result = run(
        *("check", tiny, "--against", "torch", "--examples", "2", "--seed", "5"),
        *("--texts", "own.csv", "--json", "found.json"),
    )
    assert (result.code, result.err) == (0, "")
    result_json = json.loads((tmp_path / "found.json").read_text("utf-8"))
    assert (result_json["equal"], result_json["seed"], result_json["failures"]) == (True, 5, [])
    cases = [entry["case"] for entry in result_json["inputs"]]
    assert sum(case["origin"].startswith("drawn") for case in cases) == 2
    own = [case for case in cases if case["origin"] == "own texts"]
    assert [case["texts"] for case in own] == [["a b"], ["c d"]]
    assert f"torch against torch, {tiny}" in result.out.replace("\n", "")
    assert f"{len(cases)} inputs, seed 5" in result.out
    assert not (tmp_path / "diglot-failures").exists()


@pytest.mark.usefixtures("_usual_run_only")
def test_different_sides_exit_with_1_and_the_failure_replays(run, failing, tmp_path):
    result = run("check", "--replay", failing)
    assert (result.code, result.err) == (1, "")
    lines = result.out.splitlines()
    assert any("DIFFERENT" in line for line in lines)
    assert "1 inputs, seed 0; allowed: 0 absolute" in lines
    (replay,) = {line for line in lines if "--replay diglot-failures/logits-" in line}
    again = run(*replay.partition("diglot ")[2].split())
    assert again.code == 1
    assert "  smallest input: input_ids=[[1]], attention_mask=[[1]]" in lines


@pytest.mark.usefixtures("_usual_run_only")
def test_the_options_of_a_replay_win_over_its_file(run, failing):
    assert run("check", "--replay", failing, "--lenient").code == 0


def test_a_replay_takes_its_defaults_from_its_file(run, asked, failing, tiny):
    assert run("check", "--replay", failing).code == 0
    assert (asked.checkpoint, asked.against, asked.reference) == (str(tiny), "torch", "torch")
    assert asked.tolerance == Tolerance(absolute=0.0)
    assert [case.facts() for case in asked.cases] == [ENCODED.facts()]
    assert not hasattr(asked, "examples")

    options = ("--against", "tensorflow", "--precision", "float64", "--strict")
    assert run("check", "else", "--replay", failing, *options).code == 0
    assert (asked.checkpoint, asked.against, asked.precision) == ("else", "tensorflow", "float64")
    assert asked.tolerance == STRICT


def test_inputs_that_cannot_be_judged_exit_with_2(run, asked):
    asked.returns = InputError("neither side takes any of the inputs")
    assert run("check") == (2, "", "diglot: neither side takes any of the inputs\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["/nowhere"], "there is no directory /nowhere"),
        (["--against", "tensorfow"], "'tensorfow' is nothing to check against: no backend ("),
        (["--texts", "none.csv"], "none.csv"),
        (["--replay", "none.json"], "none.json is not a failing case of diglot check"),
        (["--precision", "float12"], "precision takes one of float32"),
    ],
)
def test_a_missing_argument_exits_with_2_and_one_message(run, tiny, arguments, message):
    given = arguments if arguments[0] == "/nowhere" else ["--fresh-head", *arguments, tiny]
    result = run("check", *given)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("diglot: ")
    assert message in result.err
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--strict", "--lenient"],
        ["--strict", "--tolerance", "1e-3"],
        ["--lenient", "--tolerance", "0"],
        ["--examples", "0"],
        ["--seed", "-1"],
        ["--tolerance", "-1"],
        ["--exmples", "5"],
        ["--pair-column", "b"],
        ["--input-format", "csv"],
    ],
)
def test_a_wrong_use_exits_with_2_before_the_check(run, asked, arguments):
    result = run("check", *arguments)
    assert (result.code, result.out) == (2, "")
    assert "Usage: diglot check" in result.err
    assert not hasattr(asked, "checkpoint")


@pytest.mark.parametrize(
    ("arguments", "tolerance"),
    [
        ([], BUDGET),
        (["--strict"], STRICT),
        (["--lenient"], LENIENT),
        (["--tolerance", "0.25"], Tolerance(absolute=0.25)),
        (["--tolerance", "0"], Tolerance(absolute=0.0)),
    ],
)
def test_the_tolerance_can_be_chosen(run, asked, arguments, tolerance):
    assert run("check", *arguments).code == 0
    assert getattr(asked, "tolerance", BUDGET) == tolerance


def test_without_options_the_check_gets_the_defaults(run, asked):
    assert run("check").code == 0
    given = vars(asked)
    assert (asked.checkpoint, asked.against, asked.reference) == (None, "tensorflow", "torch")
    assert (asked.examples, asked.seed, list(asked.texts)) == (100, 0, [])
    assert (asked.precision, asked.revision, asked.labels) == ("float32", None, None)
    assert (asked.fresh_head, asked.trust_remote_code) == (False, False)
    assert str(given["failures"]) == "diglot-failures"


def test_the_check_gets_every_option(run, asked, monkeypatch):
    monkeypatch.setenv("DIGLOT_CHECKPOINT", "configured")
    monkeypatch.setenv("DIGLOT_PRECISION", "float64")
    options = (
        *("--against", "http://localhost:1/v1/models/a", "--reference", "tensorflow"),
        *("--examples", "7", "--seed", "3", "--revision", "v1", "--labels", "x, y"),
        *("--fresh-head", "--trust-remote-code", "--failures", "else"),
    )
    assert run("check", *options).code == 0
    assert (asked.checkpoint, asked.precision) == ("configured", "float64")
    assert (asked.against, asked.reference) == ("http://localhost:1/v1/models/a", "tensorflow")
    assert (asked.examples, asked.seed, asked.revision) == (7, 3, "v1")
    assert (asked.labels, asked.fresh_head, asked.trust_remote_code) == (["x", "y"], True, True)
    assert str(asked.failures) == "else"


def test_texts_are_read_from_standard_input(run, asked):
    assert run("check", "--texts", "-", stdin="one\ntwo\n").code == 0
    assert asked.texts == [{"text": "one"}, {"text": "two"}]


def test_pairs_are_read_from_their_columns(run, asked, tmp_path):
    (tmp_path / "pairs.data").write_text("first,second\none,two\n")
    columns = ("--column", "first", "--pair-column", "second", "--input-format", "csv")
    assert run("check", "--texts", "pairs.data", *columns).code == 0
    assert asked.texts == [{"text": "one", "text_pair": "two"}]


def test_a_row_with_a_fault_is_named_before_the_check(run, asked, tmp_path):
    (tmp_path / "own.jsonl").write_text('{"text": "fine"}\n{"text": 5}\n')
    result = run("check", "--texts", "own.jsonl")
    assert result.code == 2
    assert "own.jsonl" in result.err
    assert "2" in result.err
    assert not hasattr(asked, "checkpoint")


def test_the_result_is_printed(run, asked):
    asked.returns = results.different()
    result = run("check")
    assert result.code == 1
    words = " ".join(result.out.split())
    stage = "hidden states 5 of 99"
    for words_of_a_line in (
        "tensorflow against torch, distilbert-base-uncased-finetuned-sst-2-english, float32:",
        "DIFFERENT",
        "100 inputs, seed 0",
        "refused by both sides: 1 inputs",
        stage,
        "alone as in a batch torch 2 of 100",
        "under XLA torch torch has no such way to run",
        "label flip: NEGATIVE for POSITIVE, 4.1e-07 apart, within the tolerance: 'The film was",
        "label flip: POSITIVE for NEGATIVE, 0.02 apart, beyond the tolerance: input 40, row 0",
        "hidden states (tensorflow against torch): hidden state 3: at [0, 2, 511]",
        "smallest input: 'so much!'",
        "replay: diglot check --replay failures/hidden-states-1.json",
    ):
        assert words_of_a_line in words


def test_texts_and_labels_cannot_control_the_terminal(run, asked):
    asked.returns = results.hostile()
    out = run("check").out
    assert "[31m" in out
    assert not set(out) & {"\x1b", "\x00", "\x07", "\u202e", "\u2066"}


def test_changes_since_the_ledger_are_printed(run, asked):
    changes = (Change("torch", "2.13.0", "2.14.0"), Change("keras", "", "3.15"))
    asked.returns = replace(results.equal(3), changes=changes)
    words = " ".join(run("check").out.split())
    assert "since the ledger then now torch 2.13.0 2.14.0 keras none 3.15" in words
    asked.returns = results.equal(3)
    out = run("check").out
    assert "since the ledger" not in out
    assert "refused" not in out


def test_the_report_and_the_junit_file_are_written(run, asked, tmp_path):
    asked.returns = replace(results.different(), checkpoint="models/reviews")
    assert run("check", "--report", "page.html", "--junit", "found.xml").code == 1
    assert "models/reviews" in (tmp_path / "page.html").read_text("utf-8")
    assert "<testsuite" in (tmp_path / "found.xml").read_text("utf-8")
