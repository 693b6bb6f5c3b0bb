"""Weights that the TensorFlow model saves and transformers' PyTorch class loads, bit for bit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from .architectures import ARCHITECTURES, run_tensorflow, torch_model


def assert_bit_for_bit(expected: Any, actual: Any) -> None:
    saved, loaded = expected.state_dict(), actual.state_dict()
    assert list(saved) == list(loaded)
    for name, value in saved.items():
        assert value.dtype == loaded[name].dtype, name
        assert torch.equal(value, loaded[name]), name


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_saved_and_loaded(architecture: str, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    from diglot import TFAutoModelForSequenceClassification

    original = torch_model(architecture)
    TFAutoModelForSequenceClassification(torch_model(architecture)).save_pretrained(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert_bit_for_bit(original, loaded)
    assert loaded.config.id2label == original.config.id2label


def test_bfloat16_is_saved_as_bfloat16(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    from diglot import TFAutoModelForSequenceClassification

    original = torch_model("bert").to(torch.bfloat16)
    model = TFAutoModelForSequenceClassification(torch_model("bert").to(torch.bfloat16))
    model.save_pretrained(tmp_path)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path, dtype="auto")
    assert_bit_for_bit(original, loaded)


def test_a_saved_model_is_loaded_by_tensorflow(tmp_path: Path) -> None:
    from diglot import TFAutoModelForSequenceClassification

    model = TFAutoModelForSequenceClassification(torch_model("roberta"))
    model.save_pretrained(tmp_path)
    again = TFAutoModelForSequenceClassification.from_pretrained(tmp_path)
    encoding = {"input_ids": np.array([[1, 5, 9, 2]]), "attention_mask": np.ones((1, 4), int)}
    first, second = run_tensorflow(model, encoding), run_tensorflow(again, encoding)
    for name, stage in first.items():
        np.testing.assert_array_equal(stage, second[name])
