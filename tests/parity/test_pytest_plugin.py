"""The pytest plug-in: each test runs pytest on a few lines, as a user does."""

import functools
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.parity import results

# A nested pytest removes the modules that it imports first, so this one is imported here.
import diglot.settings  # noqa: F401
from diglot.equality.cases import Case
from diglot.errors import InputError
from diglot.parity import STRICT, ledger
from diglot.parity import checks as check_module
from diglot.parity.result import LOGITS, Change, Failure

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
TEST = "def test_equal(parity):\n    parity.check()\n"


def found(*failures):
    return replace(results.equal(9, seed=7), checkpoint="models/reviews", failures=failures)


FAILURE = Failure(
    stage=LOGITS,
    side="tensorflow against torch",
    case=Case("drawn texts", ("a",)),
    found_in=Case("emoji and symbols", ("a long story",)),
    explanation="logits: at [0, 1] tensorflow has 0.5 and torch 0.25",
    file=Path("diglot-failures/logits-0.json"),
    command="diglot check --replay diglot-failures/logits-0.json",
)


@pytest.fixture
def checks(monkeypatch):
    """The calls of a fake check, which returns or raises ``returns``."""
    made = SimpleNamespace(calls=[], places=[], returns=found())

    @functools.wraps(check_module.check)
    def check(**arguments):
        made.calls.append(arguments)
        made.places.append(Path.cwd())
        if isinstance(made.returns, Exception):
            raise made.returns
        return made.returns

    monkeypatch.setattr(check_module, "check", check)
    return made


@pytest.fixture
def run(pytester):
    """A function that runs pytest on a file of tests."""

    def run(test, *options):
        pytester.makepyfile(test)
        return pytester.runpytest_inprocess("-p", "no:playwright", *options)

    return run


def test_the_plugin_imports_nothing_heavy():
    code = "import sys, diglot.parity.pytest_plugin; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    heavy = {"torch", "tensorflow", "keras", "transformers", "hypothesis", "numpy", "pydantic"}
    assert "pytest" in loaded
    assert not loaded & heavy


def test_pytest_finds_it_and_lists_it(pytester):
    helped = pytester.runpytest_inprocess("-p", "no:playwright", "--help")
    helped.stdout.fnmatch_lines(["*--diglot-checkpoint=DIR|ID*", "*--diglot-update-ledger*"])
    pytester.runpytest_inprocess("-p", "no:playwright", "--markers").stdout.fnmatch_lines(
        ["@pytest.mark.parity(*"]
    )
    fixtures = pytester.runpytest_inprocess("-p", "no:playwright", "--fixtures")
    fixtures.stdout.fnmatch_lines(["parity -- *", "*Checks that two readings*"])


def diglot_lines(done):
    return [line for line in done.outlines if line.startswith("diglot")]


def test_a_run_that_does_not_use_it_prints_nothing(run):
    done = run("def test_else(): pass")
    done.assert_outcomes(passed=1)
    assert "diglot: " not in done.stdout.str()


@pytest.mark.parametrize(
    ("options", "seed"),
    [
        (["--diglot-seed=0"], 0),
        (["--diglot-seed=5"], 5),
        (["--diglot-checkpoint=model"], 0),
        (["--diglot-against=torch"], 0),
        (["--diglot-examples=3"], 0),
        (["--diglot-update-ledger"], 0),
    ],
)
def test_a_run_with_an_option_prints_the_seed_at_its_start(run, options, seed):
    done = run("def test_else(): pass", *options)
    assert diglot_lines(done) == [f"diglot: seed {seed}"]
    assert done.outlines.index(f"diglot: seed {seed}") < [
        line.startswith("collected") for line in done.outlines
    ].index(True)


@pytest.mark.parametrize(
    "test",
    [
        TEST,
        "import pytest\n@pytest.mark.parity(examples=3)\ndef test_it(): pass\n",
        "import pytest\n@pytest.fixture\ndef other(parity): pass\ndef test_it(other): pass\n",
        "import pytest\n@pytest.mark.usefixtures('parity')\ndef test_it(): pass\n",
    ],
)
def test_a_run_that_uses_the_fixture_or_the_marker_prints_the_seed_once(run, checks, test):
    done = run(test)
    done.assert_outcomes(passed=1)
    assert [line for line in diglot_lines(done) if "seed" in line] == ["diglot: seed 0"]


def test_a_deselected_test_prints_no_seed(run, checks):
    done = run(TEST + "def test_else(): pass\n", "-k", "else")
    done.assert_outcomes(passed=1, deselected=1)
    assert diglot_lines(done) == []


def test_an_equal_check_passes_and_is_summed_up(run, checks):
    done = run(TEST, "--diglot-seed=7")
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(
        ["diglot: seed 7", "diglot: 1 check, 1 equal, with errors of at most 41% of the limit"]
    )


def test_the_result_is_returned(run, checks):
    test = "def test_it(parity):\n    assert parity.check().stages[1].ratio == 0.41\n"
    run(test).assert_outcomes(passed=1)


def test_a_difference_is_printed_without_a_traceback(run, checks):
    checks.returns = found(FAILURE)
    done = run(TEST)
    done.assert_outcomes(failed=1)
    told = [line.removeprefix("E").strip() for line in done.outlines if line.startswith("E  ")]
    assert told == [
        "diglot.parity.pytest_plugin.NotEqualError: tensorflow against torch, models/reviews,"
        " float32: DIFFERENT",
        "9 inputs, seed 7; allowed: 4 times the reference's error and 8 roundings",
        "logits (tensorflow against torch): logits: at [0, 1] tensorflow has 0.5 and torch 0.25",
        "smallest input: 'a'",
        "found in: emoji and symbols",
        "replay: diglot check --replay diglot-failures/logits-0.json",
    ]
    assert "pytest_plugin.py:" not in done.stdout.str()
    done.stdout.fnmatch_lines(["diglot: 1 check, 0 equal"])


def test_changes_since_the_ledger_are_printed(run, checks):
    unnamed = replace(FAILURE, command="")
    checks.returns = replace(found(unnamed), changes=(Change("torch", "2.13.0", "2.14.0"),))
    done = run(TEST)
    done.stdout.fnmatch_lines(["E*since the ledger was recorded: torch: 2.13.0 → 2.14.0"])
    assert "replay:" not in done.stdout.str()


def test_a_check_in_a_fixture_counts_too(run, checks):
    checks.returns = found(FAILURE)
    done = run("""
        import pytest

        @pytest.fixture
        def equal(parity):
            parity.check()

        def test_it(equal):
            pass
    """)
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["diglot: 1 check, 0 equal"])


def test_a_long_explanation_is_cut(run, checks):
    checks.returns = found(replace(FAILURE, explanation="x" * 9000))
    done = run(TEST)
    assert "x" * 500 + "…" in done.stdout.str()
    assert "x" * 501 not in done.stdout.str()


def test_the_error_has_the_result(run, checks):
    checks.returns = found(FAILURE)
    run("""
        import pytest
        from diglot.parity.pytest_plugin import NotEqualError

        def test_it(parity):
            with pytest.raises(NotEqualError) as caught:
                parity.check()
            assert caught.value.result.failures[0].command.endswith("logits-0.json")
    """).assert_outcomes(passed=1)


def test_a_check_that_cannot_be_judged_has_a_short_message(run, checks):
    checks.returns = InputError("no input could be judged")
    done = run(TEST)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["E*diglot.errors.InputError: no input could be judged"])
    assert "pytest_plugin.py:" not in done.stdout.str()
    assert "diglot: 1" not in done.stdout.str()


def test_the_value_nearest_to_the_call_wins(run, checks, monkeypatch):
    monkeypatch.setenv("DIGLOT_CHECKPOINT", "configured")
    monkeypatch.setenv("DIGLOT_PRECISION", "bfloat16")
    done = run(
        """
        import pytest
        from diglot.parity import STRICT

        def test_bare(parity):
            parity.check()

        @pytest.mark.parity(checkpoint="marked", examples=20, tolerance=STRICT)
        class TestMarked:
            def test_marked(self, parity):
                parity.check()

            @pytest.mark.parity(examples=30, precision="float32")
            def test_marked_nearer(self, parity):
                parity.check()

            def test_called(self, parity):
                parity.check("called", "torch", texts=["a text"], examples=40)
        """,
        *("--diglot-checkpoint=chosen", "--diglot-against=models/1", "--diglot-examples=10"),
        *("--diglot-seed=3", "-p", "no:randomly"),
    )
    done.assert_outcomes(passed=4)
    folder = {"failures": Path("diglot-failures"), "seed": 3}
    bare = {"checkpoint": "chosen", "against": "models/1", "examples": 10, "precision": "bfloat16"}
    marked = {**bare, "checkpoint": "marked", "examples": 20, "tolerance": STRICT}
    assert checks.calls == [
        {**folder, **bare},
        {**folder, **marked},
        {**folder, **marked, "examples": 30, "precision": "float32"},
        {
            **folder,
            **marked,
            **{"checkpoint": "called", "against": "torch", "texts": ["a text"], "examples": 40},
        },
    ]


def test_without_a_choice_the_configured_checkpoint_is_checked(run, checks, pytester):
    (pytester.path / "model").mkdir()
    (pytester.path / "diglot.toml").write_text('checkpoint = "model"\n')
    run(TEST).assert_outcomes(passed=1)
    (call,) = checks.calls
    assert call == {
        "checkpoint": str(pytester.path / "model"),
        "precision": "float32",
        "seed": 0,
        "failures": Path("diglot-failures"),
    }


def test_paths_are_relative_to_the_root_directory(run, checks, pytester):
    pytester.makeini("[pytest]\n")
    run("""
        def test_it(parity, tmp_path, monkeypatch):
            monkeypatch.chdir(tmp_path)
            parity.check()
    """).assert_outcomes(passed=1)
    assert checks.places == [pytester.path]


def test_the_same_check_runs_once(run, checks):
    done = run("""
        import pytest
        from diglot.parity import Tolerance

        @pytest.mark.parametrize("absolute", [1e-5, 1e-5, 2e-5])
        def test_it(parity, absolute):
            parity.check(tolerance=Tolerance(absolute=absolute))
    """)
    done.assert_outcomes(passed=3)
    assert [call["tolerance"].absolute for call in checks.calls] == [1e-5, 2e-5]
    done.stdout.fnmatch_lines(["diglot: 3 checks, 3 equal*"])


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--diglot-examples=0", "--diglot-examples must be 1 or more, not 0"),
        ("--diglot-seed=-1", "--diglot-seed must be 0 or more, not -1"),
    ],
)
def test_numbers_must_be_in_their_range(run, option, message):
    done = run(TEST, option)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"*{message}*"])


@pytest.mark.parametrize(
    ("test", "message"),
    [
        (
            "def test_it(parity):\n    parity.check(exmples=5)\n",
            "a check has no argument 'exmples'. Did you mean 'examples'?",
        ),
        (
            "def test_it(parity):\n    parity.check(failures='elsewhere')\n",
            "a check has no argument 'failures'.",
        ),
        (
            "import pytest\n@pytest.mark.parity(tolerence=1)\n" + TEST,
            "a check has no argument 'tolerence'. Did you mean 'tolerance'?",
        ),
        (
            "import pytest\n@pytest.mark.parity('models/reviews')\n" + TEST,
            "the marker parity takes only keyword arguments, such as examples=20, and got",
        ),
    ],
)
def test_a_wrong_use_is_reported(run, checks, test, message):
    done = run(test)
    done.assert_outcomes(failed=1)
    assert message in done.stdout.str()
    assert checks.calls == []


def test_a_ledger_is_the_reference(run, checks, pytester, monkeypatch):
    monkeypatch.setenv("DIGLOT_PRECISION", "bfloat16")
    (pytester.path / "reviews.ledger").touch()
    test = "def test_it(parity):\n    parity.check('model', ledger='reviews.ledger')\n"
    run(test).assert_outcomes(passed=1)
    (call,) = checks.calls
    assert (call["checkpoint"], call["against"]) == ("model", "reviews.ledger")
    assert call["reference"] == "tensorflow"
    assert "precision" not in call


def test_a_missing_ledger_is_reported(run, checks):
    done = run("def test_it(parity):\n    parity.check(ledger='reviews.ledger')\n")
    done.assert_outcomes(failed=1)
    assert "there is no ledger reviews.ledger in" in done.stdout.str()
    assert "pytest --diglot-update-ledger" in done.stdout.str()


def test_a_ledger_is_recorded_again(run, checks, pytester, monkeypatch):
    recorded = []

    @functools.wraps(ledger.record)
    def record(**arguments):
        recorded.append(arguments)
        Path(arguments["to"]).write_text("recorded")

    monkeypatch.setattr(ledger, "record", record)
    run(
        """
        def test_it(parity):
            parity.check("model", ledger="reviews.ledger", labels=["a", "b"], examples=5)
        """,
        "--diglot-update-ledger",
    ).assert_outcomes(passed=1)
    assert (pytester.path / "reviews.ledger").read_text() == "recorded"
    given = {"checkpoint": "model", "precision": "float32", "seed": 0, "examples": 5}
    given["labels"] = ["a", "b"]
    assert recorded == [{**given, "to": "reviews.ledger", "backend": "torch"}]
    assert [(call["against"], call["reference"]) for call in checks.calls] == [
        ("reviews.ledger", "tensorflow")
    ]


def test_workers_of_xdist_are_summed_up(pytester, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    pytester.makeconftest("""
        import functools
        from dataclasses import replace

        from tests.parity.test_pytest_plugin import FAILURE, found

        from diglot.parity import checks

        @functools.wraps(checks.check)
        def check(*, checkpoint, **_):
            right = found(*[FAILURE] * (checkpoint == "bad"))
            return right if checkpoint == "good" else replace(right, stages=right.stages[:1])

        checks.check = check
    """)
    pytester.makepyfile("""
        import pytest

        @pytest.mark.parametrize("checkpoint", ["good", "better", "bad"])
        def test_it(parity, checkpoint):
            parity.check(checkpoint)
    """)
    done = pytester.runpytest_subprocess("-n", "2")
    done.assert_outcomes(passed=2, failed=1)
    done.stdout.fnmatch_lines(
        ["diglot: 3 checks, 2 equal, with errors of at most 41% of the limit"]
    )


def test_a_real_difference_is_found_and_saved(pytester, tiny, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    # The other runs of PyTorch record the model again, which takes long.
    pytester.makeconftest(
        "from diglot.backends.torch import TorchBackend\n"
        "TorchBackend.other_runs = lambda self: {}\n"
    )
    pytester.makepyfile(f"""
        from tests.parity.fakes import Faulty, changed

        from diglot import checkpoints
        from diglot.equality.cases import Case

        def test_it(parity):
            found = checkpoints.find({str(tiny)!r})
            cases = [Case("mine", ("a b",))]
            parity.check(found, "torch", cases=cases)
            off = lambda stages, _: changed(stages, "logits", stages.outputs["logits"] + 0.5)
            parity.check(found, Faulty(found, answers=off), cases=cases)
    """)
    # In a process of its own, because a nested pytest removes the modules that it imports first.
    done = pytester.runpytest_subprocess()
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        [
            "E*NotEqualError: faulty against torch, *, float32: DIFFERENT",
            "E*1 inputs, seed 0; allowed: 4 times *",
            "E*logits (faulty against torch): logits: at [[]0, *[]] faulty has *exceeds the limit*",
            "E*smallest input: ''",
            "E*found in: mine",
            "E*saved in: diglot-failures/logits-*.json",
            "diglot: 2 checks, 1 equal, with errors of at most *% of the limit",
        ]
    )
    (kept,) = pytester.path.glob("diglot-failures/logits-*.json")
    assert json.loads(kept.read_text())["against"] == "faulty"
