"""Weights into PyTorch models: exactly the checkpoint's, or an error that says what is missing."""

import json
import logging
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers.utils import logging as transformers_logging

from diglot.checkpoints import find, torch_model
from diglot.errors import (
    CheckpointError,
    CorruptWeightsError,
    MissingLabelsError,
    UntrainedHeadError,
)
from diglot.quiet import transformers_muted

IDS = torch.tensor([[2, 5, 6, 3]])


def edit(folder: Path, **changes: object) -> Path:
    """Change the configuration; a change to ``None`` takes the key away."""
    file = folder / "config.json"
    content = json.loads(file.read_text(encoding="utf-8")) | changes
    kept = {key: value for key, value in content.items() if value is not None}
    file.write_text(json.dumps(kept), encoding="utf-8")
    return folder


def without(folder: Path, *names: str) -> Path:
    """Take weights out of the file."""
    file = folder / "model.safetensors"
    state = {name: tensor.clone() for name, tensor in load_file(file).items()}
    for name in names:
        del state[name]
    save_file(state, file, metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def base(save_tiny):
    """A base model with a pooler, and no head."""
    return save_tiny("BertModel")


@pytest.fixture(scope="module")
def masked(save_tiny):
    """A masked language model, which has neither a pooler nor a classifier."""
    return save_tiny("BertForMaskedLM")


def test_the_weights_are_the_checkpoint_s_bit_for_bit(tiny):
    expected = transformers.BertForSequenceClassification.from_pretrained(tiny)

    model = torch_model.load(find(tiny))

    assert type(model) is transformers.BertForSequenceClassification
    assert not model.training
    given, wanted = model.state_dict(), expected.state_dict()
    assert given.keys() == wanted.keys()
    assert all(torch.equal(given[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("precision", ["float32", "float64", "float16", "bfloat16"])
def test_the_precision_is_the_parameters_dtype(tiny, precision):
    model = torch_model.load(find(tiny), precision=precision)

    assert {tensor.dtype for tensor in model.parameters()} == {getattr(torch, precision)}


def test_weights_of_half_precision_are_widened(tiny_copy):
    file = tiny_copy / "model.safetensors"
    save_file({name: tensor.half() for name, tensor in load_file(file).items()}, file)
    edit(tiny_copy, dtype="float16")

    assert torch_model.load(find(tiny_copy)).dtype == torch.float32


def test_the_base_model_alone(tiny):
    model = torch_model.load(find(tiny), head=False)
    whole = torch_model.load(find(tiny))

    assert type(model) is transformers.BertModel
    assert torch.equal(model(IDS).pooler_output, whole.bert(IDS).pooler_output)


def test_shards_are_put_together(tiny, tmp_path):
    whole = torch_model.load(find(tiny))
    whole.save_pretrained(tmp_path / "shards", max_shard_size="10KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 1

    assert torch.equal(torch_model.load(find(tmp_path / "shards"))(IDS).logits, whole(IDS).logits)


def test_labels_may_be_given(tiny):
    model = torch_model.load(find(tiny, labels=["no", "yes"]))

    assert model.config.id2label == {0: "no", 1: "yes"}


def test_a_base_model_has_no_trained_head(base):
    with pytest.raises(UntrainedHeadError) as caught:
        torch_model.load(find(base))

    message = str(caught.value)
    assert "its weights lack classifier.bias, classifier.weight (" in message
    assert "saved from BertModel" in message
    assert "fresh_head=True (--fresh-head)" in message


def test_a_masked_language_model_lacks_the_pooler_as_well(masked):
    with pytest.raises(UntrainedHeadError) as caught:
        torch_model.load(find(masked))

    assert "lack bert.pooler.dense.bias, bert.pooler.dense.weight, classifier" in str(caught.value)


def test_a_head_that_is_there_in_part_is_not_trained(tiny_copy):
    edit(without(tiny_copy, "classifier.bias"), architectures=None)

    with pytest.raises(UntrainedHeadError) as caught:
        torch_model.load(find(tiny_copy))

    assert "its weights lack classifier.bias (" in str(caught.value)
    assert "saved from none" in str(caught.value)


@pytest.mark.parametrize("kind", ["base", "masked"])
def test_a_fresh_head_is_made_only_on_demand(kind, request):
    folder = request.getfixturevalue(kind)
    checkpoint = find(folder, labels=["a", "b", "c"], fresh_head=True)
    trained = (
        load_file(folder / "model.safetensors")["embeddings.word_embeddings.weight"]
        if (kind == "base")
        else load_file(folder / "model.safetensors")["bert.embeddings.word_embeddings.weight"]
    )

    model = torch_model.load(checkpoint)

    assert model.classifier.weight.shape == (3, 16)
    assert model.config.id2label == {0: "a", 1: "b", 2: "c"}
    assert torch.equal(model.bert.embeddings.word_embeddings.weight, trained)


def test_each_load_makes_up_the_same_head(base):
    checkpoint = find(base, labels=["a", "b"], fresh_head=True)
    single, double = (
        torch_model.load(checkpoint, precision=precision) for precision in ("float32", "float64")
    )
    assert double.dtype == torch.float64
    for name, weight in single.named_parameters():
        assert torch.equal(weight.double(), double.get_parameter(name))


def test_nothing_is_seeded(tiny, base):
    def fresh(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        model = torch_model.load(find(base, labels=["a", "b"], fresh_head=True))
        return model.get_parameter("classifier.weight")

    with torch.random.fork_rng():
        assert torch.equal(fresh(1), fresh(1))
        assert not torch.equal(fresh(1), fresh(2))
        before = torch.get_rng_state()
        torch_model.load(find(tiny))
        assert torch.equal(torch.get_rng_state(), before)


def test_a_missing_weight_of_the_body_is_damage(tiny_copy):
    name = "bert.encoder.layer.1.output.dense.weight"
    without(tiny_copy, name)

    for checkpoint in (find(tiny_copy), find(tiny_copy, fresh_head=True)):
        with pytest.raises(CorruptWeightsError) as caught:
            torch_model.load(checkpoint)
        assert f"lack 1 of the 41 that a BertForSequenceClassification needs: {name}." in str(
            caught.value
        )


def test_weights_of_another_model_are_named_in_part(tiny_copy):
    save_file({"other": torch.ones(1)}, tiny_copy / "model.safetensors")

    with pytest.raises(CorruptWeightsError, match=r"lack 37 of the 41 .* and 32 more\. The file"):
        torch_model.load(find(tiny_copy))


def test_a_body_of_another_shape_is_damage(tiny_copy):
    edit(tiny_copy, intermediate_size=48)

    with pytest.raises(CorruptWeightsError) as caught:
        torch_model.load(find(tiny_copy, fresh_head=True))

    assert "bert.encoder.layer.0.intermediate.dense.bias is (32,), not (48,)" in str(caught.value)


@pytest.mark.parametrize("kind", ["missing", "of another shape"])
def test_a_base_model_is_all_body(tiny_copy, kind):
    if kind == "missing":
        without(tiny_copy, "bert.embeddings.word_embeddings.weight")
    else:
        edit(tiny_copy, vocab_size=50)

    with pytest.raises(CorruptWeightsError, match=r"embeddings\.word_embeddings\.weight"):
        torch_model.load(find(tiny_copy, fresh_head=True), head=False)


def test_a_base_model_without_a_trained_pooler_has_none(masked):
    expected = transformers.BertForMaskedLM.from_pretrained(masked).bert(IDS).last_hidden_state

    outputs = torch_model.load(find(masked), head=False)(IDS)

    assert outputs.pooler_output is None
    assert torch.equal(outputs.last_hidden_state, expected)
    assert torch_model.load(find(masked), head=False, precision="float64").dtype == torch.float64


def test_more_labels_than_the_head_has_rows(tiny):
    with pytest.raises(MissingLabelsError) as caught:
        torch_model.load(find(tiny, labels=["a", "b", "c"]))

    message = str(caught.value)
    assert "classifier.bias has the shape (2,), but 3 labels are given, which need (3,)" in message
    assert "fresh_head=True (--fresh-head)" in message


def test_fewer_labels_in_the_configuration_than_the_head_has_rows(save_tiny):
    folder = save_tiny(id2label=dict(enumerate("abc")), label2id={"a": 0, "b": 1, "c": 2})
    edit(folder, id2label=None, label2id=None)

    with pytest.raises(MissingLabelsError, match=r"\(3,\), but 2 labels follow from config\.json"):
        torch_model.load(find(folder))


def test_other_labels_may_have_a_fresh_head(tiny):
    model = torch_model.load(find(tiny, labels=["a", "b", "c"], fresh_head=True))

    assert model(IDS).logits.shape == (1, 3)


def test_a_configuration_from_which_nothing_can_be_built(tiny_copy):
    edit(tiny_copy, num_attention_heads=3)

    with pytest.raises(CheckpointError, match="could not build BertForSequenceClass") as caught:
        torch_model.load(find(tiny_copy))

    assert "ValueError" in str(caught.value)
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_quantized_checkpoint_is_refused(tiny_copy):
    edit(tiny_copy, quantization_config={"quant_method": "gptq", "bits": 4})

    with pytest.raises(CheckpointError, match=r"is quantized \(.*'gptq'.*does not read"):
        torch_model.load(find(tiny_copy))


def test_a_configuration_cannot_name_other_weights(tiny_copy, tmp_path):
    """Not even by the keys with which transformers can be led to other files."""
    expected = torch_model.load(find(tiny_copy))(IDS).logits
    state = {
        name: tensor + 1 for name, tensor in load_file(tiny_copy / "model.safetensors").items()
    }
    save_file(state, tiny_copy / "other.safetensors")
    edit(tiny_copy, transformers_weights="other.safetensors")

    assert torch.equal(torch_model.load(find(tiny_copy))(IDS).logits, expected)


def test_writing_over_the_file_does_not_change_the_model(tiny_copy):
    model = torch_model.load(find(tiny_copy))
    expected = model(IDS).logits
    file = tiny_copy / "model.safetensors"
    size = file.stat().st_size

    with file.open("r+b") as stream:
        stream.write(b"\xff" * size)

    assert torch.equal(model(IDS).logits, expected)


def test_of_several_base_models_the_first_is_taken(tmp_path):
    config = transformers.FunnelConfig(
        vocab_size=32, block_sizes=[1, 1], d_model=16, n_head=2, d_head=8, d_inner=16
    )
    with torch.random.fork_rng():
        transformers.FunnelModel(config).save_pretrained(tmp_path)

    assert type(torch_model.load(find(tmp_path), head=False)) is transformers.FunnelModel


@pytest.mark.parametrize("bars", [True, False])
@pytest.mark.parametrize("kind", ["tiny", "base"])
def test_loading_is_silent_and_leaves_transformers_as_talkative_as_before(
    kind, bars, request, capfd, monkeypatch
):
    folder = request.getfixturevalue(kind)
    monkeypatch.setattr(transformers_logging, "_tqdm_active", bars)
    logger = logging.getLogger("transformers")
    monkeypatch.setattr(logger, "level", logging.INFO)
    capfd.readouterr()

    if kind == "tiny":
        torch_model.load(find(folder))
    else:
        with pytest.raises(UntrainedHeadError):
            torch_model.load(find(folder))

    assert capfd.readouterr() == ("", "")
    assert logger.level == logging.INFO
    assert transformers_logging.is_progress_bar_enabled() is bars


@pytest.mark.parametrize("bars", [True, False])
def test_what_was_muted_is_restored_even_after_an_error(bars, monkeypatch):
    monkeypatch.setattr(transformers_logging, "_tqdm_active", bars)
    logger = logging.getLogger("transformers")
    monkeypatch.setattr(logger, "level", logging.INFO)

    def fail() -> None:
        with transformers_muted():
            assert not transformers_logging.is_progress_bar_enabled()
            assert logger.level == logging.ERROR
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    assert transformers_logging.is_progress_bar_enabled() is bars
    assert logger.level == logging.INFO


def test_a_model_of_many_weights_at_fault_names_five():
    assert torch_model._listed(list("abcde")) == "a, b, c, d, e"
    assert torch_model._listed(list("abcdef")) == "a, b, c, d, e and 1 more"
