"""One export that all tests of serving share, and fake targets for tests that need no model."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.serving.models import Models
from tests.serving.server import Server

from diglot.endpoints import layout
from diglot.equality.tolerance import BUDGET
from diglot.serving import models_config
from diglot.serving.exports import Export, export
from diglot.serving.proof import Report
from diglot.serving.targets import Contents

PROVEN = Report(texts=0, warmups=0, worst=(0.0, 0.0), tolerance=BUDGET, differences=())


class FakeTarget:
    """A target that writes one file, and takes no text; ``wrote`` is called after the writing."""

    name = "fake"
    program = layout.PROGRAM
    requires = ()
    extra = ""
    takes_text = False
    dynamic_shapes = True

    def __init__(self, wrote: Callable[[Path], None] = lambda folder: None) -> None:
        self._wrote = wrote

    def write(self, folder: Path, source: Any, choices: Any) -> tuple[str, ...]:
        """Write the program alone."""
        folder.mkdir()
        (folder / self.program).write_text("all of it")
        self._wrote(folder)
        return ("encoded",)

    def open(self, folder: Path) -> Any:
        """Fail: there is nothing to run."""
        raise NotImplementedError

    def replay_warmup(self, folder: Path, endpoint: Any) -> int:
        """Fail: there is nothing to run."""
        raise NotImplementedError

    def publish(self, models: Path) -> None:
        """List the models, as for TF Serving."""
        models_config.update(models)

    def contents(self, folder: Path) -> Contents:
        """Nothing."""
        return Contents({}, {})

    def examine(self, folder: Path, *, serving: str) -> Iterator[Any]:
        """Nothing."""
        return iter(())


@pytest.fixture(scope="session")
def lively(save_tiny: Callable[..., Path]) -> Path:
    """A tiny BERT whose answers differ from text to text."""
    return save_tiny(initializer_range=1.5)


@pytest.fixture(scope="session")
def exported(lively: Path, tmp_path_factory: pytest.TempPathFactory) -> Export:
    """The export of ``lively``, with a real proof; read it, never write it."""
    return export(lively, tmp_path_factory.mktemp("saved_models"), name="tiny", strings=256)


@pytest.fixture(scope="module")
def server(exported: Export) -> Iterator[Server]:
    """A server of that export under the name ``tiny``."""
    with Server(Models({"tiny": exported.path.parent})) as running:
        yield running


@pytest.fixture
def exported_copy(exported: Export, tmp_path: Path) -> Path:
    """A copy of the version, for a test to damage."""
    return Path(shutil.copytree(exported.path, tmp_path / "tiny" / "1"))
