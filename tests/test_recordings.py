"""The cache of recordings: a change of code, weights or settings is never answered from it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tests.recordings import Recordings, UndescribedError, key
from transformers.models.bert import modeling_bert

from diglot.lowering import REGISTRY, lower, record

INPUTS = ("input_ids", "attention_mask")


def make(seed: int = 0, **changes: Any) -> Any:
    """A tiny BERT classifier in evaluation mode."""
    sizes = {
        "vocab_size": 20,
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 12,
        "max_position_embeddings": 12,
    }
    torch.manual_seed(seed)
    config = transformers.BertConfig(**sizes | changes)
    return transformers.BertForSequenceClassification(config).eval()


@pytest.fixture(scope="module")
def recorded() -> Callable[..., Any]:
    """The function without the cache of the whole run."""
    return getattr(record.recorded, "__wrapped__", record.recorded)


@pytest.fixture
def cached(recorded: Callable[..., Any], tmp_path: Path) -> tuple[Recordings, Any]:
    """An empty cache, and ``recorded`` with that cache before it."""
    recordings = Recordings(tmp_path / "recordings")
    return recordings, recordings.wrap(recorded)


def test_the_same_model_has_the_same_key() -> None:
    assert key(make(), INPUTS) == key(make(), INPUTS)
    model = make()
    assert key(model, INPUTS) == key(copy.deepcopy(model), INPUTS)


def change_eps(model: Any) -> None:
    model.bert.embeddings.LayerNorm.eps = 0.5


def change_buffer(model: Any) -> None:
    model.bert.embeddings.position_ids += 1


def untie(model: Any) -> None:
    attention = model.bert.encoder.layer[0].attention.self
    attention.key.weight = attention.query.weight


def replace_activation(model: Any) -> None:
    model.bert.encoder.layer[0].intermediate.intermediate_act_fn = torch.nn.ReLU()


def expand(model: Any) -> None:
    weight = model.classifier.weight
    weight.data = torch.zeros(()).expand(weight.shape)


@pytest.mark.parametrize(
    "change",
    [
        change_eps,
        change_buffer,
        untie,
        replace_activation,
        expand,
        lambda model: model.train(),
        lambda model: model.to(torch.bfloat16),
        lambda model: model.classifier.weight.requires_grad_(False),
        lambda model: setattr(model.config, "_attn_implementation_internal", "eager"),
        lambda model: setattr(model.config, "problem_type", "regression"),
        lambda model: setattr(model.config, "pad_token_id", 3),
        lambda model: setattr(model.bert.encoder.layer[0], "chunk_size_feed_forward", 2),
    ],
)
def test_a_changed_model_has_another_key(change: Callable[[Any], Any]) -> None:
    model = make()
    before = key(model, INPUTS)
    change(model)
    assert key(model, INPUTS) != before


@pytest.mark.parametrize(
    "changes", [{"hidden_act": "relu"}, {"num_hidden_layers": 2}, {"num_labels": 3}]
)
def test_another_configuration_has_another_key(changes: dict[str, Any]) -> None:
    assert key(make(**changes), INPUTS) != key(make(), INPUTS)


def test_the_inputs_and_the_settings_are_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make()
    before = key(model, INPUTS)
    assert key(model, (*INPUTS, "token_type_ids")) != before
    with torch.no_grad():
        assert key(model, INPUTS) != before
    monkeypatch.delitem(REGISTRY._lowerings, torch.ops.aten.gelu.default)
    assert key(model, INPUTS) != before


def patch_method(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modeling_bert.BertLayer, "forward", lambda self, *args, **kwargs: args[0])


def patch_function(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modeling_bert, "eager_attention_forward", lambda *args, **kwargs: None)


def patch_instance(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model.classifier, "forward", lambda x: x)


def add_hook(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model.classifier.register_forward_hook(lambda module, inputs, output: output + 1)


def use_own_class(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Linear(torch.nn.Linear):
        pass

    model.classifier = Linear(8, 2)


@pytest.mark.parametrize(
    "change", [patch_method, patch_function, patch_instance, add_hook, use_own_class]
)
def test_a_model_with_foreign_code_is_not_cached(
    change: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    model = make()
    change(model, monkeypatch)
    with pytest.raises(UndescribedError):
        key(model, INPUTS)
    programs = iter("ab")
    recordings = Recordings(tmp_path)
    function = recordings.wrap(lambda model, inputs: next(programs))
    assert function(model, INPUTS) + function(model, INPUTS) == "ab"
    assert not list(tmp_path.iterdir())


def test_a_loaded_recording_has_the_weights_of_the_callers_model(
    cached: tuple[Recordings, Any],
) -> None:
    recordings, recorded = cached
    recorded(make(0), INPUTS)
    assert (recordings.saved, recordings.loaded) == (1, 0)
    other = make(1)
    program = recorded(other, INPUTS)
    # Same architecture, other weights: one archive serves both.
    assert (recordings.saved, recordings.loaded) == (1, 1)
    for name, tensor in other.state_dict(keep_vars=True).items():
        assert program.state_dict[record.PREFIX + name] is tensor
    ids = torch.tensor([[1, 5, 7, 2], [3, 4, 0, 0]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    expected = other(input_ids=ids, attention_mask=mask).logits.detach().numpy()
    actual = lower(program, prefix=record.PREFIX)(
        input_ids=ids.numpy(), attention_mask=mask.numpy()
    )
    np.testing.assert_allclose(actual["logits"].numpy(), expected, rtol=0, atol=1e-5)
    first = make(0)(input_ids=ids, attention_mask=mask).logits.detach().numpy()
    assert np.abs(first - expected).max() > 1e-3


def test_a_loaded_recording_is_the_recorded_one(cached: tuple[Recordings, Any]) -> None:
    _, recorded = cached
    model = make()
    first, second = recorded(model, INPUTS), recorded(model, INPUTS)
    for before, after in zip(first.graph.nodes, second.graph.nodes, strict=True):
        assert (before.name, str(before.target)) == (after.name, str(after.target))
        assert str(before.args) == str(after.args)
        assert str(before.kwargs) == str(after.kwargs)
        stacks = [list(node.meta.get("nn_module_stack", {}).values()) for node in (before, after)]
        assert [path for path, _ in stacks[0]] == [path for path, _ in stacks[1]]
    assert first.call_spec.out_spec == second.call_spec.out_spec
    assert first.state_dict.keys() == second.state_dict.keys()
    for name, value in first.state_dict.items():
        assert second.state_dict[name] is value
    assert first.constants.keys() == second.constants.keys()
    for name, value in first.constants.items():
        assert torch.equal(second.constants[name], value)


def test_an_archive_holds_no_parameters(cached: tuple[Recordings, Any]) -> None:
    recordings, recorded = cached
    recorded(make(), INPUTS)
    (archive,) = recordings.folder.iterdir()
    for value in torch.export.load(archive).state_dict.values():
        assert value.is_meta


def test_the_cache_can_be_disabled(cached: tuple[Recordings, Any]) -> None:
    recordings, recorded = cached
    with recordings.disabled():
        recorded(make(), INPUTS)
    assert not recordings.folder.exists()
