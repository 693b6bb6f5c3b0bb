"""Settings: who wins, where each value comes from, and what a wrong one says."""

import os
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType

import pytest

from diglot import backends
from diglot.errors import BackendNotInstalledError, SettingsError
from diglot.settings import Settings, load

FIELDS = ("checkpoint", "backend", "precision", "device", "batch_size")


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_without_any_setting_all_is_default_or_automatic():
    settings = load()

    assert settings.model_dump() == {
        "checkpoint": None,
        "backend": None,
        "precision": "float32",
        "device": None,
        "batch_size": 32,
    }
    assert settings.sources == {
        "checkpoint": "automatic",
        "backend": "automatic",
        "precision": "default",
        "device": "automatic",
        "batch_size": "default",
    }


def test_each_source_beats_the_ones_below_it(tmp_path, monkeypatch):
    file = write(tmp_path, "diglot.toml", 'backend = "tensorflow"\nbatch_size = 4\ndevice = "mps"')

    assert load().backend == "tensorflow"
    assert load().sources["backend"] == str(file)

    monkeypatch.setenv("DIGLOT_BACKEND", "torch")
    monkeypatch.setenv("DIGLOT_BATCH_SIZE", "8")
    assert (load().backend, load().batch_size, load().device) == ("torch", 8, "mps")
    assert load().sources["backend"] == "DIGLOT_BACKEND"

    settings = load(backend="tensorflow")
    assert (settings.backend, settings.batch_size, settings.device) == ("tensorflow", 8, "mps")
    assert settings.sources == {
        "checkpoint": "automatic",
        "backend": "argument",
        "precision": "default",
        "device": str(file),
        "batch_size": "DIGLOT_BATCH_SIZE",
    }


def test_an_argument_of_none_means_that_the_caller_does_not_say(monkeypatch):
    monkeypatch.setenv("DIGLOT_PRECISION", "float64")

    settings = load(precision=None, backend=None)

    assert settings.precision == "float64"
    assert settings.sources["precision"] == "DIGLOT_PRECISION"
    assert settings.sources["backend"] == "automatic"


def test_a_variable_set_to_nothing_counts_as_not_set(monkeypatch):
    monkeypatch.setenv("DIGLOT_BACKEND", "")

    assert load().sources["backend"] == "automatic"


def test_the_table_of_pyproject_is_read(tmp_path):
    file = write(tmp_path, "pyproject.toml", '[tool.diglot]\nprecision = "bfloat16"')

    assert load().precision == "bfloat16"
    assert load().sources["precision"] == str(file)


def test_in_one_folder_diglot_toml_beats_pyproject(tmp_path):
    write(tmp_path, "pyproject.toml", '[tool.diglot]\nprecision = "bfloat16"\nbatch_size = 2')
    write(tmp_path, "diglot.toml", 'precision = "float16"')

    assert load().precision == "float16"
    assert load().batch_size == 32


def test_the_nearest_folder_with_settings_is_the_only_one_read(tmp_path, monkeypatch):
    write(tmp_path, "diglot.toml", "batch_size = 1")
    write(tmp_path / "near", "pyproject.toml", '[tool.diglot]\ndevice = "cuda:1"')
    write(tmp_path / "near" / "here", "pyproject.toml", '[project]\nname = "no settings"')
    monkeypatch.chdir(tmp_path / "near" / "here")

    assert load().device == "cuda:1"
    assert load().batch_size == 32


@pytest.mark.parametrize(
    "text", ["tool = 3", "[tool]\nother = 1", "", "[tool.other]\ndiglot = 1"], ids=repr
)
def test_a_pyproject_without_the_table_is_passed_over(tmp_path, monkeypatch, text):
    write(tmp_path, "diglot.toml", "batch_size = 1")
    write(tmp_path / "below", "pyproject.toml", text)
    monkeypatch.chdir(tmp_path / "below")

    assert load().batch_size == 1


def test_an_empty_table_stops_the_search(tmp_path, monkeypatch):
    write(tmp_path, "diglot.toml", "batch_size = 1")
    write(tmp_path / "below", "diglot.toml", "")
    monkeypatch.chdir(tmp_path / "below")

    assert load().batch_size == 32


def test_a_path_in_a_file_is_meant_from_where_the_file_is(tmp_path, monkeypatch):
    write(tmp_path, "diglot.toml", 'checkpoint = "models/mine"')
    (tmp_path / "models" / "mine").mkdir(parents=True)
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")

    assert load().checkpoint == str(tmp_path / "models" / "mine")


def test_a_hub_id_in_a_file_stays_as_it_is(tmp_path):
    write(tmp_path, "diglot.toml", 'checkpoint = "someone/something"')

    assert load().checkpoint == "someone/something"


def test_a_path_object_is_taken_as_a_checkpoint(tmp_path):
    assert load(checkpoint=tmp_path).checkpoint == str(tmp_path)


@pytest.mark.parametrize("device", ["cpu", "mps", "cuda", "cuda:0", "cuda:12"])
def test_devices(device):
    assert load(device=device).device == device


@pytest.mark.parametrize("precision", ["float32", "float64", "float16", "bfloat16"])
def test_precisions(precision):
    assert load(precision=precision).precision == precision


ALLOWED = {
    "checkpoint": "checkpoint takes a directory or a hub id.",
    "backend": "backend takes one of torch, tensorflow, saved_model.",
    "precision": "precision takes one of float32, float64, float16, bfloat16.",
    "device": "device takes one of cpu, mps, cuda, cuda:N, where N is a number.",
    "batch_size": "batch_size takes a whole number above 0.",
}
WRONG = [
    ("backend", "jax"),
    ("precision", "int8"),
    ("device", "cuda:"),
    ("device", "gpu"),
    ("batch_size", "0"),
    ("batch_size", "many"),
]


@pytest.mark.parametrize(("key", "value"), WRONG)
def test_a_wrong_variable_is_named_with_its_value_and_what_is_allowed(monkeypatch, key, value):
    monkeypatch.setenv(f"DIGLOT_{key.upper()}", value)

    with pytest.raises(SettingsError) as caught:
        load()

    assert f"DIGLOT_{key.upper()}={value!r}" in str(caught.value)
    assert ALLOWED[key] in str(caught.value)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(("key", "value"), WRONG)
def test_a_wrong_value_in_a_file_is_named_with_the_file(tmp_path, key, value):
    file = write(tmp_path, "diglot.toml", f'{key} = "{value}"')

    with pytest.raises(SettingsError) as caught:
        load()

    assert f"{file}: {key} = {value!r}" in str(caught.value)
    assert ALLOWED[key] in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [("batch_size", True), ("batch_size", 1.5), ("backend", 3), ("checkpoint", ""), ("device", [])],
)
def test_a_wrong_argument_is_named(key, value):
    with pytest.raises(SettingsError) as caught:
        load(**{key: value})

    assert f"the argument {key}={value!r} is not allowed" in str(caught.value)
    assert ALLOWED[key] in str(caught.value)


def test_a_wrong_value_is_an_error_even_where_another_source_wins(monkeypatch):
    monkeypatch.setenv("DIGLOT_BACKEND", "jax")

    with pytest.raises(SettingsError, match="DIGLOT_BACKEND='jax'"):
        load(backend="torch")


def test_an_unknown_key_in_a_file_names_the_nearest_and_all(tmp_path):
    file = write(tmp_path, "pyproject.toml", "[tool.diglot]\nbatchsize = 2")

    with pytest.raises(SettingsError) as caught:
        load()

    message = str(caught.value)
    assert f"{file}: batchsize = 2: there is no setting 'batchsize'." in message
    assert "Did you mean 'batch_size'?" in message
    assert all(field in message for field in FIELDS)


def test_an_unknown_variable_is_an_error(monkeypatch):
    monkeypatch.setenv("DIGLOT_BAKEND", "torch")

    with pytest.raises(SettingsError, match=r"DIGLOT_BAKEND='torch'.*Did you mean 'backend'\?"):
        load()


def test_an_unknown_argument_with_nothing_near_is_an_error():
    with pytest.raises(SettingsError) as caught:
        load(zzz=1)

    assert "the argument zzz=1: there is no setting 'zzz'. The settings are:" in str(caught.value)


def test_malformed_toml_names_the_file_and_the_line(tmp_path):
    file = write(tmp_path, "diglot.toml", 'precision = "float32"\nbackend = torch')

    with pytest.raises(SettingsError) as caught:
        load()

    assert str(file) in str(caught.value)
    assert "line 2" in str(caught.value)
    assert caught.value.__cause__ is not None


def test_a_file_that_is_not_text_is_named(tmp_path):
    file = tmp_path / "diglot.toml"
    file.write_bytes(b"\xff\xfe")

    with pytest.raises(SettingsError, match="cannot be read as TOML") as caught:
        load()

    assert str(file) in str(caught.value)


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    file = write(tmp_path, "diglot.toml", "")

    def refuse(path: Path, encoding: str) -> str:
        raise PermissionError(f"{path} is locked")

    monkeypatch.setattr(Path, "read_text", refuse)

    with pytest.raises(SettingsError, match=f"{file} cannot be read as TOML: {file} is locked"):
        load()


def test_a_table_that_is_none_is_named(tmp_path):
    write(tmp_path, "pyproject.toml", "[tool]\ndiglot = 3")

    with pytest.raises(SettingsError, match=r"\[tool.diglot\] must be a table, not 3"):
        load()


def test_the_chosen_backend_is_the_one_asked_for():
    assert load(backend="tensorflow").chosen_backend() == "tensorflow"


def test_without_one_the_first_installed_backend_is_chosen(monkeypatch):
    monkeypatch.setattr(backends, "installed", lambda: ["second", "third"])

    assert load().chosen_backend() == "second"


def test_no_backend_is_needed_before_it_is_chosen(monkeypatch):
    monkeypatch.setattr(backends, "installed", list)
    settings = load()

    with pytest.raises(BackendNotInstalledError):
        settings.chosen_backend()


def test_settings_cannot_be_changed():
    settings = load()

    with pytest.raises(ValueError, match="frozen"):
        settings.backend = "torch"
    with pytest.raises(TypeError):
        settings.sources["backend"] = "nowhere"
    assert isinstance(settings.sources, MappingProxyType)
    assert Settings().sources == {}


def test_a_setting_cannot_be_called_after_the_sources():
    assert "sources" not in Settings.model_fields
    with pytest.raises(SettingsError, match="there is no setting 'sources'"):
        load(sources={})


def test_no_framework_is_imported():
    program = (
        "import sys; from diglot.settings import load; load(backend='tensorflow');"
        "heavy = {'torch', 'tensorflow', 'transformers', 'numpy', 'keras'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )

    assert done.stdout.strip() == "[]"
