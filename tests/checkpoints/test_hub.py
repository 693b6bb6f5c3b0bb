"""The hub: a small one that runs here, and a cache that was filled before."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import huggingface_hub
import pytest
from huggingface_hub import constants

from diglot.checkpoints import find, hub, torch_model
from diglot.errors import CheckpointNotFoundError, HubUnreachableError, UnsafeWeightsError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REVISIONS = ("main", "v1", COMMIT)
TEMPLATE = "/{repo_id}/resolve/{revision}/{filename}"


class _Hub(BaseHTTPRequestHandler):
    """As much of the hub's protocol as fetching a snapshot takes."""

    files: Mapping[str, bytes]

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        parts = self.path.partition("?")[0].strip("/").split("/")
        match parts:
            case ["api", "models", "org", "gated", *_]:
                self._answer(403, b"{}", X_Error_Code="GatedRepo")
            case ["api", "models", "org", "broken", *_]:
                self._answer(500, b"{}")
            case ["api", "models", "org", "name", "revision", known] if known in REVISIONS:
                siblings = [{"rfilename": name} for name in self.files]
                self._answer(200, {"id": "org/name", "sha": COMMIT, "siblings": siblings})
            case ["api", "models", "org", "name", "revision", _]:
                self._answer(404, b"{}", X_Error_Code="RevisionNotFound")
            case ["api", "models", "org", "name", "tree", _]:
                self._answer(200, [self._entry(name) for name in self.files])
            case ["org", "name", "resolve", _, *path]:
                content = self.files["/".join(path)]
                tag = hashlib.sha1(content).hexdigest()
                self._answer(200, content, ETag=f'"{tag}"', X_Repo_Commit=COMMIT)
            case _:
                self._answer(404, b"{}", X_Error_Code="RepoNotFound")

    do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

    def _entry(self, name: str) -> dict[str, object]:
        content = self.files[name]
        oid = hashlib.sha1(content).hexdigest()
        return {"type": "file", "path": name, "size": len(content), "oid": oid}

    def _answer(self, status: int, body: object, **headers: str) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[object]:
    """A function that serves these files as ``org/name``, whose address it answers."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})

    def start(files: Mapping[str, bytes]) -> None:
        monkeypatch.setattr(_Hub, "files", files, raising=False)
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + TEMPLATE)
        thread.start()

    yield start
    if thread.is_alive():
        server.shutdown()
        thread.join()
    server.server_close()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_checkpoint_is_fetched_with_its_commit(tiny, serve, cache):
    serve({**contents(tiny), "pytorch_model.bin": b"a pickle", "onnx/config.json": b"{}"})

    checkpoint = find("org/name")

    assert (checkpoint.name, checkpoint.revision) == ("org/name", COMMIT)
    assert checkpoint.path.is_relative_to(cache)
    assert contents(checkpoint.path) == contents(tiny)
    assert checkpoint.labels == ("NEGATIVE", "POSITIVE")
    assert type(torch_model.load(checkpoint)).__name__ == "BertForSequenceClassification"


def test_only_what_a_classifier_is_made_of_is_fetched(serve):
    wanted = {
        "chat_template.jinja",
        "model-00001-of-00002.safetensors",
        "model.safetensors.index.json",
        "spm.model",
        "vocab.txt",
    }
    others = {"README.md", "consolidated.safetensors", "model.onnx", "tf_model.h5", "sub/vocab.txt"}
    serve(dict.fromkeys(wanted | others, b"something"))

    assert set(contents(find("org/name").path)) == wanted


def test_a_revision_is_fetched_once_and_then_found_without_the_hub(serve, monkeypatch):
    serve({"config.json": b"{}"})
    assert find("org/name", revision="v1").revision == COMMIT

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    assert find("org/name", revision="v1").path.joinpath("config.json").read_bytes() == b"{}"
    assert find("org/name", revision=COMMIT).revision == COMMIT
    with pytest.raises(HubUnreachableError, match=r"'org/name' \(revision 'v3'\) is not in the"):
        find("org/name", revision="v3")


@pytest.mark.parametrize(("trusted", "expected"), [(False, set()), (True, {"modeling.py"})])
def test_code_is_fetched_only_if_it_is_trusted(serve, trusted, expected):
    serve({"config.json": b"{}", "modeling.py": b"print()"})

    checkpoint = find("org/name", trust_remote_code=trusted)

    assert set(contents(checkpoint.path)) == {"config.json"} | expected


def test_weights_that_are_only_a_pickle_on_the_hub(tiny, serve):
    files = contents(tiny)
    files["pytorch_model.bin"] = files.pop("model.safetensors")
    serve(files)
    checkpoint = find("org/name")

    with pytest.raises(UnsafeWeightsError, match=r"only as a pickle \(pytorch_model.bin\)"):
        torch_model.load(checkpoint)

    assert not checkpoint.path.joinpath("pytorch_model.bin").exists()


@pytest.mark.parametrize(
    ("name", "revision", "says"),
    [
        ("org/none", None, "there is no checkpoint 'org/none'"),
        ("none", None, "there is no checkpoint 'none'"),
        ("org/name", "v2", "'org/name' has no revision 'v2'"),
        ("org/gated", None, "'org/gated' is a gated checkpoint"),
        ("org/bad name", None, "'org/bad name' is neither a directory nor a possible hub id"),
    ],
)
def test_what_the_hub_does_not_have(serve, name, revision, says):
    serve({})

    with pytest.raises(CheckpointNotFoundError) as caught:
        find(name, revision=revision)

    assert says in str(caught.value)
    assert caught.value.__cause__ is not None


def test_a_hub_that_fails(serve):
    serve({})

    with pytest.raises(HubUnreachableError, match=r"the hub cannot be reached .*500"):
        find("org/broken")


def test_a_hub_that_does_not_answer(monkeypatch, serve):
    serve({})
    # Nothing listens on the port that the system never gives out.
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")

    with pytest.raises(HubUnreachableError) as caught:
        find("org/name")

    assert "'org/name' is not in the local cache, and the hub cannot be reached" in str(
        caught.value
    )
    assert "HF_HUB_OFFLINE" not in str(caught.value)


def test_offline_says_so(cache):
    with pytest.raises(HubUnreachableError) as caught:
        find("org/name")

    assert "is not in the local cache, and HF_HUB_OFFLINE forbids" in str(caught.value)
    assert caught.value.__cause__ is not None


def test_what_else_goes_wrong_is_reported_with_its_cause(monkeypatch):
    def fail(*args: object, **kwargs: object) -> str:
        raise OSError("the disk is full")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)

    with pytest.raises(HubUnreachableError, match="OSError: the disk is full") as caught:
        find("org/name")

    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize("revision", [None, "v1", COMMIT])
def test_a_cache_that_another_tool_filled(tiny, cache, revision):
    folder = cache / "models--org--name"
    blobs, snapshot, refs = folder / "blobs", folder / "snapshots" / COMMIT, folder / "refs"
    shutil.copytree(tiny, blobs)
    snapshot.mkdir(parents=True)
    for blob in blobs.iterdir():
        (snapshot / blob.name).symlink_to(blob)
    refs.mkdir()
    for name in ("main", "v1"):
        (refs / name).write_text(COMMIT)

    checkpoint = find("org/name", revision=revision)

    assert (checkpoint.path, checkpoint.revision) == (snapshot, COMMIT)
    assert torch_model.load(checkpoint).config.num_labels == 2


def test_a_listing_without_the_hub_is_unknown():
    assert hub.listing("org/name", COMMIT) is None
