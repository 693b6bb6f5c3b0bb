"""The cache of recordings: a change of code, weights or settings is never answered from it."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tests.recordings import DAYS, Recordings, UndescribedError, key
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


@dataclass(frozen=True)
class Cache:
    """A cache with the recording of one model.

    Attributes:
        recordings: the cache.
        recorded: ``recorded`` with the cache before it.
        model: the model.
        program: its recording, which did not come from the cache.
    """

    recordings: Recordings
    recorded: Callable[..., Any]
    model: Any
    program: Any


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    recordings = Recordings(tmp_path_factory.mktemp("recordings"))
    # The original function, without the cache of the whole run.
    recorded = recordings.wrap(getattr(record.recorded, "__wrapped__", record.recorded))
    model = make()
    program = recorded(model, INPUTS)
    assert (recordings.saved, recordings.loaded) == (1, 0)
    return Cache(recordings, recorded, model, program)


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


def test_a_hook_of_transformers_is_in_the_key() -> None:
    """A model that has returned hidden states keeps the hooks that collected them."""
    model = make()
    before = key(model, INPUTS)
    model(torch.tensor([[1, 2]]), output_hidden_states=True)
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


def test_a_loaded_recording_has_the_weights_of_the_callers_model(cache: Cache) -> None:
    other = make(seed=1)
    loaded = cache.recordings.loaded
    program = cache.recorded(other, INPUTS)
    # One archive serves all models that differ in their weights alone.
    assert (cache.recordings.saved, cache.recordings.loaded) == (1, loaded + 1)
    for name, tensor in other.state_dict(keep_vars=True).items():
        assert program.state_dict[record.PREFIX + name] is tensor
    ids = torch.tensor([[1, 5, 7, 2], [3, 4, 0, 0]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    expected = other(input_ids=ids, attention_mask=mask).logits.detach().numpy()
    lowered = lower(program, prefix=record.PREFIX)
    actual = lowered(input_ids=ids.numpy(), attention_mask=mask.numpy())["logits"].numpy()
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)
    first = cache.model(input_ids=ids, attention_mask=mask).logits.detach().numpy()
    assert np.abs(first - expected).max() > 1e-3


def test_a_loaded_recording_is_the_recorded_one(cache: Cache) -> None:
    loaded = cache.recordings.loaded
    first, second = cache.program, cache.recorded(make(), INPUTS)
    assert cache.recordings.loaded == loaded + 1
    for before, after in zip(first.graph.nodes, second.graph.nodes, strict=True):
        assert (before.name, str(before.target)) == (after.name, str(after.target))
        assert str(before.args) == str(after.args)
        assert str(before.kwargs) == str(after.kwargs)
        stacks = [list(node.meta.get("nn_module_stack", {}).values()) for node in (before, after)]
        assert [path for path, _ in stacks[0]] == [path for path, _ in stacks[1]]
    assert str(first.range_constraints) == str(second.range_constraints)
    assert first.call_spec.out_spec == second.call_spec.out_spec
    assert first.state_dict.keys() == second.state_dict.keys()
    for name, value in first.state_dict.items():
        assert torch.equal(second.state_dict[name], value)
    assert first.constants.keys() == second.constants.keys()
    for name, value in first.constants.items():
        assert torch.equal(second.constants[name], value)


def test_an_archive_holds_no_parameters(cache: Cache) -> None:
    (archive,) = cache.recordings.folder.iterdir()
    for value in torch.export.load(archive).state_dict.values():
        assert value.is_meta


def test_a_recording_keeps_its_own_parameters_when_it_is_saved(cache: Cache) -> None:
    for name, tensor in cache.model.state_dict(keep_vars=True).items():
        assert cache.program.state_dict[record.PREFIX + name] is tensor


def test_nothing_comes_from_the_cache_while_the_capture_is_patched(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "capture", lambda *args, **options: "patched")
    assert cache.recorded(make(), INPUTS) == "patched"
    monkeypatch.undo()
    loaded = cache.recordings.loaded
    cache.recorded(make(), INPUTS)
    assert cache.recordings.loaded == loaded + 1


def test_the_cache_can_be_disabled(cache: Cache) -> None:
    loaded = cache.recordings.loaded
    function = cache.recordings.wrap(lambda model, inputs: "fresh")
    assert function(make(), INPUTS) != "fresh"
    with cache.recordings.disabled():
        assert function(make(), INPUTS) == "fresh"
    assert cache.recordings.loaded == loaded + 1


def test_only_archives_that_no_run_uses_are_removed(tmp_path: Path) -> None:
    old, new = tmp_path / "old.pt2", tmp_path / "new.pt2"
    for archive in (old, new):
        archive.touch()
    days = 24 * 3600
    os.utime(old, (0, time.time() - (DAYS + 1) * days))
    Recordings(tmp_path).remove_unused()
    assert list(tmp_path.iterdir()) == [new]
