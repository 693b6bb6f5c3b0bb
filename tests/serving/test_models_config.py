"""The list of models beside the exports, which operators may edit too."""

import multiprocessing
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from diglot.endpoints import layout
from diglot.serving import models_config


def add(folder: Path, name: str) -> None:
    (folder / name / "1").mkdir(parents=True)
    (folder / name / "1" / layout.PROGRAM).touch()


def entries(folder: Path) -> list[Any]:
    text = (folder / layout.MODELS).read_text()
    server = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    return list(server.model_config_list.config)


def test_each_model_is_listed(tmp_path: Path) -> None:
    add(tmp_path, "b")
    add(tmp_path, "a")
    (tmp_path / "empty").mkdir()
    models_config.update(tmp_path)
    assert [(entry.name, entry.base_path, entry.model_platform) for entry in entries(tmp_path)] == [
        ("a", "/models/a", "tensorflow"),
        ("b", "/models/b", "tensorflow"),
    ]


def test_entries_of_an_operator_stay(tmp_path: Path) -> None:
    """Models from elsewhere, and choices such as a policy of versions."""
    add(tmp_path, "new")
    add(tmp_path, "old")
    (tmp_path / layout.MODELS).write_text(
        'model_config_list { config { name: "old" base_path: "/models/old/"'
        " model_version_policy { all {} } }"
        ' config { name: "ranker" base_path: "/elsewhere/ranker" }'
        " config { name: 'gone' base_path: '/models/gone' } }"
    )
    models_config.update(tmp_path)
    new, old, ranker = entries(tmp_path)
    assert (new.name, old.name, ranker.name) == ("new", "old", "ranker")
    assert ranker.base_path == "/elsewhere/ranker"
    assert old.model_version_policy.HasField("all")


def test_a_list_that_needs_no_change_is_not_written(tmp_path: Path) -> None:
    add(tmp_path, "a")
    text = "# by hand\nmodel_config_list { config { name: 'a' base_path: '/models/a' } }"
    (tmp_path / layout.MODELS).write_text(text)
    models_config.update(tmp_path)
    assert (tmp_path / layout.MODELS).read_text() == text


def test_a_list_that_cannot_be_read_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    add(tmp_path, "a")
    path = tmp_path / layout.MODELS
    path.write_text("model_config_list {")
    models_config.update(tmp_path)
    assert path.read_text() == "model_config_list {"
    assert "stays as it is, because it cannot be read" in caplog.text


def update_slowly(folder: Path, name: str, began: Any, go: Any) -> None:
    """Add a model, and update the list; wait between reading and writing."""
    parse = text_format.Parse

    def slow(text: str, message: Any) -> Any:
        parsed = parse(text, message)
        began.set()
        go.wait(2)
        return parsed

    text_format.Parse = slow
    add(folder, name)
    models_config.update(folder)


def test_two_exports_at_once_lose_nothing(tmp_path: Path) -> None:
    """The second one starts while the first has read the list, and not yet written it."""
    add(tmp_path, "a")
    models_config.update(tmp_path)
    (tmp_path / "a" / "1" / layout.PROGRAM).unlink()
    (tmp_path / "a" / "1").rmdir()
    entry = "config { name: 'OWN' base_path: '/elsewhere' }"
    (tmp_path / layout.MODELS).write_text(f"model_config_list {{ {entry} }}")
    context = multiprocessing.get_context("fork")
    began, go = context.Event(), context.Event()
    first = context.Process(target=update_slowly, args=(tmp_path, "first", began, go))
    first.start()
    assert began.wait(30)
    add(tmp_path, "second")
    other = context.Process(target=models_config.update, args=(tmp_path,))
    other.start()
    other.join(0.5)
    assert other.is_alive()  # it waits for the first
    go.set()
    first.join(30)
    other.join(30)
    assert (first.exitcode, other.exitcode) == (0, 0)
    assert {entry.name for entry in entries(tmp_path)} == {"OWN", "first", "second"}
