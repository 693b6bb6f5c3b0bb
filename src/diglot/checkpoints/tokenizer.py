"""Transformers' tokenizer of a checkpoint, with TensorFlow tensors as well.

transformers 5 makes no TensorFlow tensors. Everything else here is its own tokenizer: the same
class name, the same arguments, the same ``BatchEncoding``.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from diglot.errors import InputError, MissingTokenizerError
from diglot.extras import require

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

# The module that each value of return_tensors needs; the extra that installs it has the same name.
_FRAMEWORKS: Final = {"pt": "torch", "tf": "tensorflow", "np": "numpy"}


def load(path: Path, *, trust_remote_code: bool = False, **options: Any) -> PreTrainedTokenizerBase:
    """Load transformers' tokenizer, whose ``return_tensors`` takes ``"tf"`` too.

    Args:
        path: the checkpoint's folder.
        trust_remote_code: run the checkpoint's own Python code where it has some.
        **options: for transformers' ``AutoTokenizer.from_pretrained``.

    Raises:
        MissingTokenizerError: the checkpoint has no tokenizer that transformers can load.
    """
    import transformers

    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            path, trust_remote_code=trust_remote_code, local_files_only=True, **options
        )
    except Exception as error:
        raise MissingTokenizerError(
            f"transformers cannot load a tokenizer from {path}: {error}"
        ) from error
    # Without these files, transformers 5 quietly makes a tokenizer with an empty vocabulary.
    names = sorted({"tokenizer.json", *tokenizer.vocab_files_names.values()})
    if tokenizer.vocab_files_names and not any((path / name).is_file() for name in names):
        raise MissingTokenizerError(
            f"{path} has no vocabulary: expected one of {', '.join(names)}. Save the tokenizer"
            " beside the model with its save_pretrained."
        )
    parent: Any = type(tokenizer)
    tokenizer.__class__ = _subclass(parent)
    return tokenizer


class _TensorFlowTensors:
    """Adds ``"tf"`` to what ``return_tensors`` takes, and leaves the rest to the parent."""

    def __call__(self, *args: Any, return_tensors: Any = None, **kwargs: Any) -> Any:
        parent: Any = super()
        encoding = parent.__call__(*args, return_tensors=_asked(return_tensors), **kwargs)
        return _given(encoding, return_tensors)

    def encode(self, *args: Any, return_tensors: Any = None, **kwargs: Any) -> Any:
        parent: Any = super()
        ids = parent.encode(*args, return_tensors=_asked(return_tensors), **kwargs)
        return _given(ids, return_tensors)

    def pad(self, *args: Any, return_tensors: Any = None, **kwargs: Any) -> Any:
        parent: Any = super()
        encoding = parent.pad(*args, return_tensors=_asked(return_tensors), **kwargs)
        return _given(encoding, return_tensors)

    def apply_chat_template(self, *args: Any, return_tensors: Any = None, **kwargs: Any) -> Any:
        parent: Any = super()
        asked = _asked(return_tensors)
        encoding = parent.apply_chat_template(*args, return_tensors=asked, **kwargs)
        return _given(encoding, return_tensors)

    def decode(self, token_ids: Any, *args: Any, **kwargs: Any) -> Any:
        parent: Any = super()
        if _is_tensorflow(token_ids):
            token_ids = token_ids.numpy()
        return parent.decode(token_ids, *args, **kwargs)

    def __reduce__(self) -> Any:
        return _revive, (type(self).__mro__[2],), self.__getstate__()


@cache
def _subclass(parent: Any) -> Any:
    """The parent with TensorFlow tensors.

    It goes by the parent's name, which ``save_pretrained`` writes down for transformers to find.
    """
    names = {"__module__": parent.__module__, "__qualname__": parent.__qualname__}
    return type(parent.__name__, (_TensorFlowTensors, parent), {"__doc__": parent.__doc__, **names})


def _revive(parent: Any) -> Any:
    tokenizer_class = _subclass(parent)
    return tokenizer_class.__new__(tokenizer_class)


def _asked(return_tensors: Any) -> str | None:
    """What the parent is asked for: NumPy in place of TensorFlow.

    Raises:
        InputError: there is no such kind of tensor.
        BackendNotInstalledError: its framework is not installed.
    """
    if not return_tensors:
        return None
    kind = str(getattr(return_tensors, "value", return_tensors))
    if kind not in _FRAMEWORKS:
        raise InputError(
            f"return_tensors={kind!r} is not known; it is one of"
            f" {', '.join(map(repr, _FRAMEWORKS))}, or None for lists"
        )
    framework = _FRAMEWORKS[kind]
    require(framework, framework, what=f"return_tensors={kind!r}")
    return "np" if kind == "tf" else kind


def _given(encoding: Any, return_tensors: Any) -> Any:
    """The parent's answer, its arrays made TensorFlow tensors where that was asked for."""
    import numpy as np

    if return_tensors != "tf":
        return encoding
    if isinstance(encoding, np.ndarray):
        return _tensor(encoding, "input_ids")
    if not isinstance(encoding, str):
        for key, value in encoding.items():
            encoding[key] = _tensor(value, key)
    return encoding


def _tensor(array: NDArray[np.integer[Any]], key: str) -> tf.Tensor:
    import tensorflow as tf

    if array.dtype == object:
        raise InputError(
            f"the rows of {key!r} have different lengths"
            f" ({', '.join(map(str, sorted({len(row) for row in array})))}), so they are no tensor;"
            " pass padding=True, and truncation=True where some are too long"
        )
    return tf.constant(array, tf.int32)


def _is_tensorflow(value: Any) -> bool:
    return type(value).__module__.startswith("tensorflow.")
