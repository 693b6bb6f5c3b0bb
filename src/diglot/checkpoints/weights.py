"""The weights of a checkpoint: the files that hold them, checked before they are read.

diglot reads safetensors only. A pickle can run code while it is loaded, so a checkpoint that has
nothing else is refused, and the message tells how to convert it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from diglot.errors import CheckpointError, CorruptWeightsError, UnsafeWeightsError

if TYPE_CHECKING:
    import torch

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"

_PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt"})
_FOREIGN = frozenset({".h5", ".msgpack", ".ot", ".onnx", ".gguf"})
# transformers' Trainer writes these into the same folder; they are pickles, but not weights.
_TRAINER = ("training_args", "optimizer", "scheduler", "rng_state")

# The limit of the safetensors format itself; a longer header means a damaged length.
_LARGEST_HEADER = 100_000_000


def files(folder: Path, *, listing: Callable[[], Iterable[str] | None]) -> list[Path]:
    """The safetensors files that together hold the weights; the size of each is checked.

    Args:
        folder: the checkpoint.
        listing: gives the names of all files of the checkpoint on the hub, or ``None`` where they
            are unknown; called only if the folder has no weights.

    Raises:
        UnsafeWeightsError: the weights exist only in another form.
        CorruptWeightsError: there are none, or one is missing, truncated or damaged.
    """
    single, index = folder / SINGLE, folder / INDEX
    if single.is_file():
        paths = [single]
    elif index.is_file():
        paths = _shards(index)
    else:
        raise _absent(folder, listing())
    for path in paths:
        _check(path)
    return paths


def read(paths: Iterable[Path]) -> dict[str, torch.Tensor]:
    """The weights of all these files, by name, on the CPU.

    Raises:
        CorruptWeightsError: a file cannot be read as safetensors.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    state: dict[str, torch.Tensor] = {}
    for file in paths:
        try:
            state.update(load_file(file))
        except SafetensorError as error:
            raise _damaged(file, str(error)) from error
    return state


def _shards(index: Path) -> list[Path]:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(index, "it holds no readable 'weight_map'") from error
    folder = index.parent
    if outside := [name for name in names if not _is_plain(name)]:
        raise _damaged(index, f"it names files outside the checkpoint: {', '.join(outside)}")
    if missing := [name for name in names if not (folder / name).is_file()]:
        raise CorruptWeightsError(
            f"{index} names {len(names)} files, but {len(missing)} of them are not there:"
            f" {', '.join(missing)}. Fetch the checkpoint again, or copy the missing files."
        )
    return [folder / name for name in names]


def _is_plain(name: str) -> bool:
    return Path(name).name == name and name.endswith(".safetensors")


def _check(file: Path) -> None:
    """Compare the header with the file's size, which takes one small read."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        start = stream.read(8)
        if start == b"version ":
            raise _damaged(file, "it is a Git LFS pointer, not the weights; run: git lfs pull")
        if len(start) < 8:
            raise _damaged(file, f"it has {size} bytes, which is too short for a header")
        (length,) = struct.unpack("<Q", start)
        if length > min(size - 8, _LARGEST_HEADER):
            raise _damaged(file, f"its header claims {length} bytes, but the file has {size}")
        header = stream.read(length)
    try:
        ends = [
            entry["data_offsets"][1]
            for name, entry in json.loads(header).items()
            if name != "__metadata__"
        ]
        expected = 8 + length + max(ends, default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise _damaged(file, "its header is not readable") from error
    if size != expected:
        raise _damaged(file, f"its header promises {expected} bytes, but the file has {size}")


def _damaged(file: Path, reason: str) -> CorruptWeightsError:
    return CorruptWeightsError(
        f"{file} cannot be read: {reason}. The file is truncated or damaged; fetch it again, or"
        " save the model again with save_pretrained."
    )


def _absent(folder: Path, listing: Iterable[str] | None) -> CheckpointError:
    names = sorted(listing or (path.name for path in folder.iterdir()))
    weights = [name for name in names if not name.startswith(_TRAINER)]
    pickles = [name for name in weights if Path(name).suffix in _PICKLES]
    foreign = [name for name in weights if Path(name).suffix in _FOREIGN]
    if pickles:
        return UnsafeWeightsError(
            f"{folder} has weights only as a pickle ({', '.join(pickles)}), which can run any code"
            " when it is loaded; diglot reads safetensors only. If you trust its source, convert it"
            " in an environment that you can afford to lose: load it with transformers'"
            " from_pretrained, then call save_pretrained, which writes model.safetensors."
        )
    if foreign:
        return UnsafeWeightsError(
            f"{folder} has weights only as {', '.join(foreign)}; diglot reads safetensors only."
            " Convert it: transformers 4 loads TensorFlow weights with from_pretrained(...,"
            " from_tf=True) and Flax weights with from_flax=True, and its save_pretrained writes"
            " model.safetensors."
        )
    return CorruptWeightsError(
        f"{folder} has no weights: expected {SINGLE} or {INDEX}, found"
        f" {', '.join(names) or 'nothing'}. Fetch the checkpoint again, or give the folder that"
        " save_pretrained wrote."
    )
