"""Addresses of servers: what one looks like, and the connection that it stands for."""

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
# Enough to tell an address from a folder or a name.
_LOOKS_LIKE_ONE = re.compile(r"[a-z]+://.+|[^/\\\s]+:[0-9]+")


def is_address(name: str) -> bool:
    """Whether a name looks like a server's address rather than a folder or a backend."""
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
    """A connection to one model of a server; nothing is sent yet.

    Args:
        address: ``http://HOST:PORT`` or ``https://…`` for REST, ``grpc://HOST:PORT`` or
            ``HOST:PORT`` for gRPC without encryption; with ``/v1/models/NAME[/versions/N]`` if you
            like.
        model: the model's name, where the address does not have it.
        version: a number or, as text, a label; the server's newest unless given.
        timeout: for one attempt, in seconds.
        retries: how often a request is repeated that failed for no fault of its own: without a
            connection, without an answer in time, or when the server was not ready.
        max_batch: the most rows of one request.

    Raises:
        ServingError: the address is none, or names no model or another one.
    """
    parts = _ADDRESS.fullmatch(address.strip())
    scheme = (parts["scheme"] or "grpc") if parts else ""
    if parts is None or scheme not in ("http", "https", "grpc"):
        raise ServingError(
            f"{address!r} is no address of a server; it must be like http://localhost:8501 for"
            " REST, or like grpc://localhost:8500 for gRPC"
        )
    named = unquote(parts["model"]) if parts["model"] else None
    numbered = int(parts["version"]) if parts["version"] else None
    if None not in (named, model) and named != model:
        raise ServingError(f"the address {address} has the model {named!r}, and not {model!r}")
    if None not in (numbered, version) and numbered != version:
        raise ServingError(f"the address {address} has the version {numbered}, and not {version}")
    name = named or model
    if not name:
        raise ServingError(
            f"{address} names no model; pass its name, or add /v1/models/NAME to the address"
        )
    chosen = numbered if version is None else version
    options: dict[str, Any] = {"timeout": timeout, "retries": retries, "max_batch": max_batch}
    if scheme == "grpc":
        if parts["prefix"]:
            raise ServingError(f"{address!r} has the path {parts['prefix']}, which gRPC has not")
        from diglot.endpoints.grpc import GrpcConnection  # needs grpcio

        return GrpcConnection(parts["host"], name, chosen, **options)
    from diglot.endpoints.rest import RestConnection

    server = f"{scheme}://{parts['host']}{parts['prefix'] or ''}"
    return RestConnection(server, name, chosen, **options)
