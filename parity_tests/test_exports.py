"""Every architecture as an export, from the string to the probability."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from tests.serving.models import Models
from tests.serving.server import Server

from diglot import TextClassifier
from diglot.endpoints import provenance
from diglot.parity import difference, strategies
from diglot.serving import Client, export, proof
from diglot.tokenization import proof as strings

from .architectures import ARCHITECTURES
from .checkpoints import saved

pytestmark = pytest.mark.export


def assert_served(checkpoint: Path, to: Path, **options: Any) -> dict[str, Any]:
    """Export a checkpoint, and hold what it says of drawn texts against PyTorch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proof, "STRINGS", 256)
        done = export(checkpoint, to, name="one", require_text=True, **options)
    assert_answers(TextClassifier.from_pretrained(done.path), checkpoint)
    return provenance.read(done.path)


def assert_answers(served: TextClassifier, checkpoint: Path | None) -> None:
    """Hold what an export says of drawn texts, wherever it runs, against PyTorch."""
    torch = TextClassifier.from_pretrained(checkpoint, "torch")
    double = TextClassifier.from_pretrained(checkpoint, "torch", precision="float64")

    @settings(max_examples=5)
    @given(batch=strategies.batches)
    def hold(batch: list[str]) -> None:
        # Byte-level tokenizers of decoders make no token of nothing.
        texts = [text for text in batch if torch.checkpoint.tokenizer(text)["input_ids"]]
        for text in texts:
            expected = torch.encode(text, padding=False)
            np.testing.assert_array_equal(served.encode(text)["input_ids"], expected["input_ids"])
            scale = float(np.abs(torch.hidden_states(expected)[-1]).max())
            both = served.probabilities(text), torch.probabilities(expected)
            found = difference(
                f"probabilities of {text!r}", *both, double.probabilities(expected), scale=scale
            )
            assert not found, str(found)
        together = served.probabilities(texts)
        alone = np.array([served.probabilities(text)[0] for text in texts])
        alone = alone.reshape(-1, len(served.labels))
        np.testing.assert_allclose(together, alone, atol=1e-5)

    hold()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_architecture(architecture: str, tmp_path: Path) -> None:
    facts = assert_served(saved(architecture, tmp_path / "checkpoint"), tmp_path / "models")
    assert facts["parity"]["differences"] == []


def test_a_decoder_without_a_pad_token(tmp_path: Path) -> None:
    checkpoint = saved("llama", tmp_path / "checkpoint", pad_token_id=None)
    facts = assert_served(checkpoint, tmp_path / "models")
    assert facts["parity"]["differences"] == []


@pytest.mark.parametrize("api", ["rest", "grpc"])
def test_a_live_endpoint(api: str, tmp_path: Path) -> None:
    checkpoint = saved("bert", tmp_path / "checkpoint")
    assert_served(checkpoint, tmp_path / "models")
    with Server(Models({"one": tmp_path / "models" / "one"})) as server:
        assert_answers(Client(getattr(server, api), "one"), checkpoint)


@pytest.mark.skipif(
    "TEST_SERVING_ADDRESS" not in os.environ,
    reason="set TEST_SERVING_ADDRESS to a server's address with /v1/models/NAME, and"
    " TEST_SERVING_CHECKPOINT to the checkpoint behind it (the embedded one unless set)",
)
def test_a_server_of_ones_own() -> None:
    checkpoint = os.environ.get("TEST_SERVING_CHECKPOINT")
    assert_answers(Client(os.environ["TEST_SERVING_ADDRESS"]), checkpoint and Path(checkpoint))


@pytest.mark.parametrize("options", [{"freeze": True}, {"xla": True}, {"ids": "int64"}], ids=str)
def test_what_can_be_chosen(options: dict[str, Any], tmp_path: Path) -> None:
    assert_served(saved("bert", tmp_path / "checkpoint"), tmp_path / "models", **options)


@pytest.mark.parametrize("architecture", ["bert", "roberta", "albert"])
def test_pairs(architecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "STRINGS", 256)
    checkpoint = saved(architecture, tmp_path / "checkpoint")
    done = export(checkpoint, tmp_path / "models", name="one", require_text=True, pairs=True)
    served = TextClassifier.from_pretrained(done.path)
    torch = TextClassifier.from_pretrained(checkpoint, "torch")
    drawn = [one for one in strings.texts(7, 40) if one]
    pairs = [
        {"text": one, "text_pair": other} for one, other in zip(drawn, drawn[::-1], strict=True)
    ]
    ours, theirs = served(pairs), torch(pairs)
    assert [one["label"] for one in ours] == [one["label"] for one in theirs]
    np.testing.assert_allclose(
        [one["score"] for one in ours], [one["score"] for one in theirs], atol=1e-5
    )


def test_half_the_precision(tmp_path: Path) -> None:
    done = export(
        saved("distilbert", tmp_path / "checkpoint"),
        tmp_path / "models",
        name="one",
        precision="bfloat16",
    )
    assert done.report.differences == ()
    assert done.report.worst[0] > 1e-4  # it is not float32 in disguise
