"""What pools and semaphores themselves say is in use, compared with what tasks hold.

A connection that was handed out to a task while it was cancelled may be lost: the pool counts it as
in use, and no task has it. No event tells of it, so the object is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asyncctx_trace.instrument.registry import resources, tasks
from asyncctx_trace.instrument.registry.lookups import full_name

__all__ = ["Lost", "lost_permits"]

Lost = dict[str, Any]
"""``name`` and ``kind`` of a resource, and how many permits are in ``use`` and ``held``."""


_QUEUE = "asyncio.queues.Queue"
"""What stands for a pool of asyncpg: it has the free connections."""


def _lock(lock: Any) -> int:
    return int(lock.locked())


def _psycopg(pool: Any) -> int:
    stats = pool.get_stats()
    return int(stats.get("pool_size", 0) - stats.get("pool_available", 0))


def _redis(pool: Any) -> int:
    return len(pool._in_use_connections)


def _aiohttp(connector: Any) -> int:
    return len(connector._acquired)


def _httpcore(pool: Any) -> int:
    # The block around the pool counts as an acquisition of it, too: its own requests are compared.
    busy = [each for each in pool.connections if not (each.is_idle() or each.is_closed())]
    return len(busy) - len(pool._requests)


def _sqlalchemy(pool: Any) -> int:
    return int(pool.checkedout())


_IN_USE: dict[str, Callable[[Any], int]] = {
    "asyncio.locks.Lock": _lock,
    "psycopg_pool.pool_async.AsyncConnectionPool": _psycopg,
    "redis.asyncio.connection.ConnectionPool": _redis,
    "aiohttp.connector.BaseConnector": _aiohttp,
    "sqlalchemy.pool.base.Pool": _sqlalchemy,
}
"""Class -> how many of its permits are in use by its own account."""


_UNOWNED: dict[str, Callable[[Any], int]] = {
    "httpcore.AsyncConnectionPool": _httpcore,
    "httpcore._async.connection_pool.AsyncConnectionPool": _httpcore,
    "httpcore2.AsyncConnectionPool": _httpcore,
    "httpcore2._async.connection_pool.AsyncConnectionPool": _httpcore,
}
"""Class -> how many of its permits are in use by nobody, by its own account."""


def lost_permits() -> list[Lost]:
    """Return the resources of which more is in use than tasks have, or are acquiring."""
    held: dict[int, int] = {}
    for task in tasks.known():
        for acquisition in task.open:
            held[acquisition.resource] = held.get(acquisition.resource, 0) + 1
    lost = []
    for thing, resource in resources.by_object.items():
        own = held.get(resource.id, 0)
        used = _in_use(thing, resource, own)
        if used is not None and used > own:
            lost.append({"name": resource.name, "kind": resource.kind, "use": used, "held": own})
    return lost


def _in_use(thing: Any, resource: resources.Resource, held: int) -> int | None:
    """Return how many permits of ``thing`` are in use, ``None`` if it does not say.

    ``held``: how many of them tasks have acquired.
    """
    mro = type.__dict__["__mro__"].__get__(type(thing))
    try:
        if any(full_name(cls) == "asyncio.locks.Semaphore" for cls in mro):
            return None if resource.capacity is None else resource.capacity - thing._value
        if resource.kind == "pool" and any(full_name(cls) == _QUEUE for cls in mro):
            return None if resource.capacity is None else resource.capacity - thing.qsize()
        unowned = next(
            (_UNOWNED[name] for cls in mro if (name := full_name(cls)) in _UNOWNED), None
        )
        if unowned is not None:
            return held + max(0, unowned(thing))
        read = next((_IN_USE[name] for cls in mro if (name := full_name(cls)) in _IN_USE), None)
        return None if read is None else read(thing)
    except Exception:  # another version of the library
        return None
