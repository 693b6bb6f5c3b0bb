"""Inputs checked against a signature and cut into batches, and the outputs joined again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from diglot.endpoints.endpoint import Signature, Tensor
from diglot.errors import InputError, ServingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Arrays = dict[str, "NDArray[Any]"]

DTYPES = {
    "DT_BFLOAT16": "bfloat16",
    "DT_BOOL": "bool",
    "DT_DOUBLE": "float64",
    "DT_FLOAT": "float32",
    "DT_HALF": "float16",
    "DT_INT16": "int16",
    "DT_INT32": "int32",
    "DT_INT64": "int64",
    "DT_INT8": "int8",
    "DT_STRING": "string",
    "DT_UINT16": "uint16",
    "DT_UINT32": "uint32",
    "DT_UINT64": "uint64",
    "DT_UINT8": "uint8",
}
"""TensorFlow's names of dtypes by the names in its protocol buffers. Source: ``types.proto``."""


def fitted(name: str, signature: Signature, inputs: Mapping[str, Any]) -> Arrays:
    """The inputs as arrays of the dtypes and shapes that a signature takes.

    Args:
        name: the signature's name, for messages.
        signature: the signature.
        inputs: arrays or nested lists by name.

    Returns:
        Arrays by name; texts as ``bytes`` in arrays of objects.

    Raises:
        InputError: an input is missing, unknown, or of another dtype, rank or size.
    """
    if set(inputs) != set(signature.inputs):
        raise InputError(
            f"the signature {name!r} takes {_listed(signature.inputs)}, not {_listed(inputs)}"
        )
    arrays = {
        key: _array(f"{key!r} of the signature {name!r}", tensor, inputs[key])
        for key, tensor in signature.inputs.items()
    }
    sizes = {key: len(value) for key, value in sorted(arrays.items()) if value.ndim}
    if len(set(sizes.values())) > 1:
        raise InputError(f"all inputs must have the same number of rows, not {sizes}")
    if 0 in sizes.values():
        raise InputError(f"there is no row for the signature {name!r}; give one at least")
    return arrays


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(repr(name) for name in sorted(names)) or "nothing"


def _array(what: str, expected: Tensor, value: Any) -> NDArray[Any]:
    array = _strings(what, value) if expected.dtype == "string" else _numbers(what, expected, value)
    sizes = zip(array.shape, expected.shape, strict=False)
    if array.ndim != len(expected.shape) or any(want not in (None, size) for size, want in sizes):
        shape = ", ".join("any" if size is None else str(size) for size in expected.shape)
        raise InputError(f"{what} has the shape [{shape}], not {list(array.shape)}")
    return array


def _strings(what: str, value: Any) -> NDArray[Any]:
    # NumPy's own strings lose the NULs at their end; an array of objects keeps them.
    nested = value.tolist() if isinstance(value, np.ndarray) else value
    try:
        array = np.array(nested, dtype=object)
    except ValueError as error:
        raise InputError(f"{what} must be a list of texts as long as each other: {error}") from None
    leaves = []
    for row, text in enumerate(array.flat):
        if not isinstance(text, str | bytes):
            raise InputError(
                f"{what} takes texts, not {type(text).__name__} {text!r:.60}", index=row
            )
        try:
            leaves.append(text.encode() if isinstance(text, str) else text)
        except UnicodeEncodeError as error:
            raise InputError(f"{what} has a text that is not UTF-8: {error}", index=row) from None
    encoded = np.empty(len(leaves), dtype=object)
    encoded[:] = leaves
    return encoded.reshape(array.shape)


def _numbers(what: str, expected: Tensor, value: Any) -> NDArray[Any]:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InputError(
            f"{what} must have rows as long as each other; fill them up: {error}"
        ) from None
    try:
        dtype = np.dtype(expected.dtype)
    except TypeError:
        raise InputError(f"{what} takes {expected.dtype}, which diglot cannot send") from None
    # NumPy makes float64 of an empty list, whatever the caller meant.
    if array.size and array.dtype.kind not in {"i": "iu", "u": "iu", "f": "fiu"}.get(
        dtype.kind, dtype.kind
    ):
        raise InputError(f"{what} takes {expected.dtype}, not {array.dtype}")
    if dtype.kind in "iu" and array.size:
        limits = np.iinfo(dtype)
        low, high = int(array.min()), int(array.max())
        if low < limits.min or high > limits.max:
            raise InputError(
                f"{what} takes {expected.dtype}, and {low} to {high} is outside its range"
            )
    return array.astype(dtype)


def asked(
    arrays: Arrays, most: int, ask: Callable[[Arrays], Arrays], signature: Signature
) -> Arrays:
    """Ask in several requests of a limited number of rows, and join the answers.

    Args:
        arrays: the inputs, each ``[batch, ...]``; sent as they are if one of them is a scalar.
        most: the most rows of one request.
        ask: sends one request.
        signature: the signature that the answers belong to.

    Raises:
        ServingError: the answers cannot be joined.
    """
    if not all(value.ndim for value in arrays.values()):
        return ask(arrays)
    rows = len(next(iter(arrays.values())))
    batches = [
        {name: value[first : first + most] for name, value in arrays.items()}
        for first in range(0, rows, most)
    ]
    answers = [ask(batch) for batch in batches]
    if len(answers) == 1:
        return answers[0]
    joined = {}
    for name in signature.outputs:
        parts = [answer[name] for answer in answers]
        if any(not part.ndim for part in parts) or sum(map(len, parts)) != rows:
            raise ServingError(
                f"{rows} rows were sent in {len(batches)} requests, and the answers have another"
                f" number of rows in {name!r}; the model does not answer row by row. Send fewer"
                " rows at a time"
            )
        if len({part.shape[1:] for part in parts}) > 1:
            parts = _as_wide(name, batches, parts, ask)
        joined[name] = np.concatenate(parts)
    return joined


def _as_wide(
    name: str,
    batches: Sequence[Arrays],
    parts: Sequence[NDArray[Any]],
    ask: Callable[[Arrays], Arrays],
) -> list[NDArray[Any]]:
    """Pad outputs ``[rows, tokens]`` on the right as the server does within one batch.

    A further request shows the value of the padding: it holds a row of the narrowest batch together
    with the longest row of the widest batch.
    """
    if {part.ndim for part in parts} != {2}:
        raise ServingError(
            f"{name!r} has the shapes {sorted({part.shape[1:] for part in parts})} in several"
            " requests, which cannot be joined; send fewer rows at a time"
        )
    widths = [part.shape[1] for part in parts]
    narrow, wide = batches[int(np.argmin(widths))], batches[int(np.argmax(widths))]
    size = len(next(iter(wide.values())))
    # The narrow row replaces one of the other rows, which may be the longest, so try two of them.
    for others in (slice(0, max(size - 1, 1)), slice(size - 1, size)):
        together = {key: np.concatenate([narrow[key][:1], wide[key][others]]) for key in narrow}
        answer = ask(together)[name]
        if answer.shape[1] == max(widths):
            filling = answer[0, -1]
            return [
                np.pad(part, ((0, 0), (0, max(widths) - part.shape[1])), constant_values=filling)
                for part in parts
            ]
    raise ServingError(
        f"{name!r} is {max(widths)} wide in one request and {answer.shape[1]} in another with the"
        " same rows; send fewer rows at a time"
    )


def texts(name: str, value: NDArray[Any]) -> NDArray[Any]:
    """An output with its strings as ``str``.

    Raises:
        ServingError: a string is not UTF-8.
    """
    if value.dtype != object:
        return value
    decoded = np.empty(value.size, dtype=object)
    try:
        decoded[:] = [text.decode() if isinstance(text, bytes) else text for text in value.flat]
    except UnicodeDecodeError as error:
        raise ServingError(f"the output {name!r} has bytes that are no text: {error}") from error
    return decoded.reshape(value.shape)
