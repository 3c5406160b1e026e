"""Adapters of asyncpg, psycopg and psycopg_pool."""

from __future__ import annotations

from typing import Any

from asyncctx_trace.instrument.adapters.model import (
    Adapter,
    Checkout,
    Everywhere,
    Give,
    Take,
    attribute,
    itself,
)

__all__ = ["ADAPTERS"]

_ASYNCPG = "asyncpg.pool"
_PSYCOPG = "psycopg_pool.pool_async.AsyncConnectionPool"


def _queue(pool: Any) -> Any:
    """Return the queue of asyncpg's pool: the pool is not weakly referable."""
    return getattr(pool, "pool", pool)._queue


def _own_holder(pool: Any, connection: Any) -> Any:
    """What a connection's place in the pool is called; ``None`` for another pool's connection."""
    holder = connection._holder
    return holder if holder._pool is pool else None


def _own_connection(pool: Any, connection: Any) -> Any:
    return connection if connection._pool is pool else None


_asyncpg_checkout = Checkout(
    takes=(Take(f"{_ASYNCPG}.Pool._acquire", item=attribute("_holder")),),
    gives=(
        Give(f"{_ASYNCPG}.Pool.release", _own_holder, arguments=2),
        # Reached also by terminate() and close() of a connection or of the pool.
        Give(f"{_ASYNCPG}.PoolConnectionHolder._release", itself),
    ),
    limit=attribute("_maxsize"),
    resource=_queue,
    methods=("acquire",),
    manager=f"{_ASYNCPG}.PoolAcquireContext",
)
_psycopg_checkout = Checkout(
    takes=(Take(f"{_PSYCOPG}.getconn"),),
    gives=(Give(f"{_PSYCOPG}.putconn", _own_connection, arguments=2),),
    limit=attribute("_max_size"),
    methods=("getconn", "connection"),
)

ADAPTERS = (
    Adapter(
        f"{_ASYNCPG}.PoolAcquireContext",
        "pool",
        _queue,
        attribute("maxsize"),
        checkout=_asyncpg_checkout,
    ),
    # Opening a pool does not take a connection out of it.
    Adapter(f"{_ASYNCPG}.Pool", "open pool", Everywhere("asyncpg.Pool")),
    # Transactions of one connection lie within each other, as savepoints: no capacity.
    Adapter("asyncpg.transaction.Transaction", "transaction", attribute("_connection")),
    Adapter("psycopg.AsyncConnection", "connection"),
    Adapter("psycopg.AsyncTransaction", "transaction", attribute("_conn")),
    Adapter(_PSYCOPG, "open pool", Everywhere("AsyncConnectionPool"), checkout=_psycopg_checkout),
)
