"""The embedded checkpoint: it is small and complete, and as accurate as its model card says."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
import transformers

from diglot import TextClassifier, embedded

from .comparison import SENTENCES

# A folder with tab-separated sentences and labels, next to the checkout or named by the variable.
SST2 = Path(os.environ.get("TEST_SST2") or Path(__file__).parents[2] / "shared" / "data" / "sst2")


def test_it_is_small() -> None:
    assert sum(file.stat().st_size for file in embedded.path().iterdir()) <= 10_000_000


def test_transformers_alone_can_load_it() -> None:
    pipeline = transformers.pipeline(
        "sentiment-analysis", model=str(embedded.path()), device="cpu", dtype="float32"
    )
    results = TextClassifier.from_pretrained(backend="torch")(list(SENTENCES))
    for actual, expected in zip(results, pipeline(list(SENTENCES)), strict=True):
        assert actual["label"] == expected["label"]
        np.testing.assert_allclose(actual["score"], expected["score"], rtol=1e-5)


@pytest.mark.skipif(
    not (SST2 / "test.tsv").is_file(),
    reason="needs SST-2; set TEST_SST2 to the folder that has its test.tsv",
)
@pytest.mark.parametrize("backend", ["torch", "tensorflow"])
def test_its_accuracy(backend: str) -> None:
    lines = (SST2 / "test.tsv").read_text("utf-8").splitlines()[1:]
    texts, labels = zip(*(line.split("\t")[:2] for line in lines), strict=True)
    results = TextClassifier.from_pretrained(backend=backend)(list(texts))
    right = [
        (result["label"] == "POSITIVE") == (label.strip() == "1")
        for result, label in zip(results, labels, strict=True)
    ]
    assert len(right) == 872
    assert np.mean(right) >= 0.82
    card = (embedded.path() / "README.md").read_text("utf-8")
    (claimed,) = re.findall(r"^(0\.\d{4}) on the 872 test sentences", card, re.MULTILINE)
    # On another machine, rounding may change the label of one sentence.
    assert np.mean(right) == pytest.approx(float(claimed), abs=1.2 / 872)
