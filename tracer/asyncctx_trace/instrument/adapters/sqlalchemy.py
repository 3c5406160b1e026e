"""SQLAlchemy's asyncio extension, and the pools below its engines."""

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

_POOL = "sqlalchemy.pool.base"
_EXTENSION = "sqlalchemy.ext.asyncio"


def _async_pool(_cls: Any, pool: Any) -> Any:
    """The pool of an async engine; a StaticPool hands the same connection out to everybody."""
    shared = type(pool).__name__ == "StaticPool"
    return pool if pool._dialect.is_async and not shared else None


def _connections(pool: Any) -> int:
    """Connections that a pool gives out at once, the overflow included."""
    most = getattr(pool, "_max_overflow", -1)
    return 0 if most < 0 else int(pool.size()) + int(most)


def _name(pool: Any) -> str:
    dialect = pool._dialect
    return pool._orig_logging_name or f"{dialect.name}+{dialect.driver} pool"


_record = attribute("_connection_record")
_checkout = Checkout(
    takes=(
        Take(
            f"{_POOL}._ConnectionRecord.checkout", _record, _async_pool, arguments=2, holder=itself
        ),
    ),
    gives=(
        Give(f"{_POOL}._ConnectionFairy._checkin", _record),
        Give(f"{_POOL}._ConnectionRecord.checkin", itself),
        Give(f"{_POOL}._ConnectionFairy.detach", _record),
    ),
    limit=_connections,
    name=_name,
)

ADAPTERS = (
    Adapter(f"{_POOL}.Pool", "pool", checkout=_checkout),
    Adapter(f"{_EXTENSION}.session.AsyncSession", "session", Everywhere("AsyncSession")),
    Adapter(
        f"{_EXTENSION}.session._AsyncSessionContextManager",
        "transaction",
        Everywhere("AsyncSession.begin"),
    ),
    # The connection itself comes out of the pool, where it is counted.
    Adapter(f"{_EXTENSION}.engine.AsyncConnection", "connection", Everywhere("AsyncConnection")),
    Adapter(f"{_EXTENSION}.engine.AsyncTransaction", "transaction", Everywhere("AsyncTransaction")),
)
