"""The file of a ledger: lines of JSON, which Git shows line by line.

The first line names the kind of file, the number of the other lines, and their SHA-256. One line
for each fact about the whole follows, and then one line for each input. Numbers are written as the
shortest decimals that read back the same; the sketches of hidden states are packed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diglot import heads
from diglot.equality.cases import Case
from diglot.errors import LedgerError
from diglot.files import replacing_file
from diglot.parity.ledger.entries import Entry, Ledger, Origin, Recorded
from diglot.text import json_number

if TYPE_CHECKING:
    from diglot.types import Array

SCHEMA = 2

_MARK = "diglot ledger"
# The number of steps between a sketch's zero error and the error of the whole array.
_STEPS = 127
_NOT_FINITE = -128

# The errors that lines of another content may raise.
_DAMAGES = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    zlib.error,
)


def write(ledger: Ledger, path: str | os.PathLike[str]) -> None:
    """Write a ledger; on an error the old file stays.

    Equal ledgers give identical files.
    """
    origin = {field.name: getattr(ledger, field.name) for field in fields(Origin)}
    origin["tolerance"] = asdict(ledger.tolerance)
    facts = [{name: value} for name, value in origin.items()]
    lines = [_line(value) for value in (*facts, *map(_described, ledger.entries))]
    body = b"".join(lines)
    header = {_MARK: SCHEMA, "lines": len(lines), "sha256": hashlib.sha256(body).hexdigest()}
    with replacing_file(Path(path)) as file:
        file.write_bytes(_line(header) + body)


def read(path: str | os.PathLike[str]) -> Ledger:
    """Read a ledger and verify its checksum.

    Raises:
        LedgerError: the file is missing, has another schema, or is truncated or changed.
    """
    try:
        # Git may have converted the ends of lines to those of Windows.
        data = Path(path).read_bytes().replace(b"\r\n", b"\n")
    except OSError as error:
        raise LedgerError(
            f"{path} cannot be read as a ledger: {error.strerror}. Give the file that diglot record"
            " wrote."
        ) from error
    lines = _verified(path, data)
    facts = len(fields(Origin))
    try:
        origin = _origin(lines[:facts])
        entries = tuple(_entry(json.loads(line), origin) for line in lines[facts:])
    except _DAMAGES as error:
        raise LedgerError(
            f"{path} matches its checksum, but its content is not that of a ledger"
            f" ({type(error).__name__}). Record it again."
        ) from error
    return Ledger(**vars(origin), entries=entries)


def _verified(path: str | os.PathLike[str], data: bytes) -> list[bytes]:
    """The lines after the first, if they match its checksum."""
    first, _, body = data.partition(b"\n")
    try:
        header = json.loads(first)
        schema, count, checksum = (int(header[_MARK]), int(header["lines"]), header["sha256"])
    except (LookupError, TypeError, ValueError, RecursionError) as error:
        raise LedgerError(
            f"{path} is not a ledger: its first line is {first[:60]!r}. Give a file that diglot"
            " record wrote."
        ) from error
    if schema > SCHEMA:
        raise LedgerError(
            f"{path} has the schema {schema}, and this diglot reads {SCHEMA}. Update diglot, or"
            " record the ledger again."
        )
    if schema < SCHEMA:
        raise LedgerError(
            f"{path} was written by an older diglot: it has the schema {schema}, and this diglot"
            f" reads {SCHEMA}. Record the ledger again."
        )
    if hashlib.sha256(body).hexdigest() == checksum:
        return body.splitlines()
    complete = body.count(b"\n")
    if complete < count:
        raise LedgerError(
            f"{path} is truncated: {complete} complete lines follow its first, of {count}. Fetch"
            " it again, or record it again."
        )
    raise LedgerError(
        f"{path} was changed after it was written: its checksum does not match. Restore it, or, if"
        " its answers should change, record it again."
    )


def _origin(lines: Iterable[bytes]) -> Origin:
    from pydantic import TypeAdapter

    facts: dict[str, Any] = {}
    for line in lines:
        facts.update(json.loads(line))
    heads.find(facts["task"])
    return TypeAdapter(Origin).validate_python(facts)


def _described(entry: Entry) -> dict[str, Any]:
    facts: dict[str, Any] = {"case": entry.case.facts()}
    if entry.refused:
        return {**facts, "refused": entry.refused}
    if entry.case.encoding is None:
        facts["encoding"] = {name: ids.tolist() for name, ids in entry.encoding.items()}
    facts["hidden states"] = [_packed(recorded) for recorded in entry.hidden_states]
    facts["outputs"] = {name: _spelled(recorded) for name, recorded in entry.outputs.items()}
    return facts


def _entry(facts: Mapping[str, Any], origin: Origin) -> Entry:
    case = Case.from_facts(facts["case"])
    if "refused" in facts:
        return Entry(case, {}, refused=str(facts["refused"]))
    encoding = case.encoding
    if encoding is None:
        encoding = Case.from_facts({"origin": "", "encoding": facts["encoding"]}).encoding
    assert encoding is not None
    dtype = np.dtype("f8" if origin.precision == "float64" else "f4")
    rows = len(encoding["input_ids"])
    shape = (rows, len(origin.labels))
    return Entry(
        case,
        encoding,
        tuple(_unpacked(packed, dtype, rows) for packed in facts["hidden states"]),
        {name: _read(spelled, dtype, shape) for name, spelled in facts["outputs"].items()},
    )


def _spelled(recorded: Recorded) -> dict[str, Any]:
    return {
        "recorded": _decimals(recorded.values),
        "float64": _decimals(recorded.truth),
        "error": recorded.error,
    }


def _read(facts: Mapping[str, Any], dtype: np.dtype[Any], shape: tuple[int, int]) -> Recorded:
    values, truth = np.array(facts["recorded"], dtype), np.array(facts["float64"], np.float64)
    # A head may have further axes between the batch and the labels.
    if values.shape != truth.shape or (*values.shape[:1], *values.shape[-1:]) != shape:
        raise ValueError(f"arrays of {values.shape} and {truth.shape} for {shape}")
    return Recorded(values, truth, _finite(facts["error"]))


def _packed(recorded: Recorded) -> dict[str, Any]:
    # An element that is not finite gets a mark of its own.
    with np.errstate(invalid="ignore"):
        errors = (recorded.values - recorded.truth) / (recorded.error or 1.0) * _STEPS
    steps = np.where(np.isfinite(errors), errors.round(), _NOT_FINITE).astype(np.int8)
    raw = _shuffled(recorded.values) + steps.tobytes()
    packed = base64.b64encode(zlib.compress(raw, 9)).decode()
    return {"shape": list(recorded.values.shape), "error": recorded.error, "sketch": packed}


def _unpacked(facts: Mapping[str, Any], dtype: np.dtype[Any], rows: int) -> Recorded:
    batch, groups, sums = shape = tuple(map(int, facts["shape"]))
    size = math.prod(shape)
    whole = size * (dtype.itemsize + 1)
    # At most one byte more than expected is unpacked, however large the content is.
    raw = zlib.decompressobj().decompress(
        base64.b64decode(facts["sketch"], validate=True), whole + 1
    )
    if len(raw) != whole or batch != rows or min(groups, sums) < 1:
        raise ValueError(f"a sketch of {len(raw)} bytes for the shape {shape}")
    values = _unshuffled(raw[:-size], dtype).reshape(shape)
    steps = np.frombuffer(raw[-size:], np.int8).reshape(shape)
    error = _finite(facts["error"])
    truth = np.where(steps == _NOT_FINITE, np.nan, values - error * (steps / _STEPS))
    return Recorded(values, truth, error)


def _shuffled(values: Array) -> bytes:
    """The first bytes of all numbers, then the second bytes and so on, which compresses better."""
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return little.view(np.uint8).reshape(-1, values.itemsize).T.tobytes()


def _unshuffled(raw: bytes, dtype: np.dtype[Any]) -> Array:
    planes = np.frombuffer(raw, np.uint8).reshape(dtype.itemsize, -1)
    return np.ascontiguousarray(planes.T).view(dtype.newbyteorder("<")).ravel().astype(dtype)


def _decimals(values: Array) -> Any:
    if values.ndim:
        return [_decimals(row) for row in values]
    # The decimals of a float32 are shorter than those of the Python float that it becomes.
    return json_number(float(str(values[()])))


def _finite(value: Any) -> float:
    if not 0 <= value < math.inf:
        raise ValueError(f"an error of {value!r}")
    return float(value)


def _line(value: Mapping[str, Any]) -> bytes:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"
    # UTF-8 has no lone surrogates; Python's escape of one is JSON's as well.
    return text.encode("utf-8", "backslashreplace")
