"""One export for all tests of serving."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.serving.models import Models
from tests.serving.server import Server

from diglot.serving import proof
from diglot.serving.exports import Export, export


@pytest.fixture(scope="session")
def lively(save_tiny: Callable[..., Path]) -> Path:
    """A tiny BERT whose answers differ from text to text."""
    return save_tiny(initializer_range=1.5)


@pytest.fixture(scope="session")
def exported(lively: Path, tmp_path_factory: pytest.TempPathFactory) -> Export:
    """The same as a servable; read it, never write it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proof, "STRINGS", 256)
        return export(lively, tmp_path_factory.mktemp("saved_models"), name="tiny")


@pytest.fixture(scope="module")
def server(exported: Export) -> Iterator[Server]:
    """A server with that export under the name ``tiny``."""
    with Server(Models({"tiny": exported.path.parent})) as running:
        yield running


@pytest.fixture
def exported_copy(exported: Export, tmp_path: Path) -> Path:
    """The same version, for a test to damage."""
    return Path(shutil.copytree(exported.path, tmp_path / "tiny" / "1"))


@pytest.fixture
def few_strings(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Compare fewer strings than an export usually does."""
    return lambda count: monkeypatch.setattr(proof, "STRINGS", count)
