"""Finds what a suspended awaitable waits for, from the chain of coroutines below it.

The outermost function of a library on that chain that is listed here says what the wait is for:
``asyncio.Queue.get`` for the item of a queue. Nothing of it is run, and no frame is made.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable
from types import (
    AsyncGeneratorType,
    CellType,
    CodeType,
    CoroutineType,
    FunctionType,
    GeneratorType,
)
from typing import Any, NamedTuple

from asyncctx_trace.instrument.hidden_frames import call_hidden, hidden
from asyncctx_trace.instrument.registry.lookups import on_type
from asyncctx_trace.instrument.registry.weak_ids import address_table
from asyncctx_trace.model.waits import OF_TASKS, WaitKind

__all__ = [
    "Awaiting",
    "LISTED",
    "Subject",
    "awaiting_by_code",
    "listed",
    "subject_of",
    "subject_of_call",
]


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

    @hidden
    def limited(self) -> Subject:
        """Return this, or a timer that ends the wait if no task does."""
        return self._replace(kind=WaitKind.TIMED_TASKS) if self.tasks else self


class Awaiting(NamedTuple):
    """What a function of a library waits for when it suspends."""

    kind: WaitKind
    thing: str = ""
    """The class of what it waits for, in its module, of whose instances the first local is one."""
    attribute: str = ""
    """The attribute of that which is shared by all who wait for the same."""


_NOT_LISTED = Awaiting(WaitKind.FUTURE)
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
LISTED: dict[tuple[str, str], Awaiting] = {
    ("asyncio.locks", "Event.wait"): Awaiting(WaitKind.EVENT, "Event"),
    ("asyncio.locks", "Condition.wait"): Awaiting(WaitKind.CONDITION, "Condition"),
    ("asyncio.locks", "Condition.wait_for"): Awaiting(WaitKind.CONDITION, "Condition"),
    ("asyncio.locks", "Barrier.wait"): Awaiting(WaitKind.BARRIER, "Barrier"),
    ("asyncio.locks", "Lock.acquire"): Awaiting(WaitKind.LOCK, "Lock"),
    ("asyncio.locks", "Semaphore.acquire"): Awaiting(WaitKind.LOCK, "Semaphore"),
    ("asyncio.queues", "Queue.get"): Awaiting(WaitKind.QUEUE_GET, "Queue"),
    ("asyncio.queues", "Queue.put"): Awaiting(WaitKind.QUEUE_PUT, "Queue"),
    ("asyncio.queues", "Queue.join"): Awaiting(WaitKind.QUEUE_JOIN, "Queue"),
    ("asyncio.tasks", "sleep"): Awaiting(WaitKind.SLEEP),
    ("asyncio.tasks", "wait"): Awaiting(WaitKind.TASKS),
    ("asyncio.tasks", "wait_for"): Awaiting(WaitKind.TASK),
    ("asyncio.tasks", "_wait"): Awaiting(WaitKind.TASKS),
    ("asyncio.tasks", "as_completed.<locals>._wait_for_one"): Awaiting(WaitKind.FIRST_TASK),
    ("asyncio.tasks", "_AsCompletedIterator._wait_for_one"): Awaiting(WaitKind.FIRST_TASK),
    ("asyncio.taskgroups", "TaskGroup.__aexit__"): Awaiting(WaitKind.TASKS),
    ("asyncio.threads", "to_thread"): Awaiting(WaitKind.THREAD),
    ("anyio.streams.memory", "MemoryObjectReceiveStream.receive"): Awaiting(
        WaitKind.RECEIVE, "MemoryObjectReceiveStream", "_state"
    ),
    ("anyio.streams.memory", "MemoryObjectSendStream.send"): Awaiting(
        WaitKind.SEND, "MemoryObjectSendStream", "_state"
    ),
    ("anyio.to_thread", "run_sync"): Awaiting(WaitKind.THREAD),
    ("anyio._backends._asyncio", "Event.wait"): Awaiting(WaitKind.EVENT, "Event"),
    ("trio._sync", "Event.wait"): Awaiting(WaitKind.EVENT, "Event"),
    ("trio._sync", "Condition.wait"): Awaiting(WaitKind.CONDITION, "Condition"),
    ("trio._channel", "MemoryReceiveChannel.receive"): Awaiting(
        WaitKind.RECEIVE, "MemoryReceiveChannel", "_state"
    ),
    ("trio._channel", "MemorySendChannel.send"): Awaiting(
        WaitKind.SEND, "MemorySendChannel", "_state"
    ),
    ("trio._threads", "to_thread_run_sync"): Awaiting(WaitKind.THREAD),
    ("trio._timeouts", "sleep"): Awaiting(WaitKind.SLEEP),
    ("trio._timeouts", "sleep_until"): Awaiting(WaitKind.SLEEP),
    ("trio._timeouts", "sleep_forever"): Awaiting(WaitKind.SLEEP),
}
"""By module and qualified name."""

awaiting_by_code: dict[int, tuple[CodeType, Awaiting, type | None]] = address_table()
"""The entry of a function, and the class of what it waits for, by the address of its code."""


@hidden
def subject_of(awaited: Any, value: Any) -> Subject | None:
    """Return what is waited for by a coroutine in which ``awaited`` has just yielded ``value``.

    ``None`` where the task gives way to others only (``sleep(0)``) and waits for nothing.
    """
    if value is None:
        return None
    found, of, timed = _NOT_LISTED, None, False
    chain = awaited
    while True:
        cls = type(chain)
        if cls is CoroutineType:
            code, found, of = awaiting_by_code.get(id(chain.cr_code)) or call_hidden(
                _look_up, chain
            )
            if found.kind is WaitKind.TASK:
                timed = _has_number(chain)
                if not _tasks_of(chain):  # a coroutine, which is awaited as it is
                    found = _NOT_LISTED
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
        subject = _of_value(value)
        return subject if subject is None or not timed else subject.limited()
    method = code.co_name
    if found.kind in OF_TASKS:
        subject = Subject(_kind_of(found.kind, chain), None, _tasks_of(chain), method, direct)
        return subject.limited() if timed or _has_number(chain) else subject
    thing = None if of is None else _instance(chain, of, found.attribute)
    return Subject(found.kind, thing, (), method, direct)


@hidden
def _has_number(coroutine: CoroutineType[Any, Any, Any]) -> bool:
    """Whether the function ``wait`` or ``wait_for`` was called with a timeout."""
    return coroutine.cr_code.co_name in _WITH_TIMEOUT and any(
        type(found) is int or type(found) is float for found in gc.get_referents(coroutine)
    )


_WITH_TIMEOUT = frozenset({"wait", "_wait", "wait_for"})


@hidden
def _kind_of(kind: WaitKind, coroutine: CoroutineType[Any, Any, Any]) -> WaitKind:
    """What ``asyncio.wait`` waits for depends on its argument ``return_when``."""
    if kind is WaitKind.TASKS and any(
        type(found) is str and found in _FIRST for found in gc.get_referents(coroutine)
    ):
        return WaitKind.FIRST_TASK
    return kind


_FIRST = frozenset({"FIRST_COMPLETED", "FIRST_EXCEPTION"})


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


@hidden
def listed(coroutine: Any) -> Awaiting | None:
    """Return the entry in ``LISTED`` of the function of ``coroutine``, ``None`` if it has none."""
    if type(coroutine) is not CoroutineType:
        return None
    _, found, _ = awaiting_by_code.get(id(coroutine.cr_code)) or call_hidden(_look_up, coroutine)
    return None if found is _NOT_LISTED else found


@hidden
def subject_of_call(
    awaiting: Awaiting, value: Any, method: str, arguments: tuple[Any, ...]
) -> Subject | None:
    """Return what a call of ``method``, whose entry is ``awaiting``, with ``arguments`` waits for.

    It has just yielded ``value``, and is not suspended yet.
    """
    kind, first = awaiting.kind, arguments[0] if arguments else None
    if kind is WaitKind.TASK:
        return _limited_by(Subject(kind, None, _only_tasks((first,))), arguments)
    if kind is WaitKind.TASKS:
        if any(type(each) is str and each in _FIRST for each in arguments):
            kind = WaitKind.FIRST_TASK
        tasks = _only_tasks(first) if isinstance(first, set | frozenset | list | tuple) else ()
        return _limited_by(Subject(kind, None, tasks), arguments)
    if awaiting.thing:
        thing = getattr(first, awaiting.attribute) if awaiting.attribute else first
        return Subject(kind, thing, (), method)
    return _of_value(value) if kind is WaitKind.FUTURE else Subject(kind)


@hidden
def _limited_by(subject: Subject, arguments: tuple[Any, ...]) -> Subject:
    timed = any(type(each) is int or type(each) is float for each in arguments)
    return subject.limited() if timed else subject


def _look_up(coroutine: CoroutineType[Any, Any, Any]) -> tuple[CodeType, Awaiting, type | None]:
    code, frame = coroutine.cr_code, coroutine.cr_frame
    name = "" if frame is None else str(frame.f_globals.get("__name__", ""))
    listed = LISTED.get((name, code.co_qualname))
    if listed is None:
        listed = Awaiting(WaitKind.IO) if name in _IO_MODULES else _NOT_LISTED
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
    for callback in value._callbacks or ():
        function = callback[0] if type(callback) is tuple else callback
        if type(function) is not FunctionType:
            continue
        if function.__qualname__.startswith("_chain_future."):  # a future of another thread sets it
            return Subject(WaitKind.THREAD, None, (), "run_in_executor", True)
        if function.__qualname__ == "shield.<locals>._outer_done_callback":
            cells = dict(
                zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
            )
            inner = _only_tasks([cells["inner"].cell_contents])
            return Subject(WaitKind.TASK if inner else WaitKind.FUTURE, None, inner, "shield", True)
    return Subject(WaitKind.FUTURE, None, (), "", True)


@hidden
def _tasks_of(coroutine: CoroutineType[Any, Any, Any]) -> tuple[Any, ...]:
    """Return the tasks that ``asyncio.wait`` and its like were called with."""
    for found in gc.get_referents(coroutine):
        cls = type(found)
        if cls in _COLLECTIONS:
            tasks = _only_tasks(found)
            if tasks:
                return tasks
        elif cls.__module__.startswith("asyncio."):  # the attributes of others may run code
            # Of a task group, or of as_completed().
            children = getattr(found, "_tasks", None) or getattr(found, "_todo", None)
            if type(children) is set:
                return _only_tasks(children)
        if coroutine.cr_code.co_name == "wait_for" and (task := _only_tasks((found,))):
            return task
    return ()


_COLLECTIONS = (set, frozenset, list, tuple)


@hidden
def _only_tasks(things: Iterable[Any]) -> tuple[Any, ...]:
    return tuple([each for each in things if on_type(type(each), "get_coro") is not None])


@hidden
def _instance(coroutine: CoroutineType[Any, Any, Any], cls: type, attribute: str) -> Any:
    """The first object of ``cls`` among the locals of ``coroutine``, or an attribute of it."""
    for found in gc.get_referents(coroutine):
        if type(found) is CellType:  # a local that functions inside use, too
            try:
                found = found.cell_contents
            except ValueError:  # empty
                continue
        if cls in type(found).__mro__:
            return getattr(found, attribute, None) if attribute else found
    return None
