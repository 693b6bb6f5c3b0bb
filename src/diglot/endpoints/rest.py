"""A model of a TF Serving server by REST, which needs NumPy and urllib3 and no TensorFlow.

Source: TF Serving's ``http_rest_api_handler.cc``, ``http_rest_api_util.cc`` and ``json_tensor.cc``.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import urllib3

from diglot.endpoints import connection
from diglot.endpoints.batches import DTYPES, Arrays
from diglot.endpoints.connection import Connection
from diglot.endpoints.endpoint import Signature, Tensor
from diglot.errors import ServingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NOT_READY = (429, 503, 504)


class RestConnection(Connection):
    """A model by REST; see :class:`~diglot.endpoints.connection.Connection`."""

    def __init__(
        self, server: str, model: str, version: int | str | None = None, **options: Any
    ) -> None:
        """Prepare the pool of connections, without sending anything.

        Args:
            server: the URL, such as ``http://localhost:8501``; a path may follow.
            model: the model's name.
            version: a number, or the text of a label; the server's newest version by default.
            **options: see :class:`~diglot.endpoints.connection.Connection`.

        Raises:
            ServingError: an option is out of its range.
        """
        super().__init__(f"{server}/{connection.path(model, version)}", **options)
        self._pool = urllib3.PoolManager(timeout=self.timeout, retries=self._again())

    def status(self) -> list[tuple[int, str, str]]:
        """Each version's number, state (such as ``"AVAILABLE"``) and error message.

        Raises:
            ServingError: the server cannot be reached, or has no such model.
        """
        answer = self._ask("GET", "")
        try:
            return [
                (int(version["version"]), version["state"], version["status"]["error_message"])
                for version in answer["model_version_status"]
            ]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._foreign(f"its status lacks {error}") from error

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def _signatures(self) -> dict[str, Signature]:
        answer = self._ask("GET", "/metadata")
        try:
            definitions = answer["metadata"]["signature_def"]["signature_def"]
            return {
                name: Signature(_tensors(definition["inputs"]), _tensors(definition["outputs"]))
                for name, definition in definitions.items()
                if not name.startswith("__") and not _any_rank(definition["inputs"])
            }
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._foreign(f"its metadata lacks {error}") from error

    def _predict(self, name: str, signature: Signature, inputs: Arrays) -> Arrays:
        columns = {key: _columns(value) for key, value in inputs.items()}
        answer = self._ask("POST", ":predict", {"signature_name": name, "inputs": columns})
        try:
            outputs = answer["outputs"]
            # TF Serving sends a single output without its name.
            if len(signature.outputs) == 1:
                outputs = {next(iter(signature.outputs)): outputs}
            known = signature.outputs
            return {key: _array(known.get(key), value) for key, value in outputs.items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._foreign(f"its outputs are not of the signature: {error}") from error

    def _classify(
        self, signature: str, examples: list[dict[str, str]]
    ) -> list[list[tuple[str, float]]]:
        answer = self._ask("POST", ":classify", {"signature_name": signature, "examples": examples})
        try:
            return [
                [(label, float(np.float32(score))) for label, score in row]
                for row in answer["results"]
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise self._foreign(f"its results lack {error}") from error

    def _again(self) -> urllib3.Retry:
        """The rule of further attempts: none after an answer that would be the same again."""
        return urllib3.Retry(
            total=self.retries,
            other=0,
            allowed_methods=None,
            status_forcelist=_NOT_READY,
            backoff_factor=connection.FIRST_PAUSE,
            backoff_max=connection.LONGEST_PAUSE,
            raise_on_status=False,
            # The caller, not the server, decides how long to wait.
            respect_retry_after_header=False,
        )

    def _ask(self, method: str, what: str, body: Any = None) -> Mapping[str, Any]:
        # JSON has no NaN and no Infinity; TF Serving reads and writes them as Python does.
        payload = None if body is None else json.dumps(body).encode()
        try:
            answer = self._pool.request(
                method,
                self.name + what,
                body=payload,
                headers={"Content-Type": "application/json"},
                redirect=False,
            )
        except urllib3.exceptions.MaxRetryError as error:
            if isinstance(error.reason, urllib3.exceptions.ReadTimeoutError | TimeoutError):
                raise self._timed_out(self.retries + 1) from error
            if type(error.reason) is urllib3.exceptions.ConnectTimeoutError:
                raise self._timed_out(self.retries + 1) from error
            raise self._unreachable(self.retries + 1, str(error.reason)) from error
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise self._unreachable(1, str(error)) from error
        try:
            content = json.loads(answer.data)
        except ValueError:
            content = None
        if answer.status == 200 and isinstance(content, dict):
            return content
        raise self._error(answer, content)

    def _error(self, answer: urllib3.BaseHTTPResponse, content: Any) -> Exception:
        tries = 1 + (len(answer.retries.history) if answer.retries else 0)
        message = content.get("error") if isinstance(content, dict) else None
        if answer.status in _NOT_READY:
            return self._busy(tries, f"{answer.status} {message or answer.reason}")
        if not isinstance(message, str):
            return self._foreign(f"{answer.status} {answer.reason}: {answer.data[:80]!r}")
        if answer.status == 404:
            return self._missing(message)
        if 400 <= answer.status < 500:
            return self._refused(message)
        return self._failed(f"{answer.status} {message}")

    def _foreign(self, what: str) -> ServingError:
        return ServingError(
            f"{self.name} is not answered by TF Serving's REST API: {what}. Check the address"
            " and the REST port; the default is 8501"
        )


def _tensors(infos: Mapping[str, Any]) -> dict[str, Tensor]:
    return {
        name: Tensor(
            DTYPES.get(info["dtype"], info["dtype"]),
            (None,)
            if info["tensor_shape"]["unknown_rank"]
            # In JSON, 64-bit integers are strings.
            else tuple(
                None if int(dim["size"]) < 0 else int(dim["size"])
                for dim in info["tensor_shape"]["dim"]
            ),
        )
        for name, info in infos.items()
    }


def _any_rank(infos: Mapping[str, Any]) -> bool:
    return any(info["tensor_shape"]["unknown_rank"] for info in infos.values())


def _columns(value: NDArray[Any]) -> Any:
    """An input as nested lists; bytes that are no UTF-8 text become base64."""
    if value.dtype != object:
        return value.tolist()
    leaves = np.empty(value.size, dtype=object)
    leaves[:] = [_leaf(leaf) for leaf in value.flat]
    return leaves.reshape(value.shape).tolist()


def _leaf(value: bytes) -> str | dict[str, str]:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}


def _array(expected: Tensor | None, value: Any) -> NDArray[Any]:
    if expected is None:
        return np.asarray(value)
    if expected.dtype != "string":
        return np.array(value, dtype=np.dtype(expected.dtype))
    nested = np.array(value, dtype=object)
    leaves = np.empty(nested.size, dtype=object)
    # The strings of an output whose name ends in _bytes come as base64.
    leaves[:] = [
        base64.b64decode(leaf["b64"]) if isinstance(leaf, dict) else leaf for leaf in nested.flat
    ]
    return leaves.reshape(nested.shape)
