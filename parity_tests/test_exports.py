"""Every architecture as an export, from the text to the probability."""

import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from tests.serving.models import Models
from tests.serving.server import Server

from diglot import TextClassifier, checkpoints
from diglot.endpoints import provenance
from diglot.equality.tolerance import difference
from diglot.parity import strategies
from diglot.serving import Client, export
from diglot.tokenization import proof

from .architectures import ARCHITECTURES
from .checkpoints import saved

# The other exports take long, and run in nox -s serving.
long = pytest.mark.export
# One architecture for each family of tokenizers: WordPiece, byte-level BPE, Unigram.
FAMILIES = ("bert", "roberta", "albert")


def assert_exported(checkpoint: Path, to: Path, **options: Any) -> dict[str, Any]:
    """Export a checkpoint, and compare its answers to drawn texts with PyTorch's."""
    done = export(checkpoint, to, name="model", require_text=True, strings=256, **options)
    with TextClassifier.from_pretrained(done.path) as served:
        assert_answers(served, checkpoint)
    return provenance.read(done.path)


def assert_answers(served: TextClassifier, checkpoint: Path | None) -> None:
    """Compare the answers of an export to drawn texts, wherever it runs, with PyTorch's."""
    torch = TextClassifier.from_pretrained(checkpoint, "torch")
    double = TextClassifier.from_pretrained(checkpoint, "torch", precision="float64")
    tokenizer = checkpoints.find(checkpoint).tokenizer

    @settings(max_examples=5)
    @given(batch=strategies.batches)
    def compare(batch: list[str]) -> None:
        # The byte-level tokenizers of decoders give no token for an empty text.
        texts = [text for text in batch if tokenizer(text)["input_ids"]]
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

    compare()


@pytest.mark.parametrize(
    "architecture",
    [pytest.param(name, marks=() if name in FAMILIES else long) for name in ARCHITECTURES],
)
def test_an_architecture(architecture: str, tmp_path: Path) -> None:
    record = assert_exported(saved(architecture, tmp_path / "checkpoint"), tmp_path / "models")
    assert record["parity"]["differences"] == []


@long
def test_a_decoder_without_a_pad_token(tmp_path: Path) -> None:
    checkpoint = saved("llama", tmp_path / "checkpoint", pad_token_id=None)
    record = assert_exported(checkpoint, tmp_path / "models")
    assert record["parity"]["differences"] == []
    # An empty text has no tokens, so no answer; the other rows keep theirs.
    with Server(Models({"model": tmp_path / "models" / "model"})) as server:
        client = Client(server.rest, "model")
        logits = client.predict({"text": ["a film", "", "b"]})["logits"]
        expected = client.logits(["a film", "b"])
        client.close()
    assert np.isnan(logits[1]).all()
    np.testing.assert_allclose(logits[[0, 2]], expected, rtol=1e-5, atol=1e-5)


@long
@pytest.mark.parametrize("api", ["rest", "grpc"])
def test_a_live_endpoint(api: str, tmp_path: Path) -> None:
    checkpoint = saved("bert", tmp_path / "checkpoint")
    assert_exported(checkpoint, tmp_path / "models")
    with (
        Server(Models({"model": tmp_path / "models" / "model"})) as server,
        Client(getattr(server, api), "model") as client,
    ):
        assert_answers(client, checkpoint)


@long
@pytest.mark.skipif(
    "TEST_SERVING_ADDRESS" not in os.environ,
    reason="set TEST_SERVING_ADDRESS to a server's address with /v1/models/NAME, and"
    " TEST_SERVING_CHECKPOINT to the checkpoint behind it (the embedded one unless set)",
)
def test_a_server_of_the_users_own() -> None:
    checkpoint = os.environ.get("TEST_SERVING_CHECKPOINT")
    with Client(os.environ["TEST_SERVING_ADDRESS"]) as client:
        assert_answers(client, checkpoint and Path(checkpoint))


@long
@pytest.mark.parametrize("options", [{"freeze": True}, {"xla": True}, {"ids": "int64"}], ids=str)
def test_the_options(options: dict[str, Any], tmp_path: Path) -> None:
    assert_exported(saved("bert", tmp_path / "checkpoint"), tmp_path / "models", **options)


@long
@pytest.mark.parametrize("architecture", ["bert", "roberta", "albert"])
def test_pairs(architecture: str, tmp_path: Path) -> None:
    checkpoint = saved(architecture, tmp_path / "checkpoint")
    to = tmp_path / "models"
    done = export(checkpoint, to, name="model", require_text=True, pairs=True, strings=256)
    served = TextClassifier.from_pretrained(done.path)
    torch = TextClassifier.from_pretrained(checkpoint, "torch")
    drawn = [text for text in proof.texts(7, 40) if text]
    pairs = [
        {"text": text, "text_pair": pair} for text, pair in zip(drawn, drawn[::-1], strict=True)
    ]
    actual, expected = served(pairs), torch(pairs)
    served.close()
    assert [answer["label"] for answer in actual] == [answer["label"] for answer in expected]
    np.testing.assert_allclose(
        [answer["score"] for answer in actual],
        [answer["score"] for answer in expected],
        atol=1e-5,
    )


@long
def test_half_the_precision(tmp_path: Path) -> None:
    done = export(
        saved("distilbert", tmp_path / "checkpoint"),
        tmp_path / "models",
        name="model",
        precision="bfloat16",
        strings=256,
    )
    assert done.report.differences == ()
    assert done.report.worst[0] > 1e-4  # it is not float32 in disguise


LIMIT = 10_000_000_000
# The limit counts addresses, of which TensorFlow and PyTorch reserve several gigabytes.
LONG = f"""
import resource, sys
from pathlib import Path
from diglot.serving import export

resource.setrlimit(resource.RLIMIT_AS, ({LIMIT}, {LIMIT}))
done = export(sys.argv[1], sys.argv[2], name="model", strings=64)
assert done.report.differences == (), done.report
"""


@long
def test_a_long_context_needs_no_more_memory(tmp_path: Path) -> None:
    """A model of 131,072 tokens, as Qwen2's tokenizers say; attention needs their square."""
    checkpoint = saved("qwen2", tmp_path / "checkpoint", max_position_embeddings=131_072)
    tokenizer = checkpoints.find(checkpoint).tokenizer
    tokenizer.model_max_length = 131_072
    tokenizer.save_pretrained(checkpoint)
    assert checkpoints.find(checkpoint).max_tokens == 131_072
    done = subprocess.run(
        [sys.executable, "-c", LONG, str(checkpoint), str(tmp_path / "models")],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 4_000_000
