"""A cache of recordings: a test loads a recorded model if an earlier test recorded the same one.

``torch.export`` takes 3 to 15 seconds for a tiny model, and the tests record the same few models
again and again: in each worker, each precision and each test file. The cache is a folder of
``torch.export`` archives that all workers of a run share; it survives between runs.

A recording depends on much more than the architecture, and a wrong hit would hide a fault. Three
rules keep the cache honest:

- The key covers everything that ``torch.export`` can see: the source files of the classes, the
  attributes of every submodule, the configuration, the names, shapes, strides, dtypes and ties of
  the parameters, the values of the buffers, the inputs, the mode, PyTorch's global settings, the
  versions, the set of operators that have a lowering, and diglot's own source.
- If the key cannot describe an object that takes part, such as a hook, a patched method or a class
  that a test defines, or if a test patches the capture itself, the model is recorded as if there
  were no cache.
- An archive holds no parameters. A loaded recording gets the parameters and buffers of the caller's
  model, as a fresh recording does.
"""

from __future__ import annotations

import enum
import hashlib
import os
import sys
import sysconfig
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path
from threading import Lock
from types import BuiltinFunctionType, FunctionType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from torch import Tensor
    from torch.export import ExportedProgram
    from torch.nn import Module

RECORD = "diglot.lowering.record"
"""The module whose function ``recorded`` goes through the cache."""

DAYS = 7
"""The age, in days since its last use, at which an archive is removed."""

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_INSTALLED = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))


class UndescribedError(Exception):
    """An object takes part in a recording that the key of the cache cannot describe."""


class Recordings:
    """A folder of recordings by key. Any number of processes and threads may share the folder.

    Attributes:
        folder: the folder of the archives.
        loaded: the number of recordings that came from the folder.
        saved: the number of recordings that went into the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loaded = self.saved = 0
        # torch.export.load reads one archive at a time.
        self._loading = Lock()
        self._enabled = True

    def install(self) -> None:
        """Put the cache before ``recorded`` if its module is imported; once for each process."""
        record = sys.modules.get(RECORD)
        recorded = getattr(record, "recorded", None)
        if recorded is not None and not hasattr(recorded, "recordings"):
            record.recorded = self.wrap(recorded)  # type: ignore[union-attr]

    def wrap(self, recorded: Callable[..., ExportedProgram]) -> Callable[..., ExportedProgram]:
        """The function ``recorded`` with the cache before it."""
        before = _contents()

        @wraps(recorded)
        def load_or_record(model: Module, inputs: Sequence[str]) -> ExportedProgram:
            if not self._enabled or _contents() != before:
                return recorded(model, inputs)
            try:
                archive = self.folder / f"{key(model, inputs)}.pt2"
            except UndescribedError:
                return recorded(model, inputs)
            if archive.exists():
                self.loaded += 1
                os.utime(archive)
                with self._loading:
                    return _load(archive, model)
            program = recorded(model, inputs)
            _save(program, archive)
            self.saved += 1
            return program

        load_or_record.recordings = self  # type: ignore[attr-defined]
        return load_or_record

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """Record every model afresh, as a test of the recording itself needs."""
        enabled, self._enabled = self._enabled, False
        try:
            yield
        finally:
            self._enabled = enabled

    def remove_unused(self) -> None:
        """Remove the archives that no run has used for :data:`DAYS` days."""
        oldest = time.time() - DAYS * 24 * 3600
        for archive in self.folder.glob("*.pt2"):
            if archive.stat().st_mtime < oldest:
                archive.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def recordings(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    """The cache of this run, which its workers and the runs after it share."""
    if pytestconfig.pluginmanager.has_plugin("cacheprovider"):
        folder = pytestconfig.cache.mkdir("recordings")  # type: ignore[union-attr]
    else:
        folder = tmp_path_factory.getbasetemp() / "recordings"
    found = Recordings(folder)
    found.remove_unused()
    return found


@pytest.fixture(autouse=True)
def use_recordings(recordings: Recordings) -> None:
    """Put the cache before ``recorded`` once a test has imported it."""
    recordings.install()


@pytest.fixture
def no_recordings(recordings: Recordings) -> Iterator[None]:
    """Record every model afresh during a test of the recording itself."""
    with recordings.disabled():
        yield


def key(model: Module, inputs: Sequence[str]) -> str:
    """The hash of everything that a recording of ``model`` depends on.

    Raises:
        UndescribedError: an object takes part that the key cannot describe.
    """
    import torch

    from diglot.lowering import DECLINED, REGISTRY

    parts: list[object] = [
        _environment(),
        sorted(map(str, REGISTRY)),
        sorted(map(str, DECLINED)),
        tuple(inputs),
        (torch.get_default_dtype(), torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
    ]
    standard = vars(torch.nn.Module()).keys()
    for name, module in model.named_modules(remove_duplicate=False):
        hooks = [hook for kind in _HOOKS for hook in getattr(module, kind).values()]
        for hook in hooks:
            # transformers adds hooks of its own to a model that has returned hidden states.
            if not isinstance(hook, FunctionType):
                raise UndescribedError(f"{name or 'the model'} has the hook {hook!r}")
            _check_installed("a hook", hook)
        own = {name: value for name, value in vars(module).items() if name not in standard}
        buffers = sorted(module._non_persistent_buffers_set)
        names = [hook.__qualname__ for hook in hooks]
        parts.append((name, module.training, buffers, names, _class(type(module)), _described(own)))
    order: dict[int, int] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        tie = order.setdefault(id(parameter), len(order))
        parts.append((name, tie, parameter.requires_grad, _layout(parameter)))
    for name, buffer in model.named_buffers(remove_duplicate=False):
        parts.append((name, order.setdefault(id(buffer), len(order)), _described(buffer)))
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _contents() -> dict[tuple[str, str], int]:
    """The identity of everything in the modules that capture, some of which a test may patch."""
    names = ("capture", "record", "workarounds")
    modules = {name: sys.modules.get(f"diglot.lowering.{name}") for name in names}
    return {
        (name, variable): id(value)
        for name, module in modules.items()
        for variable, value in (vars(module) if module else {}).items()
        if variable != "recorded"
    }


@cache
def _environment() -> tuple[str, ...]:
    """The versions, and the source of everything in diglot that takes part."""
    import torch
    import transformers

    import diglot

    source = Path(diglot.__file__).parent
    files = [*source.glob("lowering/**/*.py"), source / "checkpoints" / "architectures.py"]
    hashes = [_hash(path) for path in (*sorted(files), Path(__file__))]
    return (sys.version, torch.__version__, transformers.__version__, *hashes)


@cache
def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _class(kind: type) -> tuple[object, ...]:
    """The class and its ancestors, each with the hash of its file.

    Raises:
        UndescribedError: a class, or a function that stands in for one of its methods or for a
            function of its module, does not come from an installed package.
    """
    found: list[object] = []
    for ancestor in kind.__mro__[:-1]:
        module = sys.modules.get(ancestor.__module__)
        file = getattr(module, "__file__", None) or ""
        if not file.startswith(_INSTALLED):
            raise UndescribedError(f"{ancestor} does not come from an installed package")
        for name, value in (*vars(ancestor).items(), *vars(module).items()):
            _check_installed(name, value)
        found.append((ancestor.__module__, ancestor.__qualname__, _hash(Path(file))))
    return tuple(found)


def _check_installed(name: str, value: object) -> None:
    """Check that a function, or the one that it wraps, comes from an installed package."""
    while value is not None:
        function = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
        if isinstance(function, FunctionType):
            file = function.__code__.co_filename
            # Code that a library generates has a name such as "<string>" for its file.
            if not file.startswith((*_INSTALLED, "<")):
                raise UndescribedError(f"{name} is patched by {file}")
        value = vars(function).get("__wrapped__") if hasattr(function, "__dict__") else None


def _described(value: object, depth: int = 0) -> object:
    """The value as nested tuples whose ``repr`` is equal only for equal values.

    Raises:
        UndescribedError: the value holds an object of an unknown kind.
    """
    import torch

    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return (type(value).__name__, value)
    if isinstance(value, torch.dtype | torch.device | torch.Size | enum.Enum | Path):
        return repr(value)
    if isinstance(value, torch.Tensor):
        return ("tensor", _layout(value), _bytes(value))
    if depth > 8:
        raise UndescribedError(f"{type(value)} is nested too deeply")
    if isinstance(value, Mapping):
        items = [(_described(k, depth + 1), _described(v, depth + 1)) for k, v in value.items()]
        return (type(value).__name__, *items)
    if isinstance(value, list | tuple):
        return (type(value).__name__, *(_described(item, depth + 1) for item in value))
    if isinstance(value, set | frozenset):
        return ("set", *sorted(repr(_described(item, depth + 1)) for item in value))
    if isinstance(value, BuiltinFunctionType):
        return ("built-in", value.__module__, value.__qualname__)
    if isinstance(value, type | FunctionType):
        module = sys.modules.get(value.__module__)
        if getattr(module, value.__qualname__, None) is value:
            _check_installed(value.__qualname__, value)
            return ("named", value.__module__, value.__qualname__)
    elif type(value).__module__.startswith("transformers.") and hasattr(value, "__dict__"):
        return (*_class(type(value)), _described(vars(value), depth + 1))
    raise UndescribedError(f"the key cannot describe {value!r}")


def _layout(tensor: Tensor) -> tuple[object, ...]:
    return (tuple(tensor.shape), tensor.stride(), str(tensor.dtype), str(tensor.device))


def _bytes(tensor: Tensor) -> str:
    import torch

    flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return hashlib.sha256(flat.numpy().tobytes()).hexdigest()


def _save(program: ExportedProgram, archive: Path) -> None:
    """Write the recording without its parameters; other processes see a whole archive or none."""
    import torch

    values = dict(program.state_dict)
    for name, value in values.items():
        if isinstance(value, torch.nn.Parameter):
            placeholder = torch.empty_like(value, device="meta")
            program.state_dict[name] = torch.nn.Parameter(placeholder, value.requires_grad)
    archive.parent.mkdir(parents=True, exist_ok=True)
    descriptor, unfinished = tempfile.mkstemp(dir=archive.parent, suffix=".unfinished")
    try:
        with os.fdopen(descriptor, "wb") as file, warnings.catch_warnings():
            # torch.export warns of its own internals.
            warnings.simplefilter("ignore")
            torch.export.save(program, file)
        os.replace(unfinished, archive)
    finally:
        program.state_dict.update(values)
        Path(unfinished).unlink(missing_ok=True)


def _load(archive: Path, model: Module) -> ExportedProgram:
    """The recording with the parameters and buffers of ``model``."""
    import torch

    with archive.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.load(file)
    prefix = sys.modules[RECORD].PREFIX
    tensors = {
        prefix + name: tensor
        for named in (model.named_parameters, model.named_buffers)
        for name, tensor in named(remove_duplicate=False)
    }
    for values in (program.state_dict, program.constants):
        values.update({name: tensors[name] for name in values if name in tensors})
    return program
