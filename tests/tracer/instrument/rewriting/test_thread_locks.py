"""Locks of threads are resources too, and a statement on anything else is left alone."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from asyncctx_trace.native import extension
from instrument.event_log import EventLog, events_of, log_events
from observers import VARIABLE

pytestmark = [
    pytest.mark.usefixtures("installed"),
    pytest.mark.skipif(
        extension("asyncctx_trace.instrument") is None and VARIABLE in os.environ,
        reason="without native code, nothing is put between a lock and a listener",
    ),
]

LOCKS: dict[str, tuple[Callable[[], Any], tuple[str, int]]] = {
    "lock": (threading.Lock, ("lock", 1)),
    "reentrant lock": (threading.RLock, ("lock", 1)),
    "semaphore": (lambda: threading.Semaphore(2), ("semaphore", 2)),
    "bounded semaphore": (lambda: threading.BoundedSemaphore(3), ("semaphore", 3)),
    "condition": (threading.Condition, ("condition", 1)),
    "condition of a lock": (lambda: threading.Condition(threading.Lock()), ("condition", 1)),
}


@pytest.fixture
def logged() -> Callable[[Callable[[], Any]], EventLog]:
    """Runs a function and returns what is published."""

    def run(main: Callable[[], Any]) -> EventLog:
        with log_events() as log:
            main()
            gc.collect()
        return log

    return run


@pytest.mark.parametrize("name", LOCKS)
def test_each_way_to_take_it_is_an_acquisition(
    logged: Callable[[Callable[[], Any]], EventLog], name: str
) -> None:
    """By ``with``, or by a call with whatever arguments, which returns what it always returns."""
    make, (kind, capacity) = LOCKS[name]

    def main() -> None:
        guard = make()
        # pytest rewrites the calls inside an assertion.
        with guard as first:
            pass
        second = guard.acquire()
        guard.release()
        third = guard.acquire(False)
        guard.release()
        fourth = guard.acquire(timeout=1)
        released = guard.release()
        assert (first, second, third, fourth, released) == (True, True, True, True, None)
        with contextlib.suppress(KeyError), guard:
            raise KeyError

    log = logged(main)

    failed = [("wait", 5), ("enter", 5, "ok"), ("body", 5, "error"), ("exit", 5, "ok")]
    assert log.events == [*events_of(1, 2, 3, 4), *failed]
    assert list(log.resources.values())[-1] == (kind, "guard", capacity)


def test_a_failed_try_is_a_time_out_and_a_try_that_does_not_wait_is_nothing(
    logged: Callable[[Callable[[], Any]], EventLog],
) -> None:
    """Nobody has waited for the latter."""

    def main() -> None:
        lock = threading.Lock()
        with lock:
            results = [lock.acquire(False), lock.acquire(blocking=False)]
            results.append(lock.acquire(timeout=0.001))
            assert results == [False] * 3

    assert [event[0::2] for event in logged(main).events] == [
        ("wait",),
        ("enter", "ok"),
        ("wait",),
        ("enter", "timed_out"),
        ("body", "ok"),
        ("exit", "ok"),
    ]


def test_a_reentrant_lock_is_held_once(
    logged: Callable[[Callable[[], Any]], EventLog],
) -> None:
    """However often its thread takes it."""

    def main() -> None:
        lock = threading.RLock()
        lock.acquire()
        with lock:
            lock.acquire()
            lock.release()
        lock.release()

    assert logged(main).events == events_of(1)


def test_another_thread_may_release_it(
    logged: Callable[[Callable[[], Any]], EventLog],
) -> None:
    """Of a lock and a semaphore, which have no owner."""

    def main() -> None:
        lock = threading.Lock()
        lock.acquire()
        thread = threading.Thread(target=lambda: lock.release())
        thread.start()
        thread.join()

    assert logged(main).events == events_of(1)


def test_a_task_holds_what_it_takes(logged: Callable[[Callable[[], Any]], EventLog]) -> None:
    """Inside its other acquisitions."""

    async def work() -> None:
        lock, inner = asyncio.Lock(), threading.Lock()
        async with lock:
            with inner:
                await asyncio.sleep(0)

    log = logged(lambda: asyncio.run(work()))

    assert [(name, parent) for _, name, _, parent in log.started] == [("lock", 0), ("inner", 1)]
    assert log.is_complete()


def test_errors_of_locks_are_their_own(
    logged: Callable[[Callable[[], Any]], EventLog],
) -> None:
    """Without a frame of ours in their tracebacks."""

    def main() -> None:
        for make, _ in LOCKS.values():
            lock = make()
            with pytest.raises(TypeError, match="nonsense") as raised:
                lock.acquire(nonsense=1)
            assert [entry.name for entry in raised.traceback] == ["main"]

    logged(main)


class Own:
    """Not a lock of threads, though it looks like one."""

    def __enter__(self) -> Own:
        return self

    def __exit__(self, *exc: object) -> bool:
        return exc[0] is KeyError

    def acquire(self) -> Own:
        return self

    def release(self) -> Own:
        return self


class OwnLock(threading.Semaphore):
    """A class of the program, whose methods may do anything."""


def test_anything_else_is_left_alone(logged: Callable[[Callable[[], Any]], EventLog]) -> None:
    """It is itself that is entered and called."""

    def main() -> None:
        own = Own()
        with own as entered:
            assert entered is own
        with own:
            raise KeyError
        taken, released = own.acquire(), own.release()
        assert taken is released is own
        with OwnLock():
            pass

    assert logged(main).events == []


def test_no_lock_proxy_outlives_its_statement(
    logged: Callable[[Callable[[], Any]], EventLog],
) -> None:
    """Nor is it seen by the program, which may pass a method on."""

    def main() -> None:
        lock = threading.Lock()
        seen = [lock.release, lock.acquire]
        assert [getattr(method, "__self__", None) for method in seen] == [lock, lock]
        del seen
        reference = weakref.ref(lock)
        with lock:
            pass
        lock.acquire()
        lock.release()
        del lock
        assert reference() is None

    assert logged(main).events == events_of(1, 2)
