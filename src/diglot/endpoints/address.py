"""Server addresses: their form, and the connections that they lead to."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from diglot.endpoints.connection import MAX_BATCH, Connection
from diglot.errors import ServingError

_ADDRESS = re.compile(
    r"(?:(?P<scheme>[a-z]+)://)?(?P<host>[^/?#@\s]+)(?P<prefix>/(?!/)[^?#@\s]*?)??"
    r"(?:/v1/models/(?P<model>[^/:?#\s]+)(?:/versions/(?P<version>\d+))?)?/?"
)
# The shortest form that is neither a folder nor a name.
_LOOKS_LIKE_ONE = re.compile(r"[a-z]+://.+|[^/\\\s]+:[0-9]+")


def is_address(name: str) -> bool:
    """Whether a name has the form of a server's address, not of a folder or a backend."""
    return _LOOKS_LIKE_ONE.fullmatch(name) is not None


def connect(
    address: str,
    model: str | None = None,
    version: int | str | None = None,
    *,
    timeout: float = 10.0,
    retries: int = 3,
    max_batch: int = MAX_BATCH,
) -> Connection:
    """A connection to one model of a server. The function sends nothing.

    Args:
        address: ``http://HOST:PORT`` or ``https://…`` for REST, ``grpc://HOST:PORT`` or
            ``HOST:PORT`` for gRPC without encryption; ``/v1/models/NAME[/versions/N]`` may follow.
        model: the model's name, unless it is part of the address.
        version: a number, or the text of a label; the server's newest version by default.
        timeout: the seconds that one attempt may take.
        retries: the number of further attempts after a failure that is not the request's fault: no
            connection, no answer in time, or a server that is not ready.
        max_batch: the most rows of one request.

    Raises:
        ServingError: the address has another form, names no model, or contradicts an argument.
    """
    parts = _ADDRESS.fullmatch(address.strip())
    scheme = (parts["scheme"] or "grpc") if parts else ""
    if parts is None or scheme not in ("http", "https", "grpc"):
        raise ServingError(
            f"{address!r} is no address of a server; write it like http://localhost:8501 for"
            " REST, or like grpc://localhost:8500 for gRPC"
        )
    named = unquote(parts["model"]) if parts["model"] else None
    numbered = int(parts["version"]) if parts["version"] else None
    if None not in (named, model) and named != model:
        raise ServingError(
            f"the address {address} has the model {named!r}, not {model!r}; give one of them"
        )
    if None not in (numbered, version) and numbered != version:
        raise ServingError(
            f"the address {address} has the version {numbered}, not {version}; give one"
        )
    name = named or model
    if not name:
        raise ServingError(
            f"{address} names no model; pass its name, or add /v1/models/NAME to the address"
        )
    chosen = numbered if version is None else version
    options: dict[str, Any] = {"timeout": timeout, "retries": retries, "max_batch": max_batch}
    if scheme == "grpc":
        if parts["prefix"]:
            raise ServingError(
                f"{address!r} has the path {parts['prefix']}, and gRPC addresses have none; use"
                " http:// for a server behind a path"
            )
        from diglot.endpoints.grpc import GrpcConnection  # needs grpcio

        return GrpcConnection(parts["host"], name, chosen, **options)
    from diglot.endpoints.rest import RestConnection

    server = f"{scheme}://{parts['host']}{parts['prefix'] or ''}"
    return RestConnection(server, name, chosen, **options)
