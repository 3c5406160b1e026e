"""Managers of asyncio and contextlib."""

from __future__ import annotations

from asyncctx_trace.instrument.adapters.model import (
    Adapter,
    AtCreation,
    Everywhere,
    Pair,
    attribute,
    one,
)

__all__ = ["ADAPTERS"]

_LOCKS = "asyncio.locks"
_lock_pair = Pair(f"{_LOCKS}.Lock.acquire", f"{_LOCKS}.Lock.release")
_semaphore_pair = Pair(f"{_LOCKS}.Semaphore.acquire", f"{_LOCKS}.Semaphore.release")
_permits = AtCreation(
    f"{_LOCKS}.Semaphore.__init__", kept=attribute("_bound_value"), unused=attribute("_value")
)

ADAPTERS = (
    Adapter(f"{_LOCKS}.Lock", "lock", capacity=one, pair=_lock_pair),
    Adapter(f"{_LOCKS}.Semaphore", "semaphore", capacity=_permits, pair=_semaphore_pair),
    Adapter(f"{_LOCKS}.BoundedSemaphore", "semaphore", capacity=_permits),
    # A condition is entered by taking its lock, which others may take by itself.
    Adapter(f"{_LOCKS}.Condition", "condition", attribute("_lock"), capacity=one),
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
)
