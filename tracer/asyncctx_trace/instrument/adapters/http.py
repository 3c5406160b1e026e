"""aiohttp's client, and httpx with httpcore below it."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

from asyncctx_trace.instrument.adapters.model import (
    Adapter,
    Checkout,
    Everywhere,
    Give,
    Take,
    attribute,
)

__all__ = ["ADAPTERS"]

_CONNECTOR = "aiohttp.connector.BaseConnector"


class _Host:
    """A host of a connector that limits connections per host."""

    __slots__ = ("__weakref__", "limit", "name")

    def __init__(self, limit: int, name: str) -> None:
        self.limit = limit
        self.name = name


_hosts: weakref.WeakKeyDictionary[Any, dict[Any, _Host]] = weakref.WeakKeyDictionary()


def _limiting(connector: Any, request: Any) -> Any:
    """What keeps others out: the connector, or the host where its limit is the narrower one."""
    limit, per_host = connector.limit, connector.limit_per_host
    if not per_host or (limit and limit <= per_host):
        return connector
    key = request.connection_key
    hosts = _hosts.setdefault(connector, {})
    host = hosts.get(key)
    if host is None:
        host = hosts[key] = _Host(per_host, f"aiohttp connections to {key.host}:{key.port}")
    return host


def _closing(connector: Any) -> Iterator[Any]:
    yield connector
    yield from _hosts.get(connector, {}).values()


def _most(pool: Any) -> int:
    """Connections that an httpcore pool allows; over HTTP/2, requests without number share one."""
    return 0 if pool._http2 else int(pool._max_connections)


_aiohttp = Checkout(
    takes=(Take(f"{_CONNECTOR}.connect", attribute("_protocol"), _limiting, arguments=2),),
    gives=(
        Give(f"{_CONNECTOR}._release_acquired", lambda connector, key, protocol: protocol, 3),
        Give(f"{_CONNECTOR}._close", _closing, every=True),
    ),
    limit=attribute("limit"),
    name=lambda pool: pool.name if type(pool) is _Host else "aiohttp connector",
)


def _httpcore(package: str) -> Checkout:
    module = f"{package}._async.connection_pool"
    return Checkout(
        takes=(
            Take(
                f"{module}.AsyncConnectionPool.handle_async_request",
                attribute("stream"),
                granted=f"{module}.AsyncPoolRequest.wait_for_connection",
            ),
        ),
        gives=(Give(f"{module}.PoolByteStream.aclose", lambda stream: stream),),
        limit=_most,
        name=lambda pool: f"{package} pool",
    )


ADAPTERS = (
    Adapter("aiohttp.client.ClientSession", "session"),
    Adapter("aiohttp.client._BaseRequestContextManager", "request", Everywhere("aiohttp request")),
    Adapter(
        "aiohttp.client._SessionRequestContextManager", "request", Everywhere("aiohttp request")
    ),
    Adapter("aiohttp.client_reqrep.ClientResponse", "response", Everywhere("aiohttp response")),
    Adapter(_CONNECTOR, "open pool", Everywhere("aiohttp connector"), checkout=_aiohttp),
    # httpx2 and httpcore2 are a maintained fork with the same interface.
    *(
        entry
        for fork in ("", "2")
        for entry in (
            Adapter(f"httpx{fork}.AsyncClient", "client"),
            Adapter(f"httpx{fork}._client.AsyncClient", "client"),
            Adapter(f"httpcore{fork}.AsyncConnectionPool", "open pool"),
            Adapter(
                f"httpcore{fork}._async.connection_pool.AsyncConnectionPool",
                "open pool",
                Everywhere(f"httpcore{fork}.AsyncConnectionPool"),
                checkout=_httpcore(f"httpcore{fork}"),
            ),
        )
    ),
)
