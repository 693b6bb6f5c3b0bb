"""A version in a process of its own, as an endpoint.

The process imports neither PyTorch nor transformers nor Keras nor tokenizers, so its answers come
from the version alone. It runs this module:

    python -m diglot.serving.subprocess_answers TARGET FOLDER

and answers each request, a line of JSON on its standard input, with a line of JSON on its standard
output.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from diglot.endpoints.endpoint import Signature, Tensor
from diglot.errors import BackendError, DiglotError, ExportError, InputError

if TYPE_CHECKING:
    from diglot.endpoints.endpoint import Endpoint
    from diglot.serving.targets import Target
    from diglot.types import Array

ABSENT = ("torch", "transformers", "keras", "tokenizers")
"""The packages that the process cannot import."""

TIMEOUT = 900.0
"""The seconds that one request may take; the first includes loading, another the whole warmup."""

# The most bytes of one answer, and of the error output that is kept.
_MOST_BYTES = 1 << 28
_MOST_ERRORS = 2_000

_ERRORS: Mapping[str, type[DiglotError]] = {"input": InputError, "backend": BackendError}


class SubprocessEndpoint:
    """A version in a process of its own; satisfies :class:`~diglot.endpoints.endpoint.Endpoint`.

    One thread at a time may use it. As a context manager, it ends the process.

    Attributes:
        name: the version's folder.
        failure: the error that ended the process; ``None`` while it runs. Every later request
            raises the same error.
    """

    def __init__(self, target: str, folder: Path, *, timeout: float = TIMEOUT) -> None:
        """Start the process; it loads the version before it answers the first request.

        Args:
            target: the name of the version's export target.
            folder: the version's folder.
            timeout: the seconds that one request may take.
        """
        self.name = str(folder)
        self.failure: ExportError | None = None
        self._timeout = timeout
        self._errors = b""
        self._signatures: dict[str, Signature] | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-m", "diglot.serving.subprocess_answers", target, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
        )
        self._reader = threading.Thread(target=self._keep_errors, daemon=True)
        self._reader.start()

    def signatures(self) -> Mapping[str, Signature]:
        """The signatures by name.

        Raises:
            ExportError: the process ended.
        """
        if self._signatures is None:
            self._signatures = {
                name: Signature(_tensors(inputs), _tensors(outputs))
                for name, (inputs, outputs) in self._ask({"do": "signatures"}).items()
            }
        return self._signatures

    def predict(self, signature: str, inputs: Mapping[str, Any]) -> dict[str, Array]:
        """Answer one request; see :meth:`diglot.endpoints.endpoint.Endpoint.predict`.

        Raises:
            InputError: the inputs do not fit the signature.
            BackendError: the version could not answer.
            ExportError: the process ended.
        """
        packed = {name: _packed(_array(value)) for name, value in inputs.items()}
        outputs = self._ask({"do": "predict", "signature": signature, "inputs": packed})
        return {name: _unpacked(value) for name, value in outputs.items()}

    def replay_warmup(self) -> int:
        """Send the version its own warmup requests; returns their number.

        Raises:
            InputError: a request does not fit its signature.
            BackendError: the version could not answer.
            ExportError: the process ended.
        """
        return int(self._ask({"do": "warmup"}))

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, request: Mapping[str, Any]) -> Any:
        if self.failure is not None:
            raise self.failure
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            self._process.kill()

        timer = threading.Timer(self._timeout, expire)
        timer.start()
        try:
            line = self._exchange(json.dumps(request).encode() + b"\n")
        finally:
            timer.cancel()
        if not line.endswith(b"\n"):
            self.failure = self._failed(expired=expired.is_set(), answered=len(line))
            raise self.failure
        answer = json.loads(line)
        if "error" in answer:
            raise _ERRORS[answer["error"]](answer["message"])
        return answer["result"]

    def _exchange(self, line: bytes) -> bytes:
        """Write a line, and read the answer; no whole line if the process ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except BrokenPipeError:
            return b""
        return self._process.stdout.readline(_MOST_BYTES)

    def _failed(self, *, expired: bool, answered: int) -> ExportError:
        """The error of a process that has ended, or that is ended here."""
        if answered >= _MOST_BYTES:
            self._process.kill()
        code = self._process.wait()
        self._reader.join()
        reason = ""
        if expired:
            reason = f"it did not answer within {self._timeout:g} s, and was ended"
        elif answered >= _MOST_BYTES:
            reason = f"an answer is longer than {_MOST_BYTES:,} bytes"
        elif code < 0:  # a process that is killed, for example for memory, prints nothing
            reason = f"it was ended by signal {-code}"
        errors = self._errors.decode(errors="replace")
        return ExportError(
            f"{self.name} could not be loaded and run in a process of its own:\n"
            + "\n".join(filter(None, (errors, reason)))
        )

    def _keep_errors(self) -> None:
        assert self._process.stderr is not None
        while chunk := os.read(self._process.stderr.fileno(), 1 << 16):
            self._errors = (self._errors + chunk)[-_MOST_ERRORS:]


def main(target: str, folder: str) -> None:
    """Load a version, and answer requests until the input ends.

    Args:
        target: the name of the version's export target.
        folder: the version's folder.
    """
    from diglot.serving import targets

    kind, path = targets.find(target), Path(folder)
    # Messages that a library prints must not mix with the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    endpoint = kind.open(path)
    for line in sys.stdin.buffer:
        answers.write(json.dumps(_answer(json.loads(line), kind, path, endpoint)).encode() + b"\n")
        answers.flush()
    endpoint.close()


def _answer(
    request: Mapping[str, Any], target: Target, folder: Path, endpoint: Endpoint
) -> dict[str, Any]:
    try:
        if request["do"] == "warmup":
            return {"result": target.replay_warmup(folder, endpoint)}
        if request["do"] == "signatures":
            return {
                "result": {
                    name: [_facts(signature.inputs), _facts(signature.outputs)]
                    for name, signature in endpoint.signatures().items()
                }
            }
        inputs = {name: _unpacked(value) for name, value in request["inputs"].items()}
        outputs = endpoint.predict(request["signature"], inputs)
        return {"result": {name: _packed(value) for name, value in outputs.items()}}
    except InputError as error:
        return {"error": "input", "message": str(error)}
    except BackendError as error:
        return {"error": "backend", "message": str(error)}


def _facts(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    return {name: [tensor.dtype, list(tensor.shape)] for name, tensor in tensors.items()}


def _tensors(facts: Mapping[str, Any]) -> dict[str, Tensor]:
    return {name: Tensor(dtype, tuple(shape)) for name, (dtype, shape) in facts.items()}


def _array(value: Any) -> Array:
    array = np.asarray(value)
    # NumPy's own strings lose the NULs at their end; an array of objects keeps them.
    return np.array(value, dtype=object) if array.dtype.kind in "SU" else array


def _packed(array: Array) -> dict[str, Any]:
    """An array as JSON; numbers keep every bit."""
    if array.dtype != object:
        values: list[Any] = array.ravel().tolist()
        return {"dtype": array.dtype.name, "shape": array.shape, "values": values}
    values = [
        {"b64": base64.b64encode(text).decode()} if isinstance(text, bytes) else str(text)
        for text in array.ravel().tolist()
    ]
    return {"dtype": "object", "shape": array.shape, "values": values}


def _unpacked(packed: Mapping[str, Any]) -> Array:
    shape = tuple(packed["shape"])
    if packed["dtype"] != "object":
        return np.array(packed["values"], packed["dtype"]).reshape(shape)
    array = np.empty(len(packed["values"]), dtype=object)
    array[:] = [
        base64.b64decode(text["b64"]) if isinstance(text, dict) else text
        for text in packed["values"]
    ]
    return array.reshape(shape)


def _environment() -> dict[str, str]:
    return {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": os.pathsep.join(sys.path)}


if __name__ == "__main__":
    for name in ABSENT:
        sys.modules[name] = None  # type: ignore[assignment] # importing it now fails
    main(*sys.argv[1:])
