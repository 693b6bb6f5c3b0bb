"""``diglot config`` and ``diglot info``: facts and their sources."""

import json
import math
import platform
from importlib.metadata import version

import pytest
from safetensors.numpy import load_file, save_file

import diglot
from diglot import backends
from diglot.errors import BackendNotInstalledError


def words(out):
    return [line.split() for line in out.splitlines()]


def test_config_prints_each_value_and_its_source(run, tmp_path, monkeypatch):
    file = tmp_path / "diglot.toml"
    file.write_text('device = "cpu"\n')
    monkeypatch.setenv("DIGLOT_BATCH_SIZE", "8")
    result = run("config", "--format", "json")

    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out) == {
        "checkpoint": {"value": None, "source": "automatic"},
        "backend": {"value": None, "source": "automatic"},
        "precision": {"value": "float32", "source": "default"},
        "device": {"value": "cpu", "source": str(file)},
        "batch_size": {"value": 8, "source": "DIGLOT_BATCH_SIZE"},
    }


def test_config_prints_automatic_values_in_words(run):
    assert words(run("config").out) == [
        ["setting", "value", "source"],
        ["checkpoint", "the", "one", "that", "diglot", "ships", "automatic"],
        ["backend", "torch,", "the", "first", "installed", "automatic"],
        ["precision", "float32", "default"],
        ["device", "the", "fastest", "available", "automatic"],
        ["batch_size", "32", "default"],
    ]


def test_config_reports_that_no_framework_is_installed(run, monkeypatch):
    def none():
        raise BackendNotInstalledError("none")

    monkeypatch.setattr(backends, "automatic", none)
    assert ["backend", "none", "is", "installed", "automatic"] in words(run("config").out)


def test_config_keeps_long_paths_whole_in_80_columns(run, tmp_path, monkeypatch):
    folder = tmp_path / ("deep" * 30)
    folder.mkdir()
    (folder / "diglot.toml").write_text('checkpoint = "some/model"\n')
    monkeypatch.chdir(folder)
    out = run("config").out

    assert all(len(line) <= 80 for line in out.splitlines())
    assert str(folder / "diglot.toml") in "".join(line[24:].strip() for line in out.splitlines())


def test_a_wrong_setting_is_one_message(run, tmp_path):
    (tmp_path / "diglot.toml").write_text("batch = 3\n")
    result = run("config")

    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("diglot: ")
    assert "diglot.toml" in result.err
    assert "'batch_size'" in result.err


def test_info_prints_versions_and_backends(run, tiny):
    result = run("info", "-m", tiny, "-f", "json")

    assert (result.code, result.err) == (0, "")
    facts = json.loads(result.out)
    assert facts["versions"]["diglot"] == diglot.__version__
    assert facts["versions"]["python"] == platform.python_version()
    for name in ("transformers", "tokenizers", "torch", "keras", "numpy", "pyarrow"):
        assert facts["versions"][name] == version(name)
    assert facts["versions"]["tensorflow"].startswith("2.")
    assert facts["backends"]["torch"] == {"installed": True, "missing": []}
    assert facts["backends"]["tensorflow"] == {"installed": True, "missing": []}


def test_info_prints_facts_about_the_checkpoint(run, tiny):
    weights = load_file(tiny / "model.safetensors")
    facts = json.loads(run("info", "-m", tiny, "-f", "json").out)

    assert facts["checkpoint"] == {
        "name": str(tiny),
        "path": str(tiny),
        "revision": None,
        "architecture": "BertForSequenceClassification",
        "model_type": "bert",
        "labels": ["NEGATIVE", "POSITIVE"],
        "parameters": sum(array.size for array in weights.values()),
        "dtypes": ["F32"],
        "bytes": (tiny / "model.safetensors").stat().st_size,
        "positions": 24,
        "tokenizer_limit": 24,
    }


def test_info_reads_the_configured_checkpoint(run, tiny, monkeypatch):
    monkeypatch.setenv("DIGLOT_CHECKPOINT", str(tiny))
    lines = words(run("info").out)

    assert ["architecture", "BertForSequenceClassification"] in lines
    assert ["labels", "NEGATIVE,", "POSITIVE"] in lines
    assert ["torch", "installed"] in lines
    assert not any(line[:1] == ["revision"] for line in lines)


def test_info_leaves_out_what_a_checkpoint_does_not_say(run, tiny_copy):
    (tiny_copy / "config.json").write_text('{"model_type": "gpt2", "n_positions": 9}')
    (tiny_copy / "tokenizer_config.json").write_text('{"model_max_length": 1e30}')
    facts = json.loads(run("info", "-m", tiny_copy, "-f", "json").out)["checkpoint"]

    assert (facts["architecture"], facts["labels"], facts["tokenizer_limit"]) == (None, None, None)
    assert facts["positions"] == 9
    for content in ("not json", "[]"):
        (tiny_copy / "tokenizer_config.json").write_text(content)
        assert "tokenizer_limit" not in run("info", "-m", tiny_copy).out
    (tiny_copy / "tokenizer_config.json").unlink()
    assert "tokenizer_limit" not in run("info", "-m", tiny_copy).out


def test_info_adds_up_shards_and_lists_their_dtypes(run, tiny_copy):
    weights = load_file(tiny_copy / "model.safetensors")
    (tiny_copy / "model.safetensors").unlink()
    names = sorted(weights)
    parts = {"model-1.safetensors": names[:3], "model-2.safetensors": names[3:]}
    for file, held in parts.items():
        half = {name: weights[name].astype("float16") for name in held}
        save_file(half if file == "model-1.safetensors" else weights | half, tiny_copy / file)
    save_file({name: weights[name] for name in names[3:]}, tiny_copy / "model-2.safetensors")
    index = {name: file for file, held in parts.items() for name in held}
    (tiny_copy / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    facts = json.loads(run("info", "-m", tiny_copy, "-f", "json").out)["checkpoint"]

    assert facts["parameters"] == sum(math.prod(array.shape) for array in weights.values())
    assert facts["dtypes"] == ["F16", "F32"]
    assert facts["bytes"] == sum((tiny_copy / file).stat().st_size for file in parts)


@pytest.mark.parametrize("layout", ["table", "json"])
def test_info_prints_the_rest_if_the_checkpoint_cannot_be_read(run, tmp_path, layout):
    result = run("info", "-m", tmp_path, "-f", layout)

    assert result.code == 1
    assert result.err == (
        f"diglot: {tmp_path} has no config.json. Give the folder to which save_pretrained"
        " wrote the model.\n"
    )
    assert version("torch") in result.out
    if layout == "json":
        assert json.loads(result.out)["checkpoint"] is None


def test_info_names_the_missing_modules_of_a_backend(run, tiny, monkeypatch):
    monkeypatch.setattr(
        backends, "missing", lambda kind: ["keras"] if kind.name == "tensorflow" else []
    )
    table = words(run("info", "-m", tiny).out)

    assert ["tensorflow", "not", "installed:", "keras", "missing"] in table
    facts = json.loads(run("info", "-m", tiny, "-f", "json").out)
    assert facts["backends"]["tensorflow"] == {"installed": False, "missing": ["keras"]}


def test_info_names_packages_that_are_not_installed(run, tiny, monkeypatch):
    monkeypatch.setattr("diglot.cli.info._PACKAGES", {"torch": ["there-is-no-such-package"]})

    assert ["torch", "not", "installed"] in words(run("info", "-m", tiny).out)
