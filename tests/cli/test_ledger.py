"""``diglot record`` and ``diglot ledger diff``: their files, their output and their exit codes."""

import json

import pytest
from tests.parity.ledgers import entry, ledger

from diglot.equality.cases import Case
from diglot.parity import BUDGET, STRICT, Tolerance
from diglot.parity.ledger import read, write


@pytest.fixture
def files(tmp_path):
    """Two ledgers; the answers of the second one moved."""
    write(ledger(), tmp_path / "old")
    write(ledger(entry(hidden=1.5), versions={"torch": "9.9"}), tmp_path / "new")
    return tmp_path / "old", tmp_path / "new"


@pytest.fixture
def own(tmp_path):
    """A file with a text of the user."""
    path = tmp_path / "own.txt"
    path.write_text("a b c\n")
    return path


def test_a_ledger_is_recorded(run, tiny, own, tmp_path):
    file = tmp_path / "tiny.ledger"
    few = ("--examples", 1, "--seed", 4, "--texts", own)
    code, out, err = run("record", tiny, "--to", file, *few)

    assert (code, err) == (0, "")
    made = read(file)
    count = f"{len(made.entries)} inputs, 0 of them refused"
    assert out == f"{file}: {count}, answered by torch in float32\n"
    assert (made.checkpoint, made.seed, made.tolerance) == (str(tiny), 4, BUDGET)
    assert ("a b c",) in [case.texts for case in made.cases]


def test_pairs_of_the_user_are_recorded(run, tiny, tmp_path):
    (tmp_path / "pairs.csv").write_text("first,second\na b,c\n")
    columns = ("--column", "first", "--pair-column", "second")
    given = ("--examples", 1, "--texts", tmp_path / "pairs.csv", *columns)
    assert run("record", tiny, "--to", tmp_path / "tiny.ledger", *given).code == 0
    cases = read(tmp_path / "tiny.ledger").cases
    assert (("a b",), ("c",)) in [(case.texts, case.pairs) for case in cases]


@pytest.mark.parametrize(
    ("options", "tolerance"),
    [(["--strict"], STRICT), (["--tolerance", 0.5], Tolerance(absolute=0.5))],
)
def test_the_options_are_recorded(run, tiny, tmp_path, options, tolerance):
    file = tmp_path / "tiny.ledger"
    rest = ("--precision", "float64", "--labels", "bad,good", "--examples", 1)
    code, out, _ = run("record", tiny, "--to", file, *options, *rest)

    assert (code, out.split()[-1]) == (0, "float64")
    made = read(file)
    assert (made.precision, made.labels, made.tolerance) == ("float64", ("bad", "good"), tolerance)


def test_a_check_against_a_record(run, tiny, own, tmp_path):
    file = tmp_path / "tiny.ledger"
    assert run("record", tiny, "--to", file, "--examples", 1, "--texts", own).code == 0
    failures = ("--failures", tmp_path / "failures")
    code, out, _ = run("check", tiny, "--against", file, *failures)

    assert code == 0
    words = " ".join(out.split())
    assert words.startswith(f"torch against torch as recorded, {tiny}, float32: equal")

    made = read(file)
    logits = made.entries[0].outputs["logits"]
    for array in (logits.values, logits.truth):
        array += 1
    write(made, file)
    code, out, _ = run("check", tiny, "--against", file, *failures)

    assert code == 1
    assert "DIFFERENT" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--to"),
        (["--to", "ledger", "--strict", "--lenient"], "--strict, --lenient and --tolerance"),
        (["--to", "ledger", "--backend", "jax"], "jax"),
        (["--to", "ledger", "--texts", "nowhere.txt"], "nowhere.txt"),
    ],
)
def test_a_record_that_fails_exits_with_2(run, tiny, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = run("record", tiny, *arguments)

    assert (code, out) == (2, "")
    assert message in err
    assert not list(tmp_path.iterdir())


def test_equal_ledgers_exit_with_0(run, files):
    code, out, err = run("ledger", "diff", files[0], files[0])

    assert (code, err) == (0, "")
    assert out.startswith("nothing moved beyond the tolerance\n")


def test_different_ledgers_exit_with_1(run, files):
    code, out, err = run("ledger", "diff", *files)

    assert (code, err) == (1, "")
    assert out.startswith("MOVED\n  torch: 2.13.0 → 9.9\n")
    assert "hidden states: 1 of 1 moved, 1 beyond the tolerance; by 0.5 at most" in out


def test_a_text_in_a_ledger_cannot_style_the_output(run, tmp_path):
    hostile = Case("own texts", ("[red]\x1b[31m", "bad"))
    write(ledger(entry(case=hostile), versions={"[bold]torch": "1"}), tmp_path / "old")
    moved = entry([[-0.25, 1.5], [-2.0, 0.1]], case=hostile)
    write(ledger(moved, versions={"[bold]torch": "\x1b[31m"}), tmp_path / "new")
    code, out, _ = run("ledger", "diff", tmp_path / "old", tmp_path / "new")

    assert code == 1
    assert "\x1b" not in out
    assert "[bold]torch" in out


def test_the_differences_are_printed_as_json(run, files):
    code, out, err = run("ledger", "diff", *files, "--format", "json")

    assert (code, err) == (1, "")
    differences = json.loads(out)
    assert differences["within"] is False
    assert [move["stage"] for move in differences["moves"] if move["beyond"]] == ["hidden states"]


def test_ledgers_that_cannot_be_compared_exit_with_2(run, files, tmp_path):
    code, out, err = run("ledger", "diff", files[0], tmp_path / "none")
    assert (code, out) == (2, "")
    assert "none cannot be read as a ledger" in err

    files[1].write_bytes(files[1].read_bytes()[:-9])
    code, out, err = run("ledger", "diff", *files)
    assert (code, out) == (2, "")
    assert "new is truncated" in " ".join(err.split())
