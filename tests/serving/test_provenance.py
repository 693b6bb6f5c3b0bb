"""The record of an export, honest and forged."""

import json
from pathlib import Path
from typing import Any

import pytest

from diglot.checkpoints import hub
from diglot.endpoints import layout, provenance
from diglot.errors import ExportError

PARITY = {"texts": 4, "warmups": 2, "worst_error": 1e-6, "differences": []}
FACTS = {"checkpoint": {"name": "tiny"}, "parity": PARITY}


def test_a_record_is_read_back(tmp_path: Path) -> None:
    (tmp_path / layout.PROGRAM).write_bytes(b"abc")
    provenance.write(tmp_path, FACTS)
    assert provenance.read(tmp_path) == {
        "schema": 1,
        **FACTS,
        # By sha256sum, of "abc".
        "files": {
            layout.PROGRAM: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        },
    }


def test_a_record_without_a_proof_is_read(tmp_path: Path) -> None:
    provenance.write(tmp_path, {"tokenizer": None})
    assert provenance.read(tmp_path).get("parity") is None


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in PARITY.items() if key != name}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 2}, "has the schema 2, and this diglot reads 1"),
        ({"files": None}, "'files' must map"),
        ({"files": {"a": 1}}, "'files' must map"),
        ({"files": ["a"]}, "'files' must map"),
        ({"parity": []}, "'parity' must be an object"),
        ({"parity": {"differences": []}}, "must hold a number 'texts', not None"),
        ({"parity": without("differences")}, "must list its differences"),
        ({"parity": {**PARITY, "differences": [1]}}, "must list its differences"),
        ({"parity": {**PARITY, "differences": ""}}, "must list its differences"),
        ({"parity": without("warmups")}, "must hold a number 'warmups'"),
        ({"parity": {**PARITY, "texts": True}}, "must hold a number 'texts', not True"),
        ({"parity": {**PARITY, "worst_error": "0"}}, "must hold a number 'worst_error', not '0'"),
        ({"checkpoint": None}, "'checkpoint' must hold the name"),
        ({"checkpoint": {"name": 1}}, "'checkpoint' must hold the name"),
    ],
)
def test_a_forged_record_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    provenance.write(tmp_path, FACTS)
    path = tmp_path / layout.PROVENANCE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ExportError, match=message):
        provenance.read(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "1", "[" * 100_000, "\x80"])
def test_a_file_that_is_no_record(text: str, tmp_path: Path) -> None:
    path = tmp_path / layout.PROVENANCE
    path.parent.mkdir()
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ExportError, match=r"cannot be read|has the schema None"):
        provenance.read(tmp_path)


def test_only_the_checkpoints_own_files_are_hashed(tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors", "optimizer.pt", ".git/config", "b/c.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    assert set(provenance.hashes(tmp_path, hub.FILES)) == {"config.json", "model.safetensors"}
    assert len(provenance.hashes(tmp_path)) == 5
    assert provenance.hashes(tmp_path, ["*.none"]) == {}
