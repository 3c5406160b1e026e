"""The table of managers known by name: what each stands for, and how many may hold it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = [
    "ENTRY_POINTS",
    "Adapter",
    "Everywhere",
    "Pair",
    "adapter_for",
    "itself",
    "pairs",
    "register_adapter",
]

ENTRY_POINTS = "asyncctx_trace.adapters"
"""The group in which a package may announce adapters of its own: each entry is an Adapter or a
list of them."""


def itself(manager: Any) -> Any:
    """The manager is what tasks contend for."""
    return manager


def _unknown(resource: Any) -> int | None:
    return None


def _one(resource: Any) -> int | None:
    return 1


# Named tuples: dataclasses are, to import, as much as all of ours.


class Pair(NamedTuple):
    """Two methods that acquire and release a resource without ``async with``.

    Example:
        >>> from asyncctx_trace import Pair
        >>> Pair("asyncio.locks.Lock.acquire", "asyncio.locks.Lock.release").by_result
        False
    """

    acquire: str
    """``module.Class.method`` of the coroutine function that acquires."""
    release: str
    """``module.Class.method`` of the function or coroutine function that releases."""
    by_result: bool = False
    """Whether ``release`` takes what ``acquire`` returned, such as a connection."""


class Adapter(NamedTuple):
    """Describes one class of managers, without importing the library that defines it.

    Example:
        A pool whose ``acquire()`` returns a new manager each time:

        >>> from asyncctx_trace import Adapter, register_adapter
        >>> register_adapter(
        ...     Adapter(
        ...         manager="acme.db._AcquireContext",
        ...         kind="pool",
        ...         resource=lambda manager: manager._pool,
        ...         capacity=lambda pool: pool.max_size,
        ...     )
        ... )
    """

    manager: str
    """``module.QualifiedName`` of the class. It applies to subclasses too."""
    kind: str
    """Kind of the resource: ``"lock"``, ``"semaphore"``, ``"pool"``, ``"session"`` or your own."""
    resource: Callable[[Any], Any] = itself
    """Called with the manager; returns the object that tasks contend for, or a name that all such
    managers share. With a pair, it is also called with the object that has the two methods."""
    capacity: Callable[[Any], int | None] = _unknown
    """Called with the resource; returns how many acquisitions may hold it at once, or ``None``."""
    pair: Pair | None = None
    """The methods that acquire and release without ``async with``, if there are any."""


def _attribute(*names: str) -> Callable[[Any], Any]:
    """The first of these attributes that the object has."""

    def read(thing: Any) -> Any:
        for name in names:
            found = getattr(thing, name, None)
            if found is not None:
                return found
        return None

    return read


class Everywhere:
    """Reads off all managers that they stand for one resource, of this name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, manager: Any) -> str:
        return self.name


def _engine_size(engine: Any) -> int | None:
    """Connections that an engine of SQLAlchemy hands out at once, those on top included."""
    most: int = engine.pool._max_overflow
    return None if most < 0 else int(engine.pool.size()) + most


def _tokens(limiter: Any) -> int:
    return int(limiter.total_tokens)


def _queue(pool: Any) -> Any:
    """asyncpg's pool cannot be watched by a weak reference; its queue lives as long."""
    return getattr(pool, "pool", pool)._queue


_LOCKS = "asyncio.locks"
_lock_pair = Pair(f"{_LOCKS}.Lock.acquire", f"{_LOCKS}.Lock.release")
_semaphore_pair = Pair(f"{_LOCKS}.Semaphore.acquire", f"{_LOCKS}.Semaphore.release")
_pool_pair = Pair("asyncpg.pool.Pool._acquire", "asyncpg.pool.Pool.release", by_result=True)
_psycopg_pair = Pair(
    "psycopg_pool.pool_async.AsyncConnectionPool.getconn",
    "psycopg_pool.pool_async.AsyncConnectionPool.putconn",
    by_result=True,
)

BUILT_IN = (
    # the standard library
    Adapter(f"{_LOCKS}.Lock", "lock", capacity=_one, pair=_lock_pair),
    Adapter(
        f"{_LOCKS}.Semaphore", "semaphore", capacity=_attribute("_value"), pair=_semaphore_pair
    ),
    Adapter(f"{_LOCKS}.BoundedSemaphore", "semaphore", capacity=_attribute("_bound_value")),
    # A condition is entered by taking its lock, which others may take by itself.
    Adapter(f"{_LOCKS}.Condition", "condition", _attribute("_lock"), capacity=_one),
    Adapter("asyncio.timeouts.Timeout", "timeout", Everywhere("timeout")),
    Adapter("asyncio.taskgroups.TaskGroup", "task group", Everywhere("TaskGroup")),
    Adapter("asyncio.base_events.Server", "server"),
    Adapter("contextlib._AsyncGeneratorContextManager", "generator", lambda m: m.gen.__qualname__),
    Adapter("contextlib.AsyncExitStack", "exit stack", Everywhere("AsyncExitStack")),
    Adapter(
        "contextlib.aclosing",
        "closing",
        lambda m: getattr(m.thing, "__qualname__", None) or type(m.thing).__qualname__,
    ),
    Adapter("contextlib.nullcontext", "nothing", Everywhere("nullcontext")),
    # asyncpg
    Adapter(
        "asyncpg.pool.PoolAcquireContext",
        "pool",
        _queue,
        _attribute("maxsize"),
        _pool_pair,
    ),
    # To open a pool and to close it is no acquisition of it: nobody has a connection by that.
    Adapter("asyncpg.pool.Pool", "open pool", Everywhere("asyncpg.Pool")),
    # Transactions of one connection lie within each other, as savepoints: no capacity.
    Adapter("asyncpg.transaction.Transaction", "transaction", _attribute("_connection")),
    # files
    Adapter("aiofiles.base.AiofilesContextManager", "file", Everywhere("aiofiles.open")),
    Adapter("anyio.AsyncFile", "file"),
    Adapter("anyio._core._fileio.AsyncFile", "file"),
    # HTTP
    Adapter("aiohttp.client.ClientSession", "session"),
    Adapter("aiohttp.client._BaseRequestContextManager", "request", Everywhere("aiohttp request")),
    Adapter(
        "aiohttp.client._SessionRequestContextManager", "request", Everywhere("aiohttp request")
    ),
    Adapter("aiohttp.client_reqrep.ClientResponse", "response", Everywhere("aiohttp response")),
    Adapter("httpx.AsyncClient", "client"),
    Adapter("httpx._client.AsyncClient", "client"),
    Adapter("httpcore.AsyncConnectionPool", "open pool"),
    Adapter("httpcore._async.connection_pool.AsyncConnectionPool", "open pool"),
    # redis
    Adapter("redis.asyncio.client.Redis", "client", _attribute("connection_pool")),
    Adapter("redis.asyncio.client.Pipeline", "pipeline", _attribute("connection_pool")),
    Adapter("redis.asyncio.client.PubSub", "subscription", _attribute("connection_pool")),
    Adapter("redis.asyncio.lock.Lock", "lock", lambda m: str(m.name), _one),
    # SQLAlchemy
    Adapter("sqlalchemy.ext.asyncio.session.AsyncSession", "session", _attribute("bind")),
    Adapter(
        "sqlalchemy.ext.asyncio.session._AsyncSessionContextManager",
        "transaction",
        lambda m: m.async_session.bind,
    ),
    Adapter(
        "sqlalchemy.ext.asyncio.engine.AsyncConnection",
        "connection",
        lambda m: m.engine,
        _engine_size,
    ),
    Adapter(
        "sqlalchemy.ext.asyncio.engine.AsyncTransaction", "transaction", lambda m: m.connection
    ),
    # psycopg
    Adapter("psycopg.AsyncConnection", "connection"),
    Adapter("psycopg.AsyncTransaction", "transaction", _attribute("_conn")),
    Adapter(
        "psycopg_pool.pool_async.AsyncConnectionPool",
        "pool",
        capacity=_attribute("_max_size"),
        pair=_psycopg_pair,
    ),
    # anyio, whose classes have claimed to live in the package itself since 4.9
    *(
        entry
        for module in ("anyio", "anyio._core._synchronization")
        for entry in (
            Adapter(f"{module}.Lock", "lock", capacity=_one),
            Adapter(f"{module}.Condition", "condition", _attribute("_lock"), _one),
            Adapter(f"{module}.Semaphore", "semaphore", capacity=_attribute("max_value", "value")),
            Adapter(f"{module}.CapacityLimiter", "semaphore", capacity=_tokens),
        )
    ),
    Adapter("anyio.abc.TaskGroup", "task group", Everywhere("TaskGroup")),
    Adapter("anyio.abc._tasks.TaskGroup", "task group", Everywhere("TaskGroup")),
    # trio
    Adapter("trio.Lock", "lock", capacity=_one),
    Adapter("trio.StrictFIFOLock", "lock", capacity=_one),
    Adapter("trio.Semaphore", "semaphore", capacity=_attribute("max_value", "value")),
    Adapter("trio.CapacityLimiter", "semaphore", capacity=_tokens),
    Adapter("trio.Condition", "condition", _attribute("_lock"), _one),
    Adapter("trio._core._run.NurseryManager", "task group", Everywhere("nursery")),
)
_by_name = {adapter.manager: adapter for adapter in BUILT_IN}
_announced_read = False


def register_adapter(adapter: Adapter) -> None:
    """Add ``adapter`` to the table of known managers; replace an entry for the same class.

    Call it before the first acquisition of the class. A package can also announce adapters in the
    entry point group ``asyncctx_trace.adapters``; each entry is an adapter or a list of adapters.

    Args:
        adapter: The description of the class. See :class:`Adapter` for an example.
    """
    _by_name[adapter.manager] = adapter


def adapter_for(cls: type) -> Adapter | None:
    """The entry for ``cls`` or the nearest of its bases, ``None`` for an unknown manager."""
    _read_announced()
    for base in cls.__mro__:
        found = _by_name.get(f"{base.__module__}.{base.__qualname__}")
        if found is not None:
            return found
    return None


def pairs() -> list[tuple[Adapter, Pair]]:
    """Every known pair with the adapter that it belongs to."""
    _read_announced()
    return [(adapter, adapter.pair) for adapter in _by_name.values() if adapter.pair is not None]


def _read_announced() -> None:
    global _announced_read
    if _announced_read:
        return
    _announced_read = True
    # importlib.metadata is as much to import as all of ours, and then it reads every package's
    # metadata. A program in whose environment nothing is announced pays for small files alone,
    # and not for pathlib.
    if not any(_announces(folder or os.curdir) for folder in sys.path):
        return
    from importlib.metadata import entry_points

    for entry in entry_points(group=ENTRY_POINTS):
        try:
            loaded = entry.load()
            for adapter in [loaded] if isinstance(loaded, Adapter) else loaded:
                _by_name.setdefault(adapter.manager, adapter)
        except Exception as error:
            import logging

            logging.getLogger("asyncctx_trace").error(
                "asyncctx-trace: the adapter %s cannot be used: %s", entry.value, error
            )


def _announces(folder: str) -> bool:
    try:
        packages = [entry.path for entry in os.scandir(folder) if entry.name.endswith(".dist-info")]
    except OSError:
        return False
    for package in packages:
        try:
            with open(f"{package}/entry_points.txt", "rb") as file:  # noqa: PTH123 - see above
                found = ENTRY_POINTS.encode() in file.read()
            if found:
                return True
        except OSError:  # most have none
            continue
    return False
