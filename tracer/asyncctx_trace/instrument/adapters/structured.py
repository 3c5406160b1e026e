"""Managers of anyio and trio."""

from __future__ import annotations

from typing import Any

from asyncctx_trace.instrument.adapters.model import (
    Adapter,
    AtCreation,
    Everywhere,
    attribute,
    one,
)

__all__ = ["ADAPTERS"]


_INNER = (
    "_lock",
    "_semaphore",
    "_limiter",
    "_Lock__original",
    "_Semaphore__original",
    "_CapacityLimiter__original",
)


def _innermost(thing: Any) -> Any:
    """Return the primitive that a condition or a wrapper of anyio's passes calls on to.

    Its methods are watched, so that all ways to acquire it are of one resource.
    """
    while True:
        inner = next((i for name in _INNER if (i := getattr(thing, name, None)) is not None), None)
        if inner is None:
            return thing
        thing = inner


def _tokens(limiter: Any) -> int:
    return int(limiter.total_tokens)


_BOUND, _VALUE = attribute("max_value"), attribute("_value")
_trio_permits = AtCreation("trio._sync.Semaphore.__init__", kept=_BOUND, unused=_VALUE)
_permits = AtCreation("anyio._core._synchronization.Semaphore.__init__", kept=_BOUND, unused=_VALUE)

ADAPTERS = (
    # anyio, whose classes claim to live in the package itself since 4.9
    *(
        entry
        for module in ("anyio", "anyio._core._synchronization")
        for entry in (
            Adapter(f"{module}.Lock", "lock", capacity=one),
            Adapter(f"{module}.Condition", "condition", _innermost, one),
            Adapter(f"{module}.Semaphore", "semaphore", capacity=_permits),
            Adapter(f"{module}.CapacityLimiter", "semaphore", capacity=_tokens),
        )
    ),
    # made where no event loop runs, or on trio: they call another primitive
    *(
        Adapter(f"{module}.{cls}", kind, _innermost, capacity)
        for module, suffix in (
            ("anyio._core._synchronization", "Adapter"),
            ("anyio._backends._trio", ""),
        )
        for cls, kind, capacity in (
            (f"Lock{suffix}", "lock", one),
            (f"Semaphore{suffix}", "semaphore", _trio_permits),
            (f"CapacityLimiter{suffix}", "semaphore", _tokens),
        )
    ),
    Adapter("anyio.abc.TaskGroup", "task group", Everywhere("TaskGroup")),
    Adapter("anyio.abc._tasks.TaskGroup", "task group", Everywhere("TaskGroup")),
    Adapter("anyio.AsyncFile", "file"),
    Adapter("anyio._core._fileio.AsyncFile", "file"),
    Adapter("trio.Lock", "lock", capacity=one),
    Adapter("trio.StrictFIFOLock", "lock", capacity=one),
    Adapter("trio.Semaphore", "semaphore", capacity=_trio_permits),
    Adapter("trio.CapacityLimiter", "semaphore", capacity=_tokens),
    Adapter("trio.Condition", "condition", attribute("_lock"), one),
    Adapter("trio._core._run.NurseryManager", "task group", Everywhere("nursery")),
)
