"""Loads transformers' tokenizer of a checkpoint and adds TensorFlow tensors to it.

transformers 5 does not create TensorFlow tensors. Everything else is unchanged: the name of the
class, the arguments and the ``BatchEncoding``.
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

# The module that each value of return_tensors needs. The extras of diglot have the same names,
# except NumPy, which is always installed.
_FRAMEWORKS: Final = {"pt": "torch", "tf": "tensorflow", "np": "numpy"}


def load(path: Path, *, trust_remote_code: bool = False, **options: Any) -> PreTrainedTokenizerBase:
    """Load transformers' tokenizer, with ``return_tensors="tf"`` in addition.

    Args:
        path: the folder of the checkpoint.
        trust_remote_code: run the Python code of the checkpoint, if it has any.
        **options: passed to transformers' ``AutoTokenizer.from_pretrained``.

    Returns:
        The tokenizer. It is not thread-safe, because transformers' fast tokenizers store the
        options of a call in an object that all calls share.

    Raises:
        MissingTokenizerError: transformers cannot load a tokenizer from the folder.
    """
    import transformers

    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            path, trust_remote_code=trust_remote_code, local_files_only=True, **options
        )
    except Exception as error:
        raise MissingTokenizerError(
            f"transformers cannot load a tokenizer from {path}: {type(error).__name__}: {error};"
            " expected the files that the save_pretrained of a tokenizer writes"
        ) from error
    # Without these files, transformers 5 creates a tokenizer with an empty vocabulary.
    names = sorted({"tokenizer.json", *tokenizer.vocab_files_names.values()})
    if tokenizer.vocab_files_names and not any((path / name).is_file() for name in names):
        raise MissingTokenizerError(
            f"{path} has no vocabulary: expected one of {', '.join(names)}. Save the tokenizer in"
            " the folder of the model with its save_pretrained."
        )
    library_class: Any = type(tokenizer)
    tokenizer.__class__ = _subclass(library_class)
    return tokenizer


class _TensorFlowTensors:
    """Accepts ``return_tensors="tf"``, and leaves everything else to the library's class."""

    def __call__(self, *args: Any, return_tensors: Any = None, **kwargs: Any) -> Any:
        library: Any = super()
        encoding = library.__call__(*args, return_tensors=_for_library(return_tensors), **kwargs)
        return _converted(encoding, return_tensors)

    def encode(self, *args: Any, return_tensors: Any = None, **kwargs: Any) -> Any:
        library: Any = super()
        ids = library.encode(*args, return_tensors=_for_library(return_tensors), **kwargs)
        return _converted(ids, return_tensors)

    def pad(self, *args: Any, return_tensors: Any = None, **kwargs: Any) -> Any:
        library: Any = super()
        encoding = library.pad(*args, return_tensors=_for_library(return_tensors), **kwargs)
        return _converted(encoding, return_tensors)

    def apply_chat_template(self, *args: Any, return_tensors: Any = None, **kwargs: Any) -> Any:
        library: Any = super()
        encoding = library.apply_chat_template(
            *args, return_tensors=_for_library(return_tensors), **kwargs
        )
        return _converted(encoding, return_tensors)

    def decode(self, token_ids: Any, *args: Any, **kwargs: Any) -> Any:
        library: Any = super()
        if _is_tensorflow(token_ids):
            token_ids = token_ids.numpy()
        return library.decode(token_ids, *args, **kwargs)

    def __reduce__(self) -> Any:
        return _empty_tokenizer, (type(self).__mro__[2],), self.__getstate__()


@cache
def _subclass(library_class: Any) -> Any:
    """Return a subclass of the library's class that accepts ``return_tensors="tf"``.

    It has the name of the library's class, because ``save_pretrained`` writes the name to a file
    from which transformers selects the class.
    """
    attributes = {
        "__doc__": library_class.__doc__,
        "__module__": library_class.__module__,
        "__qualname__": library_class.__qualname__,
    }
    return type(library_class.__name__, (_TensorFlowTensors, library_class), attributes)


def _empty_tokenizer(library_class: Any) -> Any:
    """Create the object whose state ``copy`` and ``pickle`` then restore."""
    tokenizer_class = _subclass(library_class)
    return tokenizer_class.__new__(tokenizer_class)


def _for_library(return_tensors: Any) -> str | None:
    """Return the value of ``return_tensors`` for the library: NumPy in place of TensorFlow.

    Raises:
        InputError: the kind of tensor is unknown.
        BackendNotInstalledError: its framework is not installed.
    """
    if not return_tensors:
        return None
    kind = str(getattr(return_tensors, "value", return_tensors))
    if kind not in _FRAMEWORKS:
        raise InputError(
            f"return_tensors={kind!r} is unknown; pass one of"
            f" {', '.join(map(repr, _FRAMEWORKS))}, or None for lists"
        )
    framework = _FRAMEWORKS[kind]
    require(framework, framework, what=f"return_tensors={kind!r}")
    return "np" if kind == "tf" else kind


def _converted(encoding: Any, return_tensors: Any) -> Any:
    """Convert the arrays of the library to TensorFlow tensors, if these were requested."""
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
        lengths = ", ".join(map(str, sorted({len(row) for row in array})))
        raise InputError(
            f"the rows of {key!r} have different lengths ({lengths}), and a tensor needs rows of"
            " the same length; pass padding=True, and truncation=True if some rows are too long"
        )
    return tf.constant(array, tf.int32)


def _is_tensorflow(value: Any) -> bool:
    return type(value).__module__.startswith("tensorflow.")
