"""redis-py's asyncio client."""

from __future__ import annotations

from typing import Any

from asyncctx_trace.instrument.adapters.model import (
    Adapter,
    Checkout,
    Everywhere,
    Give,
    Take,
    attribute,
    one,
)

__all__ = ["ADAPTERS"]

_CLIENT = "redis.asyncio.client"
_POOL = "redis.asyncio.connection.ConnectionPool"
_BLOCKING = "redis.asyncio.connection.BlockingConnectionPool"


def _in_use(pool: Any, connection: Any) -> Any:
    return connection if connection in pool._in_use_connections else None


_checkout = Checkout(
    takes=(Take(f"{_POOL}.get_connection"), Take(f"{_BLOCKING}.get_connection")),
    gives=(
        Give(f"{_POOL}.release", _in_use, arguments=2),
        Give(f"{_BLOCKING}.release", _in_use, arguments=2),
        Give(f"{_POOL}.reset", lambda pool: (pool,), every=True),
    ),
    limit=attribute("max_connections"),
    name=lambda pool: "redis pool",
    forgets=True,
)

ADAPTERS = (
    Adapter(f"{_CLIENT}.Redis", "client"),
    Adapter(f"{_CLIENT}.Pipeline", "pipeline", Everywhere("redis pipeline")),
    Adapter(f"{_CLIENT}.PubSub", "subscription", Everywhere("redis subscription")),
    Adapter("redis.asyncio.lock.Lock", "lock", lambda m: str(m.name), one),
    Adapter(_POOL, "open pool", Everywhere("redis.ConnectionPool"), checkout=_checkout),
)
