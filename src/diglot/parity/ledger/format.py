"""A ledger on disk: lines of JSON, which Git shows line by line.

The first line says what the file is, how many lines follow, and their SHA-256. Then comes a line
for each fact about the whole, and then one for each input. Numbers are written as the shortest
decimals that read back the same; a digest of hidden states, which nobody reads, is packed.
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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diglot.equality.cases import Case
from diglot.errors import LedgerError
from diglot.files import replacing_file
from diglot.parity.ledger.entries import Array, Entry, Ledger, Origin, Recorded
from diglot.parity.ledger.sketch import is_hidden

SCHEMA = 1

_MARK = "diglot ledger"
# A digest keeps its errors in so many steps, the largest being the error of the whole array.
_STEPS = 127
_NOT_FINITE = -128

# What may come of lines that a ledger does not hold.
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
    """Write a ledger; the file appears whole, or what was there stays.

    The same ledger is written as the same bytes.
    """
    origin = {one.name: getattr(ledger, one.name) for one in fields(Origin)}
    origin["tolerance"] = asdict(ledger.tolerance)
    facts = [{name: value} for name, value in origin.items()]
    lines = [_line(one) for one in (*facts, *map(_described, ledger.entries))]
    body = "".join(lines).encode()
    header = {_MARK: SCHEMA, "lines": len(lines), "sha256": hashlib.sha256(body).hexdigest()}
    with replacing_file(Path(path)) as file:
        file.write_bytes(_line(header).encode() + body)


def read(path: str | os.PathLike[str]) -> Ledger:
    """Read a ledger, and hold it against its own checksum.

    Raises:
        LedgerError: there is none, a newer diglot wrote it, or it is truncated or changed.
    """
    try:
        # Git may have made the ends of lines those of Windows.
        data = Path(path).read_bytes().replace(b"\r\n", b"\n")
    except OSError as error:
        raise LedgerError(
            f"{path} cannot be read as a ledger: {error.strerror}. Give the file that diglot record"
            " wrote."
        ) from error
    lines = _checked(path, data)
    facts = len(fields(Origin))
    try:
        origin = _origin(lines[:facts])
        entries = tuple(_entry(json.loads(line), origin) for line in lines[facts:])
    except _DAMAGES as error:
        raise LedgerError(
            f"{path} has its own checksum, and yet holds what no ledger does"
            f" ({type(error).__name__}). Record it again."
        ) from error
    return Ledger(**vars(origin), entries=entries)


def _checked(path: str | os.PathLike[str], data: bytes) -> list[bytes]:
    """The lines after the first, once they are known to be those that were written."""
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
            f"{path} has the schema {schema}, and this diglot reads up to {SCHEMA}. Update diglot,"
            " or record the ledger again."
        )
    if hashlib.sha256(body).hexdigest() == checksum:
        return body.splitlines()
    found = body.count(b"\n")
    if found < count:
        raise LedgerError(
            f"{path} is truncated: {found} whole lines follow its first, of {count}. Fetch it"
            " again, or record it again."
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
    return TypeAdapter(Origin).validate_python(facts)


def _described(entry: Entry) -> dict[str, Any]:
    told: dict[str, Any] = {"case": entry.case.facts()}
    if entry.refused:
        return {**told, "refused": entry.refused}
    if entry.case.encoding is None:
        told["encoding"] = {name: value.tolist() for name, value in entry.encoding.items()}
    for name, one in entry.stages.items():
        told[name] = _packed(one) if is_hidden(name) else _spelled(one)
    return told


def _entry(told: Mapping[str, Any], origin: Origin) -> Entry:
    rest = dict(told)
    case = Case.from_facts(rest.pop("case"))
    if refused := rest.pop("refused", ""):
        return Entry(case, {}, {}, str(refused))
    encoding = case.encoding
    if encoding is None:
        encoding = Case.from_facts({"origin": "", "encoding": rest.pop("encoding")}).encoding
    assert encoding is not None
    dtype = np.dtype("f8" if origin.precision == "float64" else "f4")
    rows = len(encoding["input_ids"])
    shape = (rows, len(origin.labels))
    stages = {}
    for name, one in rest.items():
        stages[name] = _unpacked(one, dtype, rows) if is_hidden(name) else _read(one, dtype, shape)
    return Entry(case, encoding, stages)


def _spelled(one: Recorded) -> dict[str, Any]:
    return {"recorded": _decimals(one.values), "float64": _decimals(one.truth), "error": one.error}


def _read(told: Mapping[str, Any], dtype: np.dtype[Any], shape: tuple[int, ...]) -> Recorded:
    values, truth = np.array(told["recorded"], dtype), np.array(told["float64"], np.float64)
    if values.shape != shape or truth.shape != shape:
        raise ValueError(f"arrays of {values.shape} and {truth.shape} for {shape}")
    return Recorded(values, truth, _finite(told["error"]))


def _packed(one: Recorded) -> dict[str, Any]:
    with np.errstate(invalid="ignore"):  # of what is not finite, which gets a mark of its own
        wrong = (one.values - one.truth) / (one.error or 1.0) * _STEPS
    steps = np.where(np.isfinite(wrong), wrong.round(), _NOT_FINITE).astype(np.int8)
    raw = _shuffled(one.values) + steps.tobytes()
    packed = base64.b64encode(zlib.compress(raw, 9)).decode()
    return {"shape": list(one.values.shape), "error": one.error, "digest": packed}


def _unpacked(told: Mapping[str, Any], dtype: np.dtype[Any], rows: int) -> Recorded:
    batch, groups, sums = shape = tuple(map(int, told["shape"]))
    size = math.prod(shape)
    whole = size * (dtype.itemsize + 1)
    # Of what is longer than it should be, no more is unpacked.
    raw = zlib.decompressobj().decompress(
        base64.b64decode(told["digest"], validate=True), whole + 1
    )
    if len(raw) != whole or batch != rows or min(groups, sums) < 1:
        raise ValueError(f"a digest of {len(raw)} bytes for the shape {shape}")
    values = _unshuffled(raw[:-size], dtype).reshape(shape)
    steps = np.frombuffer(raw[-size:], np.int8).reshape(shape)
    error = _finite(told["error"])
    truth = np.where(steps == _NOT_FINITE, np.nan, values - error * (steps / _STEPS))
    return Recorded(values, truth, error)


def _shuffled(values: Array) -> bytes:
    """The bytes of like weight together, which packs better."""
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return little.view(np.uint8).reshape(-1, values.itemsize).T.tobytes()


def _unshuffled(raw: bytes, dtype: np.dtype[Any]) -> NDArray[Any]:
    planes = np.frombuffer(raw, np.uint8).reshape(dtype.itemsize, -1)
    return np.ascontiguousarray(planes.T).view(dtype.newbyteorder("<")).ravel().astype(dtype)


def _decimals(values: Array) -> list[list[float | str]]:
    # A float32's own text is shorter than that of the float64 that it becomes in Python.
    return [[_number(str(one)) for one in row] for row in values]


def _number(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else text


def _finite(value: Any) -> float:
    if not 0 <= value < math.inf:
        raise ValueError(f"an error of {value!r}")
    return float(value)


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"
