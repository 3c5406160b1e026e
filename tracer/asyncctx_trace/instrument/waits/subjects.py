"""Tells what a suspended awaitable waits for, from the chain of coroutines below it.

The outermost function of a library on that chain that is listed here says what the wait is for:
``asyncio.Queue.get`` for the item of a queue. Nothing of it is run, and no frame is made.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable
from types import AsyncGeneratorType, CodeType, CoroutineType, GeneratorType
from typing import Any, NamedTuple

from asyncctx_trace.instrument.hidden_frames import call_hidden, hidden
from asyncctx_trace.instrument.registry.lookups import on_type
from asyncctx_trace.model.waits import WaitKind

__all__ = ["Subject", "awaiting_by_code", "subject_of"]


class Subject(NamedTuple):
    """What a wait is for."""

    kind: WaitKind
    thing: Any = None
    """The queue, event, …; ``None`` where the kind has none, or it is not known."""
    tasks: tuple[Any, ...] = ()
    """The tasks whose end is waited for."""
    method: str = ""
    """The name of the function that waits, such as ``get``."""
    direct: bool = False
    """Whether the program itself awaits that function, and not a library on its behalf."""


class _Awaiting(NamedTuple):
    """A function of a library that suspends whoever awaits it."""

    kind: WaitKind
    thing: str = ""
    """The class of what it waits for, in its module, of whose instances the first local is one."""
    attribute: str = ""
    """The attribute of that which is shared by all who wait for the same."""


_NOT_LISTED = _Awaiting(WaitKind.FUTURE)
_IO_MODULES = frozenset(
    {
        "asyncio.base_events",
        "asyncio.base_subprocess",
        "asyncio.proactor_events",
        "asyncio.selector_events",
        "asyncio.sslproto",
        "asyncio.streams",
        "asyncio.subprocess",
        "asyncio.unix_events",
        "trio._core._io_epoll",
        "trio._core._io_kqueue",
        "trio._highlevel_socket",
        "trio._socket",
        "trio._ssl",
        "trio._subprocess",
        "trio._unix_pipes",
    }
)
_TABLE: dict[tuple[str, str], _Awaiting] = {
    ("asyncio.locks", "Event.wait"): _Awaiting(WaitKind.EVENT, "Event"),
    ("asyncio.locks", "Condition.wait"): _Awaiting(WaitKind.CONDITION, "Condition"),
    ("asyncio.locks", "Condition.wait_for"): _Awaiting(WaitKind.CONDITION, "Condition"),
    ("asyncio.locks", "Barrier.wait"): _Awaiting(WaitKind.BARRIER, "Barrier"),
    ("asyncio.locks", "Lock.acquire"): _Awaiting(WaitKind.LOCK, "Lock"),
    ("asyncio.locks", "Semaphore.acquire"): _Awaiting(WaitKind.LOCK, "Semaphore"),
    ("asyncio.queues", "Queue.get"): _Awaiting(WaitKind.QUEUE_GET, "Queue"),
    ("asyncio.queues", "Queue.put"): _Awaiting(WaitKind.QUEUE_PUT, "Queue"),
    ("asyncio.queues", "Queue.join"): _Awaiting(WaitKind.QUEUE_JOIN, "Queue"),
    ("asyncio.tasks", "sleep"): _Awaiting(WaitKind.SLEEP),
    ("asyncio.tasks", "wait"): _Awaiting(WaitKind.TASKS),
    ("asyncio.tasks", "_wait"): _Awaiting(WaitKind.TASKS),
    ("asyncio.tasks", "as_completed.<locals>._wait_for_one"): _Awaiting(WaitKind.FIRST_TASK),
    ("asyncio.tasks", "_AsCompletedIterator._wait_for_one"): _Awaiting(WaitKind.FIRST_TASK),
    ("asyncio.taskgroups", "TaskGroup.__aexit__"): _Awaiting(WaitKind.TASKS),
    ("asyncio.threads", "to_thread"): _Awaiting(WaitKind.THREAD),
    ("anyio.streams.memory", "MemoryObjectReceiveStream.receive"): _Awaiting(
        WaitKind.RECEIVE, "MemoryObjectReceiveStream", "_state"
    ),
    ("anyio.streams.memory", "MemoryObjectSendStream.send"): _Awaiting(
        WaitKind.SEND, "MemoryObjectSendStream", "_state"
    ),
    ("anyio.to_thread", "run_sync"): _Awaiting(WaitKind.THREAD),
    ("anyio._backends._asyncio", "Event.wait"): _Awaiting(WaitKind.EVENT, "Event"),
    ("trio._sync", "Event.wait"): _Awaiting(WaitKind.EVENT, "Event"),
    ("trio._sync", "Condition.wait"): _Awaiting(WaitKind.CONDITION, "Condition"),
    ("trio._channel", "MemoryReceiveChannel.receive"): _Awaiting(
        WaitKind.RECEIVE, "MemoryReceiveChannel", "_state"
    ),
    ("trio._channel", "MemorySendChannel.send"): _Awaiting(
        WaitKind.SEND, "MemorySendChannel", "_state"
    ),
    ("trio._threads", "to_thread_run_sync"): _Awaiting(WaitKind.THREAD),
    ("trio._timeouts", "sleep"): _Awaiting(WaitKind.SLEEP),
    ("trio._timeouts", "sleep_until"): _Awaiting(WaitKind.SLEEP),
    ("trio._timeouts", "sleep_forever"): _Awaiting(WaitKind.SLEEP),
}
"""By module and qualified name."""

awaiting_by_code: dict[int, tuple[CodeType, _Awaiting, type | None]] = {}
"""What is listed of a function, and the class of what it waits for, by the address of its code."""


@hidden
def subject_of(awaited: Any, value: Any) -> Subject | None:
    """Return what is waited for by a coroutine in which ``awaited`` has just yielded ``value``.

    ``None`` where the task gives way to others only (``sleep(0)``) and waits for nothing.
    """
    if value is None:
        return None
    found, of = _NOT_LISTED, None
    chain = awaited
    while True:
        cls = type(chain)
        if cls is CoroutineType:
            code, found, of = awaiting_by_code.get(id(chain.cr_code)) or call_hidden(
                _look_up, chain
            )
            if found is not _NOT_LISTED:
                break
            chain = chain.cr_await
        elif cls is GeneratorType:
            chain = chain.gi_yieldfrom
        elif cls is AsyncGeneratorType:
            chain = chain.ag_await
        elif cls in _OF_GENERATORS:
            chain = next((r for r in gc.get_referents(chain) if _is_generator(r)), None)
        else:
            break
    direct = chain is awaited
    if found is _NOT_LISTED:
        return _of_value(value)
    method = code.co_name
    if found.kind is WaitKind.TASKS or found.kind is WaitKind.FIRST_TASK:
        return Subject(found.kind, None, _tasks_of(chain), method, direct)
    thing = None if of is None else _instance(chain, of, found.attribute)
    return Subject(found.kind, thing, (), method, direct)


def _anext_types() -> frozenset[type]:
    async def generator() -> Any:
        yield

    # Not known to an event loop that may run: it would close the generator in a task of its own.
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        made = generator()
        send, throw = made.__anext__(), made.athrow(GeneratorExit)
    finally:
        sys.set_asyncgen_hooks(*hooks)
    types = frozenset({type(send), type(throw)})
    send.close()
    throw.close()
    return types


_OF_GENERATORS = _anext_types()
"""The types of the awaitables that asynchronous generators give."""


@hidden
def _is_generator(thing: Any) -> bool:
    return type(thing) is AsyncGeneratorType


def _look_up(coroutine: CoroutineType[Any, Any, Any]) -> tuple[CodeType, _Awaiting, type | None]:
    code, frame = coroutine.cr_code, coroutine.cr_frame
    name = "" if frame is None else str(frame.f_globals.get("__name__", ""))
    listed = _TABLE.get((name, code.co_qualname))
    if listed is None:
        listed = _Awaiting(WaitKind.IO) if name in _IO_MODULES else _NOT_LISTED
    cls = getattr(sys.modules.get(name), listed.thing, None) if listed.thing else None
    found = code, listed, cls if isinstance(cls, type) else None
    if frame is not None:
        awaiting_by_code[id(code)] = found
    return found


@hidden
def _of_value(value: Any) -> Subject | None:
    """What the future, or the like, that is awaited directly stands for."""
    cls = type(value)
    if on_type(cls, "_asyncio_future_blocking") is None:
        # Trio's tasks yield a request to their loop; without a name there is nothing to say of it.
        return Subject(WaitKind.FUTURE) if cls.__name__ == "WaitTaskRescheduled" else None
    if on_type(cls, "get_coro") is not None:
        return Subject(WaitKind.TASK, None, (value,), "", True)
    children = getattr(value, "_children", None)
    if type(children) is list:  # of gather()
        return Subject(WaitKind.TASKS, None, _only_tasks(children), "gather", True)
    if _is_chained(value):
        return Subject(WaitKind.THREAD, None, (), "run_in_executor", True)
    return Subject(WaitKind.FUTURE, None, (), "", True)


@hidden
def _is_chained(future: Any) -> bool:
    """Whether a future of another thread sets ``future``, as ``run_in_executor`` has it."""
    for callback in future._callbacks or ():
        function = callback[0] if type(callback) is tuple else callback
        if getattr(function, "__qualname__", "").startswith("_chain_future."):
            return True
    return False


@hidden
def _tasks_of(coroutine: CoroutineType[Any, Any, Any]) -> tuple[Any, ...]:
    """The tasks in the collection that ``asyncio.wait`` and its like were called with."""
    for found in gc.get_referents(coroutine):
        if type(found) in _COLLECTIONS:
            tasks = _only_tasks(found)
            if tasks:
                return tasks
        children = getattr(found, "_tasks", None) or getattr(found, "_todo", None)
        if type(children) is set:  # of a task group, or of as_completed()
            return _only_tasks(children)
    return ()


_COLLECTIONS = (set, frozenset, list, tuple)


@hidden
def _only_tasks(things: Iterable[Any]) -> tuple[Any, ...]:
    return tuple([each for each in things if on_type(type(each), "get_coro") is not None])


@hidden
def _instance(coroutine: CoroutineType[Any, Any, Any], cls: type, attribute: str) -> Any:
    """The first object of ``cls`` among the locals of ``coroutine``, or an attribute of it."""
    for found in gc.get_referents(coroutine):
        if cls in type(found).__mro__:
            return getattr(found, attribute, None) if attribute else found
    return None
