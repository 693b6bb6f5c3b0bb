"""Checkpoints: where they are found, and what their configuration says."""

import json
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
import torch
import transformers

from diglot import embedded
from diglot.checkpoints import Checkpoint, find, torch_model
from diglot.errors import (
    CheckpointNotFoundError,
    InputError,
    MissingConfigError,
    MissingLabelsError,
    UnknownArchitectureError,
)


def edit(folder: Path, name: str = "config.json", **changes: object) -> Path:
    """Change the file's keys; a change to ``None`` takes the key away."""
    file = folder / name
    content = json.loads(file.read_text(encoding="utf-8")) | changes
    kept = {key: value for key, value in content.items() if value is not None}
    file.write_text(json.dumps(kept), encoding="utf-8")
    return folder


def test_a_directory(tiny):
    assert find(tiny) == Checkpoint(str(tiny), tiny, None)
    assert find(str(tiny)).path == tiny


def test_a_checkpoint_cannot_be_changed(tiny):
    with pytest.raises(FrozenInstanceError):
        find(tiny).path = Path("elsewhere")


def test_a_directory_may_be_relative_or_in_the_home(tiny_copy, monkeypatch):
    monkeypatch.chdir(tiny_copy.parent)
    monkeypatch.setenv("HOME", str(tiny_copy.parent))

    assert find("tiny") == Checkpoint("tiny", Path("tiny"), None)
    assert find("~/tiny").path == tiny_copy
    assert find("./tiny").labels == ("NEGATIVE", "POSITIVE")


def test_nothing_is_the_one_that_is_shipped(tiny, monkeypatch):
    monkeypatch.setattr(embedded, "path", lambda: tiny)

    assert find() == Checkpoint("embedded", tiny, None)


@pytest.mark.parametrize(
    "name", ["./none", "../none", "/none", "/no/where", "~/none", "some/where/else", "\\\\none"]
)
def test_what_looks_like_a_path_is_not_sought_on_the_hub(name, tmp_path):
    with pytest.raises(CheckpointNotFoundError) as caught:
        find(name)

    assert f"there is no directory {name} (looked in {tmp_path})" in str(caught.value)


def test_a_path_object_is_never_a_hub_id():
    with pytest.raises(CheckpointNotFoundError, match="there is no directory none"):
        find(Path("none"))


def test_an_empty_name_is_not_the_working_directory():
    with pytest.raises(CheckpointNotFoundError, match="an empty text; give a directory or a hub"):
        find("")


def test_a_home_of_nobody_is_no_directory():
    with pytest.raises(CheckpointNotFoundError, match="there is no directory ~nobody-here/model"):
        find("~nobody-here/model")


def test_a_file_is_not_a_checkpoint(tiny):
    with pytest.raises(CheckpointNotFoundError, match=r"model\.safetensors is a file"):
        find(tiny / "model.safetensors")


def test_a_directory_has_no_revisions(tiny):
    with pytest.raises(InputError, match=r"a revision \('v1'\) is for a hub id"):
        find(tiny, revision="v1")


def test_options_are_kept(tiny):
    checkpoint = find(tiny, labels=["no", "yes"], fresh_head=True, trust_remote_code=True)

    assert checkpoint.labels_given == checkpoint.labels == ("no", "yes")
    assert checkpoint.fresh_head
    assert checkpoint.trust_remote_code


@pytest.mark.parametrize("labels", [[], "ab", ["a", "a"], ["a", 1]], ids=repr)
def test_labels_that_are_none(tiny, labels):
    with pytest.raises(InputError) as caught:
        find(tiny, labels=labels)

    assert f"distinct texts, one for each row of the head, not {labels!r}" in str(caught.value)


def test_the_configuration_is_transformers_own(tiny):
    config = find(tiny).config

    assert isinstance(config, transformers.BertConfig)
    assert (config.hidden_size, config.id2label) == (16, {0: "NEGATIVE", 1: "POSITIVE"})


def test_given_labels_are_put_into_the_configuration(tiny):
    config = find(tiny, labels=["no", "perhaps", "yes"]).config

    assert config.num_labels == 3
    assert config.id2label == {0: "no", 1: "perhaps", 2: "yes"}
    assert config.label2id == {"no": 0, "perhaps": 1, "yes": 2}


def test_without_a_configuration(tiny_copy):
    (tiny_copy / "config.json").unlink()

    with pytest.raises(
        MissingConfigError, match=r"has no config\.json\. Give the folder"
    ) as caught:
        _ = find(tiny_copy).config

    assert isinstance(caught.value.__cause__, FileNotFoundError)


def test_a_configuration_that_may_not_be_read(tiny_copy, monkeypatch):
    def refuse(path: Path, encoding: str) -> str:
        raise PermissionError(f"{path.name} is locked")

    monkeypatch.setattr(Path, "read_text", refuse)

    with pytest.raises(
        MissingConfigError, match=r"cannot be read: config\.json is locked"
    ) as caught:
        _ = find(tiny_copy).config

    assert isinstance(caught.value.__cause__, PermissionError)


def test_an_adapter_is_told_from_a_model(tiny_copy):
    (tiny_copy / "config.json").rename(tiny_copy / "adapter_config.json")

    with pytest.raises(MissingConfigError, match="PEFT adapter: merge it into its base model"):
        _ = find(tiny_copy).config


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"model_type":', "cannot be read: Expecting value: line 1"),
        (b"\xff", "cannot be read: 'utf-8' codec"),
        (b"[1]", "holds a list, not an object"),
    ],
)
def test_an_unreadable_configuration(tiny_copy, content, says):
    (tiny_copy / "config.json").write_bytes(content)

    with pytest.raises(MissingConfigError) as caught:
        _ = find(tiny_copy).config

    assert f"{tiny_copy / 'config.json'} {says}" in str(caught.value)


def test_a_configuration_that_transformers_refuses(tiny_copy):
    edit(tiny_copy, id2label=3)

    with pytest.raises(MissingConfigError, match="transformers cannot use") as caught:
        _ = find(tiny_copy).config

    assert str(tiny_copy / "config.json") in str(caught.value)
    assert str(caught.value.__cause__) in str(caught.value)


def test_an_unknown_architecture_names_the_nearest(tiny_copy):
    edit(tiny_copy, model_type="distilbart")

    with pytest.raises(UnknownArchitectureError) as caught:
        _ = find(tiny_copy).config

    assert f"transformers {transformers.__version__} does not know" in str(caught.value)
    assert "the model_type 'distilbart'" in str(caught.value)
    assert "(a similar one is 'distilbert')" in str(caught.value)


@pytest.mark.parametrize("kind", ["zzzzzz", None])
def test_an_unknown_architecture_with_nothing_near(tiny_copy, kind):
    edit(tiny_copy, model_type=kind)

    with pytest.raises(UnknownArchitectureError) as caught:
        _ = find(tiny_copy).config

    assert f"does not know the model_type {kind!r} that config.json names. Use" in str(caught.value)


def test_labels_are_in_the_order_of_the_rows(tiny_copy):
    edit(tiny_copy, id2label={str(row): f"label {row}" for row in reversed(range(12))})

    assert find(tiny_copy).labels == tuple(f"label {row}" for row in range(12))


@pytest.mark.parametrize(
    ("named", "says"),
    [
        (None, "names no labels: it has no 'id2label'"),
        ({}, "names no labels: it has no 'id2label'"),
        ({"0": "a", "7": "b", "8": "c"}, "names 3 labels, but none for row 1, 2 of the head"),
        ({"-1": "a", "0": "b"}, "names 2 labels, but none for row 1 of the head"),
        (["NEGATIVE"], "must give a label for each row number, not ['NEGATIVE']"),
        ({"first": "a"}, "must give a label for each row number, not {'first': 'a'}"),
    ],
    ids=repr,
)
def test_labels_that_the_configuration_does_not_name(tiny_copy, named, says):
    edit(tiny_copy, id2label=named)

    with pytest.raises(MissingLabelsError) as caught:
        _ = find(tiny_copy).labels

    assert str(tiny_copy / "config.json") in str(caught.value)
    assert says in str(caught.value)
    assert 'such as labels=["NEGATIVE", "POSITIVE"]' in str(caught.value)
    assert (caught.value.__cause__ is not None) is ("for each row number" in says)


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [
        ("Bert", ("input_ids", "attention_mask", "token_type_ids")),
        ("DistilBert", ("input_ids", "attention_mask")),
    ],
)
def test_the_inputs_are_what_the_tokenizer_gives_and_the_model_takes(
    save_tiny, architecture, expected
):
    checkpoint = find(save_tiny(f"{architecture}ForSequenceClassification"))

    assert checkpoint.input_names == expected


def test_an_input_that_the_tokenizer_does_not_give_is_left_out(tiny_copy):
    edit(tiny_copy, "tokenizer_config.json", model_input_names=["input_ids", "attention_mask"])

    assert find(tiny_copy).input_names == ("input_ids", "attention_mask")


def test_the_inputs_of_an_architecture_without_a_classifier(save_tiny):
    folder = save_tiny("VisualBertModel")

    assert find(folder).input_names == ("input_ids", "attention_mask", "token_type_ids")


def test_the_tokenizer_s_limit_counts_where_it_is_the_smaller(tiny_copy):
    edit(tiny_copy, "tokenizer_config.json", model_max_length=7)
    assert find(tiny_copy).max_tokens == 7

    edit(tiny_copy, "tokenizer_config.json", model_max_length=1000)
    assert find(tiny_copy).max_tokens == 24

    edit(tiny_copy, "tokenizer_config.json", model_max_length=None)
    assert find(tiny_copy).max_tokens == 24


TABLE = 24
LIMITS = [
    ("Albert", {}, TABLE),
    ("Bert", {}, TABLE),
    ("Camembert", {"pad_token_id": 1}, TABLE - 2),
    ("Data2VecText", {"pad_token_id": 1}, TABLE - 2),
    ("DebertaV2", {}, TABLE),
    ("DebertaV2", {"position_biased_input": False, "relative_attention": True}, None),
    ("DistilBert", {}, TABLE),
    ("Electra", {}, TABLE),
    ("Esm", {"pad_token_id": 1, "mask_token_id": 4}, TABLE - 2),
    ("Esm", {"pad_token_id": 1, "mask_token_id": 4, "position_embedding_type": "rotary"}, None),
    ("GPT2", {"pad_token_id": 0}, TABLE),
    ("IBert", {"pad_token_id": 1}, TABLE - 2),
    (
        "LayoutLMv3",
        {
            "pad_token_id": 1,
            "max_2d_position_embeddings": 24,
            "coordinate_size": 2,
            "shape_size": 4,
        },
        TABLE - 2,
    ),
    (
        "Lilt",
        {
            "pad_token_id": 1,
            "hidden_size": 24,
            "max_2d_position_embeddings": 24,
            "channel_shrink_ratio": 2,
        },
        TABLE - 2,
    ),
    ("Llama", {"pad_token_id": 0}, None),
    ("Longformer", {"pad_token_id": 1, "attention_window": 4}, TABLE - 2),
    (
        "Luke",
        {"pad_token_id": 1, "entity_vocab_size": 4, "entity_emb_size": 8},
        TABLE - 2,
    ),
    ("MarkupLM", {"pad_token_id": 1, "max_depth": 3}, TABLE - 2),
    ("MPNet", {"pad_token_id": 1}, TABLE - 2),
    ("MPNet", {"pad_token_id": 0}, TABLE - 2),
    ("ModernBert", {"pad_token_id": 0}, None),
    ("Qwen2", {"pad_token_id": 0, "num_key_value_heads": 2}, None),
    ("Roberta", {"pad_token_id": 1}, TABLE - 2),
    ("Roberta", {"pad_token_id": 5}, TABLE - 6),
    ("RobertaPreLayerNorm", {"pad_token_id": 1}, TABLE - 2),
    (
        "T5",
        {"decoder_start_token_id": 0, "eos_token_id": 3, "max_position_embeddings": None},
        None,
    ),
    ("XLMRoberta", {"pad_token_id": 1}, TABLE - 2),
    ("XLMRobertaXL", {"pad_token_id": 1}, TABLE - 2),
    ("Xmod", {"pad_token_id": 1, "default_language": "en_XX"}, TABLE - 2),
]


@pytest.mark.parametrize(("architecture", "options", "expected"), LIMITS, ids=str)
def test_the_model_takes_as_many_tokens_as_it_says_and_no_more(
    save_tiny, architecture, options, expected
):
    special = {f"{name}_token_id": 2 for name in ("bos", "eos", "cls", "sep")}
    folder = save_tiny(f"{architecture}ForSequenceClassification", **special | options)
    edit(folder, "tokenizer_config.json", model_max_length=None)
    checkpoint = find(folder)
    model = torch_model.load(checkpoint)

    def run(tokens: int) -> torch.Size:
        ids = torch.full((1, tokens), 7)
        ids[0, -1] = 3
        with torch.no_grad():
            return model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.shape

    assert checkpoint.max_tokens == expected
    if expected is None:
        assert run(5 * TABLE) == (1, 2)
    else:
        assert run(expected) == (1, 2)
        with pytest.raises((IndexError, RuntimeError)):
            run(expected + 1)


CODE = """
import torch
from transformers import BertConfig, BertForSequenceClassification, BertModel

class OddConfig(BertConfig):
    model_type = "odd"

class OddModel(BertForSequenceClassification):
    config_class = OddConfig

    def forward(self, input_ids, attention_mask=None):
        return super().forward(input_ids, attention_mask=attention_mask)

class OddBase(BertModel):
    config_class = OddConfig
"""


@pytest.fixture
def odd(tiny_copy, monkeypatch, tmp_path):
    """A checkpoint of an architecture whose code it brings itself."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "m"))
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tiny_copy / "odd.py").write_text(CODE)
    classes = {
        "AutoConfig": "odd.OddConfig",
        "AutoModel": "odd.OddBase",
        "AutoModelForSequenceClassification": "odd.OddModel",
    }
    return edit(tiny_copy, model_type="odd", auto_map=classes)


def test_a_checkpoint_s_own_code_is_not_run(odd):
    (odd / "odd.py").write_text("raise SystemExit('it was run')")

    with pytest.raises(UnknownArchitectureError, match="trust_remote_code=True"):
        _ = find(odd).config


def test_a_checkpoint_s_own_code_is_run_if_it_is_trusted(odd):
    checkpoint = find(odd, trust_remote_code=True)

    model = torch_model.load(checkpoint)

    assert type(model).__name__ == "OddModel"
    assert type(torch_model.load(checkpoint, head=False)).__name__ == "OddBase"
    assert checkpoint.input_names == ("input_ids", "attention_mask")
    assert model(input_ids=torch.tensor([[2, 5, 3]])).logits.shape == (1, 2)


def test_an_architecture_that_cannot_classify(save_tiny):
    checkpoint = find(save_tiny("VisualBertModel"))

    with pytest.raises(UnknownArchitectureError) as caught:
        torch_model.load(checkpoint)

    assert "an AutoModelForSequenceClassification for the model_type 'visual_bert'" in str(
        caught.value
    )


def test_an_architecture_without_a_base_model(tiny_copy):
    edit(tiny_copy, model_type="upernet")

    with pytest.raises(UnknownArchitectureError, match="a base model for the model_type 'upernet'"):
        torch_model.load(find(tiny_copy), head=False)


def test_the_default_checkpoint_is_a_whole_one():
    checkpoint = find()

    assert (checkpoint.path, checkpoint.revision) == (embedded.path(), None)
    assert checkpoint.labels == ("NEGATIVE", "POSITIVE")
    assert checkpoint.input_names == ("input_ids", "attention_mask")
    assert checkpoint.max_tokens == 512
    assert type(torch_model.load(checkpoint)) is transformers.DistilBertForSequenceClassification
    ids = [101, 1045, 5223, 2023, 2061, 2172, 999, 102]
    assert checkpoint.tokenizer("I hate this so much!")["input_ids"] == ids
