"""The guide to serving, command by command, against a server that speaks TF Serving's APIs."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serving.models import Models
from tests.serving.server import Server

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
ADDRESS = "http://localhost:8501"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    return [line.removeprefix("$ ") for block in blocks("console") for line in block.splitlines()]


@pytest.fixture(scope="module")
def folder(embedded_export: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which a reader works, after the guide's first commands."""
    place = tmp_path_factory.mktemp("guide")
    # The fixture embedded_export has run this command.
    assert "diglot export" in commands()
    shutil.copytree(embedded_export, place, dirs_exist_ok=True)
    for command in commands():
        if command != "diglot export" and "pip" not in command and "localhost" not in command:
            run(command, place)
    return place


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    models = {path.name: path for path in (folder / "saved_models").iterdir() if path.is_dir()}
    with Server(Models(models)) as running:
        yield running


def run(command: str, place: Path) -> str:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        command, shell=True, capture_output=True, text=True, check=False, cwd=place, env=environment
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert done.stdout.strip()
    return done.stdout


def test_the_export(folder: Path) -> None:
    assert (folder / "saved_models" / "models.config").is_file()
    assert (folder / "saved_models" / "diglot-sst2" / "1" / "saved_model.pb").is_file()


def test_the_requests(folder: Path, server: Server) -> None:
    requests = [command for command in commands() if "localhost" in command]
    assert len(requests) == 4
    answers = [run(command.replace(ADDRESS, server.rest), folder) for command in requests]
    assert "AVAILABLE" in answers[0]
    assert all("NEGATIVE" in answer for answer in answers[1:])


def test_the_client(folder: Path, server: Server) -> None:
    """The guide's own assertions hold."""
    (code,) = blocks("python")
    assert code.count("assert") == 2
    server.seen.clear()
    exec(code.replace(ADDRESS, server.rest), {})
    assert any(":predict" in request for request in server.seen)


def test_the_files_that_docker_reads(folder: Path) -> None:
    (docker,) = [block for block in blocks("text") if "docker run" in block]
    assert "/models/models.config" in docker
    listed = (folder / "saved_models" / "models.config").read_text()
    assert 'base_path: "/models/diglot-sst2"' in listed
