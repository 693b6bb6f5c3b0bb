"""Workarounds for single architectures, and the range in which a captured program holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import transformers
from packaging.version import Version

from diglot.errors import CaptureError, InputError
from diglot.lowering import record, workarounds
from diglot.lowering.model import LoweredModel
from diglot.lowering.workarounds import WORKAROUNDS, Workaround

pytestmark = pytest.mark.usefixtures("no_recordings")

INPUTS = ("input_ids", "attention_mask")
BERT = transformers.BertConfig(
    vocab_size=20,
    hidden_size=8,
    num_hidden_layers=1,
    num_attention_heads=1,
    intermediate_size=8,
    max_position_embeddings=24,
)


def bert() -> Any:
    return transformers.BertForSequenceClassification(BERT).eval()


def outdated(version: str) -> list[str]:
    """The names of the workarounds that a version of transformers does not need."""
    return [
        item.name
        for item in workarounds.WORKAROUNDS
        if item.until and Version(version) >= Version(item.until)
    ]


def test_no_workaround_is_outdated(monkeypatch: pytest.MonkeyPatch) -> None:
    assert outdated(transformers.__version__) == []
    table = (*WORKAROUNDS, Workaround("old", "https://a", until="5.0"))
    monkeypatch.setattr(workarounds, "WORKAROUNDS", table)
    assert outdated("4.57") == []
    assert outdated("5.0") == outdated("5.1") == ["old"]


@pytest.mark.parametrize("workaround", WORKAROUNDS, ids=lambda item: item.name)
def test_a_workaround_has_a_reason_with_a_link(workaround: Workaround) -> None:
    assert "https://" in workaround.why
    assert workaround.forward or workaround.patch or workaround.batch or workaround.tokens


def test_a_workaround_is_used_for_its_architectures_only(monkeypatch: pytest.MonkeyPatch) -> None:
    every, single = Workaround("every", "https://a"), Workaround("one", "https://a", {"bert"})
    monkeypatch.setattr(workarounds, "WORKAROUNDS", (every, single))
    assert workarounds.of("bert") == (every, single)
    assert workarounds.of("gpt2") == (every,)


def test_a_decoder_is_captured_without_its_cache() -> None:
    config = transformers.GPT2Config(vocab_size=20, n_embd=8, n_layer=1, n_head=1, n_positions=16)
    decoder = transformers.GPT2ForSequenceClassification(config)
    assert record.TensorOnlyModel(decoder).arguments["use_cache"] is False
    assert "use_cache" not in record.TensorOnlyModel(bert()).arguments


class Branching(torch.nn.Module):
    """A layer that branches on its data."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # noqa: D102
        return x if x.sum() > 0 else -x


@contextmanager
def replaced_layer(model: Any) -> Iterator[None]:
    branching, model.dropout = model.dropout, torch.nn.Identity()
    try:
        yield
    finally:
        model.dropout = branching


def test_a_patch_is_tried_after_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    model = bert()
    model.dropout = Branching()
    other = Workaround("other", "https://a", error="an error that does not occur", batch=5)
    fitting = Workaround("fitting", "https://a", error="data-dependent", patch=replaced_layer)
    monkeypatch.setattr(workarounds, "WORKAROUNDS", (other, fitting))
    exported = record.recorded(model, INPUTS)
    assert isinstance(model.dropout, Branching)
    shape = next(node.meta["val"].shape for node in exported.graph.nodes if node.name in INPUTS)
    assert not any(isinstance(size, int) for size in shape)


def test_the_failure_of_each_attempt_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    model = bert()
    model.dropout = Branching()
    table = (Workaround("one row", "https://a", error="data-dependent", batch=1),)
    monkeypatch.setattr(workarounds, "WORKAROUNDS", table)
    with pytest.raises(CaptureError) as caught:
        record.recorded(model, INPUTS)
    first, second = str(caught.value).split("\nwith 'one row': ")
    assert first.startswith("torch.export could not capture TensorOnlyModel: ")
    assert second.startswith("torch.export could not capture TensorOnlyModel: ")
    assert caught.value.__cause__ is not None


def test_a_program_is_refused_outside_the_range_of_a_workaround(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = (Workaround("short", "https://a", {"bert"}, tokens=lambda config: 9),)
    monkeypatch.setattr(workarounds, "WORKAROUNDS", table)
    lowered = LoweredModel(bert())
    program = lowered.program(INPUTS)
    lowered.check_shape(program, (2, 9))
    lowered.check_shape(program, (None, None))
    with pytest.raises(InputError, match=r"10 tokens long.* takes at most 9 tokens"):
        lowered.check_shape(program, (2, 10))


def test_a_program_is_refused_outside_the_branch_that_was_captured() -> None:
    # BigBird attends to all tokens up to a length, here (5 + 2 * 1) * 4, then to blocks of tokens.
    config = transformers.BigBirdConfig(
        vocab_size=20,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        max_position_embeddings=64,
        block_size=4,
        num_random_blocks=1,
        bos_token_id=1,
        eos_token_id=2,
        sep_token_id=3,
    )
    lowered = LoweredModel(transformers.BigBirdForSequenceClassification(config).eval())
    program = lowered.program(INPUTS)
    assert program.ranges["input_ids"][1] == (0, 28)
    lowered.check_shape(program, (1, 28))
    with pytest.raises(InputError, match=r"29 tokens long.* takes at most 28 tokens"):
        lowered.check_shape(program, (1, 29))
