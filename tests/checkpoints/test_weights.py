"""Weights files: only safetensors, only whole ones, and a message that says what to do."""

import json
import pickle
import struct
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from diglot.checkpoints import weights
from diglot.errors import CorruptWeightsError, UnsafeWeightsError

TENSORS = {"one": torch.arange(6.0).reshape(2, 3), "two": torch.tensor([1, 2], dtype=torch.int64)}


def unknown() -> None:
    """What a listing answers where the folder is all there is."""


def never() -> list[str]:
    raise AssertionError("a checkpoint with weights needs no listing")


def header(tensors: object, size: int) -> bytes:
    text = json.dumps(tensors).encode()
    return struct.pack("<Q", len(text)) + text + bytes(size)


@pytest.fixture
def single(tmp_path: Path) -> Path:
    save_file(TENSORS, tmp_path / "model.safetensors", metadata={"format": "pt"})
    return tmp_path / "model.safetensors"


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    for number, (name, tensor) in enumerate(TENSORS.items(), 1):
        save_file({name: tensor}, tmp_path / f"model-0000{number}-of-00002.safetensors")
    index = tmp_path / "model.safetensors.index.json"
    names = {name: f"model-0000{n}-of-00002.safetensors" for n, name in enumerate(TENSORS, 1)}
    index.write_text(json.dumps({"metadata": {}, "weight_map": names}))
    return index


def same(state: dict[str, torch.Tensor]) -> bool:
    return state.keys() == TENSORS.keys() and all(
        torch.equal(state[name], tensor) for name, tensor in TENSORS.items()
    )


def test_a_single_file(single):
    assert weights.files(single.parent, listing=never) == [single]
    assert same(weights.read([single]))


def test_shards(sharded):
    found = weights.files(sharded.parent, listing=never)

    assert [file.name for file in found] == [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ]
    assert same(weights.read(found))


def test_a_single_file_wins_over_shards(single, sharded):
    assert weights.files(single.parent, listing=never) == [single]


def test_an_empty_file_of_the_format_is_whole(tmp_path):
    save_file({}, tmp_path / "model.safetensors")

    assert weights.read(weights.files(tmp_path, listing=never)) == {}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it has 0 bytes, which is too short for a header"),
        (b"1234567", "it has 7 bytes, which is too short for a header"),
        (b"version https://...", "it is a Git LFS pointer, not the weights; run: git lfs pull"),
        (struct.pack("<Q", 11) + b"0123456789", "its header claims 11 bytes, but the file has 18"),
        (struct.pack("<Q", 2**60) + bytes(90), "its header claims 1152921504606846976 bytes"),
        (struct.pack("<Q", 10) + b"0123456789", "its header is not readable"),
        (struct.pack("<Q", 1) + b"\xff", "its header is not readable"),
        (header([], 0), "its header is not readable"),
        (header({"one": 3}, 0), "its header is not readable"),
        (header({"one": {}}, 0), "its header is not readable"),
        (header({"one": {"data_offsets": [0]}}, 0), "its header is not readable"),
        (header({"one": {"data_offsets": [0, "8"]}}, 8), "its header is not readable"),
    ],
    ids=repr,
)
def test_a_damaged_file(tmp_path, content, reason):
    file = tmp_path / "model.safetensors"
    file.write_bytes(content)

    with pytest.raises(CorruptWeightsError) as caught:
        weights.files(tmp_path, listing=never)

    assert f"{file} cannot be read: " in str(caught.value)
    assert reason in str(caught.value)
    assert "fetch it again" in str(caught.value)


def test_a_header_beyond_the_limit_of_the_format_is_not_read(tmp_path):
    with (tmp_path / "model.safetensors").open("wb") as stream:
        stream.write(struct.pack("<Q", 100_000_001))
        stream.truncate(100_000_100)

    with pytest.raises(
        CorruptWeightsError, match="claims 100000001 bytes, but the file has 100000100"
    ):
        weights.files(tmp_path, listing=never)


@pytest.mark.parametrize("change", [-1, -40, 1, 300])
def test_a_file_of_another_length_than_its_header_promises(single, change):
    content = single.read_bytes()
    single.write_bytes(content[:change] if change < 0 else content + bytes(change))

    with pytest.raises(CorruptWeightsError) as caught:
        weights.files(single.parent, listing=never)

    assert f"promises {len(content)} bytes, but the file has {len(content) + change}" in str(
        caught.value
    )


def test_what_only_the_reader_sees_is_reported_with_its_cause(tmp_path):
    file = tmp_path / "model.safetensors"
    file.write_bytes(header({"one": {"dtype": "X9", "shape": [1], "data_offsets": [0, 8]}}, 8))

    with pytest.raises(CorruptWeightsError, match="truncated or damaged") as caught:
        weights.read(weights.files(tmp_path, listing=never))

    assert str(file) in str(caught.value)
    assert isinstance(caught.value.__cause__, SafetensorError)


def test_a_missing_shard_is_named(sharded):
    (sharded.parent / "model-00002-of-00002.safetensors").unlink()

    with pytest.raises(CorruptWeightsError) as caught:
        weights.files(sharded.parent, listing=never)

    assert "names 2 files, but 1 of them are not there: model-00002-of-00002" in str(caught.value)


def test_a_damaged_shard_is_named(sharded):
    shard = sharded.parent / "model-00002-of-00002.safetensors"
    shard.write_bytes(shard.read_bytes()[:-1])

    with pytest.raises(CorruptWeightsError, match="model-00002-of-00002"):
        weights.files(sharded.parent, listing=never)


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"weight_map": 3}', '{"weight_map": {"a": []}}']
)
def test_an_unreadable_index(sharded, content):
    sharded.write_text(content)

    with pytest.raises(CorruptWeightsError, match="no readable 'weight_map'") as caught:
        weights.files(sharded.parent, listing=never)

    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    "name", ["../other.safetensors", "/tmp/a.safetensors", "pytorch_model.bin"]
)
def test_an_index_cannot_lead_out_of_the_folder_or_to_a_pickle(sharded, name):
    sharded.write_text(json.dumps({"weight_map": {"one": name}}))

    with pytest.raises(CorruptWeightsError, match="names files outside the checkpoint") as caught:
        weights.files(sharded.parent, listing=never)

    assert name in str(caught.value)


class Trap:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "last.ckpt", "weights.pth"])
def test_a_pickle_is_refused_and_never_read(tmp_path, name):
    mark = tmp_path / "mark"
    (tmp_path / name).write_bytes(pickle.dumps(Trap(mark)))

    with pytest.raises(UnsafeWeightsError) as caught:
        weights.files(tmp_path, listing=unknown)

    assert f"only as a pickle ({name})" in str(caught.value)
    assert "save_pretrained, which writes model.safetensors" in str(caught.value)
    assert not mark.exists()
    pickle.loads((tmp_path / name).read_bytes())
    assert mark.exists(), "the trap would have caught a reader"


@pytest.mark.parametrize(
    "name", ["tf_model.h5", "flax_model.msgpack", "rust_model.ot", "model.onnx", "model.gguf"]
)
def test_weights_of_another_framework_are_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"weights")

    with pytest.raises(UnsafeWeightsError) as caught:
        weights.files(tmp_path, listing=unknown)

    assert f"only as {name}" in str(caught.value)
    assert "from_tf=True" in str(caught.value)


def test_the_hub_s_listing_tells_what_was_not_fetched(tmp_path):
    (tmp_path / "config.json").write_text("{}")

    with pytest.raises(UnsafeWeightsError, match=r"only as a pickle \(pytorch_model.bin\)"):
        weights.files(tmp_path, listing=lambda: ["config.json", "pytorch_model.bin"])


def test_no_weights_at_all(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    for name in ("optimizer.pt", "rng_state.pth", "scheduler.pt", "training_args.bin"):
        (tmp_path / name).write_bytes(b"a pickle, but no weights")

    with pytest.raises(CorruptWeightsError) as caught:
        weights.files(tmp_path, listing=unknown)

    assert "expected model.safetensors or model.safetensors.index.json" in str(caught.value)
    assert "found config.json, optimizer.pt, rng_state.pth, scheduler.pt, training_args.bin." in (
        str(caught.value)
    )


def test_an_empty_folder(tmp_path):
    with pytest.raises(CorruptWeightsError, match="found nothing"):
        weights.files(tmp_path, listing=unknown)
