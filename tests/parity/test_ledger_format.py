"""The file of a ledger: it reads back the same, and other files are refused."""

import base64
import hashlib
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.parity.ledgers import IDS, LOGITS, entry, ledger

from diglot.equality.cases import Case
from diglot.errors import LedgerError
from diglot.parity import STRICT
from diglot.parity.ledger import Entry, Ledger, Recorded, read, write

TEXTS = Case("own texts", ("näive\n\u2028\U0001f642\x00", "[CLS]"), ("", "zwei"))
ENCODING = Case(
    "encodings",
    encoding={"input_ids": np.array(IDS), "attention_mask": np.array([[1, 1, 1], [1, 1, 0]])},
)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A valid ledger that the test may damage."""
    write(ledger(), tmp_path / "good.ledger")
    return tmp_path / "good.ledger"


def assert_same(one: Ledger, other: Ledger) -> None:
    facts = {**vars(one), "entries": None}
    assert facts == {**vars(other), "entries": None}
    assert len(one.entries) == len(other.entries)
    for before, again in zip(one.entries, other.entries, strict=True):
        assert (before.case.facts(), before.refused) == (again.case.facts(), again.refused)
        assert list(before.encoding) == list(again.encoding)
        for name, ids in before.encoding.items():
            np.testing.assert_array_equal(ids, again.encoding[name])
        assert list(before.outputs) == list(again.outputs)
        arrays, others = ([*each.hidden_states, *each.outputs.values()] for each in (before, again))
        for array, read_array in zip(arrays, others, strict=True):
            assert array.values.dtype == read_array.values.dtype
            assert array.truth.dtype == read_array.truth.dtype == np.float64
            np.testing.assert_array_equal(array.values, read_array.values)
            np.testing.assert_array_equal(array.truth, read_array.truth)
            assert array.error == read_array.error


@pytest.mark.parametrize(
    "made",
    [
        ledger(),
        ledger(entry(case=TEXTS), entry(case=ENCODING)),
        ledger(Entry(TEXTS, {}, refused="it has no tokens"), entry()),
        ledger(entry([[0.1, 1 / 3], [1e-30, -3e38]])),
        ledger(entry([[np.nan, np.inf], [-np.inf, 0.0]], hidden=np.nan, error=0.0)),
        ledger(entry(dtype=np.float64, hidden=1 / 3), precision="float64"),
        ledger(tolerance=STRICT, seed=0, labels=("ja", "nein"), files={}, versions={}),
    ],
)
def test_a_written_ledger_is_read(made: Ledger, tmp_path: Path) -> None:
    with np.errstate(invalid="ignore"):
        write(made, tmp_path / "one")
    assert_same(made, read(tmp_path / "one"))
    write(read(tmp_path / "one"), tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_the_float64_sketch_is_accurate_to_half_a_step(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(2, 3, 2)).astype(np.float32)
    truth = values - 1e-6 * random.uniform(-1, 1, size=values.shape)
    one = entry()
    sketches = (Recorded(values, truth, 1e-6),)
    write(ledger(Entry(one.case, one.encoding, sketches, one.outputs)), tmp_path / "one")
    (array,) = read(tmp_path / "one").entries[0].hidden_states
    np.testing.assert_array_equal(array.values, values)
    assert 0 < np.abs(array.truth - truth).max() <= 1e-6 / 254 * (1 + 1e-6)


def test_numbers_of_a_sketch_that_are_not_finite_have_no_error(tmp_path: Path) -> None:
    values, truth = np.ones((2, 3, 2), np.float32), np.ones((2, 3, 2))
    values[0, 0], truth[1, 2] = np.inf, np.inf
    one = entry()
    sketches = (Recorded(values, truth, 0.0),)
    write(ledger(Entry(one.case, one.encoding, sketches, one.outputs)), tmp_path / "one")
    (array,) = read(tmp_path / "one").entries[0].hidden_states
    np.testing.assert_array_equal(array.values, values)
    assert np.isnan(array.truth[[0, 1], [0, 2]]).all()
    assert np.isfinite(array.truth).sum() == 8


def test_each_input_is_a_line_of_plain_text(tmp_path: Path) -> None:
    write(ledger(entry(case=TEXTS), entry([[0.1, 2.5], [3.0, 4.0]], case=ENCODING)), tmp_path / "a")
    header, *facts, first, second = (tmp_path / "a").read_text("utf-8").split("\n")[:-1]
    assert json.loads(header)["diglot ledger"] == 2
    assert [list(json.loads(line)) for line in facts][:2] == [["checkpoint"], ["files"]]
    assert '"input_ids":[[2,7,3],[2,3,0]]' in first
    assert "näive" in first
    # The shortest decimals of float32, not those of the equal float64.
    assert '"logits":{"recorded":[[0.1,2.5],[3.0,4.0]]' in second
    assert str(float(np.float32(0.1))) in second


def test_the_ends_of_lines_may_be_those_of_windows(written: Path) -> None:
    before = read(written)
    written.write_bytes(written.read_bytes().replace(b"\n", b"\r\n"))
    assert_same(before, read(written))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"none cannot be read as a ledger: No such file"):
        read(tmp_path / "none")
    with pytest.raises(LedgerError, match="Is a directory"):
        read(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"a text\n",
        b"\x80\x04pickle",
        b"[" * 100_000,
        b"{}\n",
        b"[1]\n",
        b'{"diglot ledger":"x","lines":1,"sha256":""}\n',
        b'{"diglot ledger":1}\n',
    ],
)
def test_another_file(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(LedgerError, match=r"is not a ledger.*diglot record"):
        read(tmp_path / "other")


def test_a_newer_schema(written: Path) -> None:
    text = written.read_text("utf-8")
    written.write_text(text.replace('"diglot ledger":2', '"diglot ledger":3', 1), "utf-8")
    with pytest.raises(LedgerError, match=r"schema 3, and this diglot reads 2\. Update"):
        read(written)


def test_an_older_schema(written: Path) -> None:
    text = written.read_text("utf-8")
    written.write_text(text.replace('"diglot ledger":2', '"diglot ledger":1', 1), "utf-8")
    with pytest.raises(LedgerError, match=r"older diglot: it has the schema 1.*Record the ledger"):
        read(written)


def test_a_lone_surrogate_is_written_and_read(tmp_path: Path) -> None:
    made = ledger(Entry(Case("own texts", ("a\udc80b",)), {}, refused="it is not text"))
    write(made, tmp_path / "one")
    assert_same(made, read(tmp_path / "one"))


def test_numbers_that_are_not_finite_have_jsons_usual_names(tmp_path: Path) -> None:
    write(ledger(entry([[np.nan, np.inf], [-np.inf, 0.0]], error=0.0)), tmp_path / "one")
    text = (tmp_path / "one").read_text("utf-8")
    assert '"recorded":[["NaN","Infinity"],["-Infinity",0.0]]' in text


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.99])
def test_a_truncated_ledger(kept: float, written: Path) -> None:
    data = written.read_bytes()
    written.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(LedgerError, match=r"is truncated: [0-9]+ complete lines.*of 12\. Fetch"):
        read(written)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1.5,", "1.6,"),
        ('"NEGATIVE","POSITIVE"', '"POSITIVE","NEGATIVE"'),
        ('"good"', '"goof"'),
        ('"sha256":"', '"sha256":"0'),
        ('"multiple":4.0', '"multiple":9.0'),
    ],
)
def test_a_ledger_that_was_changed(old: str, new: str, written: Path) -> None:
    text = written.read_text("utf-8")
    assert old in text
    written.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(LedgerError, match=r"was changed after it was written.*Restore it"):
        read(written)


def test_a_line_that_was_added(written: Path) -> None:
    text = written.read_text("utf-8")
    written.write_text(text + text.splitlines()[-1] + "\n", "utf-8")
    with pytest.raises(LedgerError, match="was changed"):
        read(written)


def forge(path: Path, change: Callable[[list[Any]], Any]) -> None:
    """Change the lines of a ledger, and write a right checksum."""
    first, *rest = path.read_text("utf-8").splitlines()
    lines = [json.loads(line) for line in rest]
    change(lines)
    body = "".join(json.dumps(line) + "\n" for line in lines).encode()
    header = json.loads(first) | {"lines": len(lines), "sha256": hashlib.sha256(body).hexdigest()}
    path.write_bytes(json.dumps(header).encode() + b"\n" + body)


def sketch(raw: bytes) -> dict[str, Any]:
    return {
        "shape": [2, 3, 2],
        "error": 1e-6,
        "sketch": base64.b64encode(zlib.compress(raw)).decode(),
    }


def in_entry(**changes: Any) -> Callable[[list[Any]], Any]:
    return lambda lines: lines[-1].update(changes)


def in_logits(**changes: Any) -> Callable[[list[Any]], Any]:
    return lambda lines: lines[-1]["outputs"].update(logits={**GOOD, **changes})


def in_layer(*layers: Any) -> Callable[[list[Any]], Any]:
    return lambda lines: lines[-1].update({"hidden states": list(layers)})


GOOD = {"recorded": LOGITS, "float64": LOGITS, "error": 0.0}


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines.pop(0),
        lambda lines: lines.__setitem__(2, {"task": "poetry"}),
        lambda lines: lines.__setitem__(3, {"labels": "NEGATIVE"}),
        lambda lines: lines.__setitem__(3, {"labels": [1, 2]}),
        lambda lines: lines.__setitem__(6, {"precision": "float128"}),
        lambda lines: lines.__setitem__(8, {"tolerance": {"multiple": "much"}}),
        lambda lines: lines.__setitem__(10, {"versions": ["torch"]}),
        lambda lines: lines.__setitem__(-1, [1]),
        lambda lines: lines.__setitem__(-1, {}),
        in_entry(case={"origin": "x"}),
        in_entry(encoding={"input_ids": [[1], [2, 3]]}),
        in_entry(encoding={"input_ids": [[10**30]]}),
        in_entry(encoding={"input_ids": [[1], [2], [3]]}),
        in_entry(outputs=3),
        in_entry(outputs={"logits": 3}),
        lambda lines: lines[-1].pop("outputs"),
        in_logits(recorded=[[1.0], [2.0]]),
        in_logits(float64=[["x", 1.0], [2.0, 3.0]]),
        in_logits(error=-1.0),
        in_logits(error="NaN"),
        in_layer(sketch(bytes(59))),
        in_layer(sketch(bytes(10_000_000))),
        in_layer({**sketch(bytes(60)), "shape": [10**9, 10**9, 10**9]}),
        in_layer({**sketch(bytes(60)), "shape": [3, 2, 2]}),
        in_layer({**sketch(bytes(60)), "shape": [12]}),
        in_layer({**sketch(bytes(60)), "shape": [-2, -3, 2]}),
        in_layer({**sketch(b""), "shape": [2, 0, 5]}),
        in_layer({**sketch(bytes(60)), "sketch": "no base64!"}),
        in_layer({**sketch(bytes(60)), "sketch": "bm8gemxpYg=="}),
    ],
)
def test_a_forged_ledger_with_a_right_checksum_is_refused(
    change: Callable[[list[Any]], Any], written: Path
) -> None:
    forge(written, change)
    with pytest.raises(
        LedgerError, match=r"matches its checksum, but its content.*Record it again"
    ):
        read(written)


def test_a_valid_forgery_is_read(written: Path) -> None:
    before = read(written)
    forge(written, in_logits())
    forge(written, in_layer(sketch(bytes(60))))
    after = read(written)
    assert after.labels == before.labels
    assert not after.entries[0].hidden_states[0].values.any()


def test_a_full_disk_leaves_the_old_ledger(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = written.read_bytes()
    whole = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        whole(path, data[:9])
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space left"):
        write(ledger(seed=1), written)
    assert written.read_bytes() == before
    assert [path.name for path in written.parent.iterdir()] == [written.name]
