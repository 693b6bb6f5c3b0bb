"""Which folders are versions, and which is the next."""

from pathlib import Path

import pytest

from diglot.endpoints import layout
from diglot.errors import ExportError


def make(folder: Path, *versions: str) -> Path:
    for one in versions:
        (folder / one).mkdir(parents=True)
        (folder / one / layout.PROGRAM).touch()
    return folder


def test_versions_are_numbers_with_a_program(tmp_path: Path) -> None:
    folder = make(tmp_path, "2", "10", ".3.abc", "latest", "1a")
    (folder / "7").mkdir()
    (folder / "notes.txt").touch()
    assert layout.versions(folder) == [2, 10]
    assert layout.versions(tmp_path / "none") == []


def test_the_next_version_is_above_all_that_are_taken(tmp_path: Path) -> None:
    assert layout.next_version(tmp_path / "none") == 1
    make(tmp_path, "2")
    (tmp_path / "7").mkdir()
    assert layout.next_version(tmp_path) == 8


def test_the_newest_version_is_meant_unless_one_is_named(tmp_path: Path) -> None:
    folder = make(tmp_path, "2", "10")
    assert layout.version(folder) == folder / "10"
    assert layout.version(folder / "2") == folder / "2"
    assert layout.is_export(folder)
    assert layout.is_export(folder / "2")


def test_a_number_may_begin_with_zeros(tmp_path: Path) -> None:
    folder = make(tmp_path, "2", "0000010", "\u0663")
    assert layout.versions(folder) == [2, 10]  # the last is a three in Arabic, and no number here
    assert layout.version(folder) == folder / "0000010"
    assert layout.next_version(folder) == 11


def test_a_folder_without_versions_says_how_to_make_one(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    assert not layout.is_export(tmp_path)
    with pytest.raises(ExportError, match=r"holds no SavedModel.*diglot export"):
        layout.version(tmp_path)


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b", "ä"])
def test_a_name_must_fit_a_path_and_a_url(name: str) -> None:
    with pytest.raises(ExportError, match="must be letters, digits"):
        layout.checked_name(name)
    assert layout.checked_name("Bert-base_2.1") == "Bert-base_2.1"
