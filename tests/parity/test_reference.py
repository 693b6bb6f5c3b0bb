"""The reference of a comparison: the same results from a loaded model as from the disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from diglot import checkpoints
from diglot.checkpoints import torch_model
from diglot.equality.cases import Case
from diglot.equality.reference import ModelReference

CASE = Case("mine", ("a b c", "d"))


def test_a_loaded_model_is_the_same_reference(tiny: Path) -> None:
    found = checkpoints.find(tiny)
    model = torch_model.load(found, precision="float32")
    first, second = (
        reference.expected(CASE)
        for reference in (
            ModelReference(found, "torch"),
            ModelReference(found, "torch", model=model),
        )
    )
    for name in ("logits", "probabilities"):
        np.testing.assert_array_equal(first.stages.outputs[name], second.stages.outputs[name])
        np.testing.assert_array_equal(first.truth.outputs[name], second.truth.outputs[name])
        assert second.stages.outputs[name].dtype == np.float32
        assert second.truth.outputs[name].dtype == np.float64
    # The float64 model is a copy: the given one keeps its precision.
    assert str(model.dtype) == "torch.float32"


def test_other_roundings_are_other_results_of_the_same_size(tiny: Path) -> None:
    reference = ModelReference(checkpoints.find(tiny), "torch")
    expected = reference.expected(CASE)
    first, second = expected.peers()
    logits = [stages.outputs["logits"] for stages in (expected.stages, first, second)]
    assert len({array.tobytes() for array in logits}) == 3
    for array in logits:
        assert np.abs(array - expected.truth.outputs["logits"]).max() < 1e-5
