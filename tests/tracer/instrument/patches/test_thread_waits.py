"""Threads, and tasks that block their thread, wait for queues, events, futures and each other."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from asyncctx_trace.instrument.hidden_frames import is_observed, is_suspended
from asyncctx_trace.instrument.patches import thread_waits
from instrument.event_log import EventLog, log_events

pytestmark = pytest.mark.usefixtures("installed")


@pytest.fixture
def log() -> Iterator[EventLog]:
    """What is published during the test."""
    with log_events() as received:
        yield received


def thread_of(function: Callable[[], Any], log: EventLog) -> threading.Thread:
    """Return a thread that runs ``function``, and has begun to wait in it."""
    before = len(log.waits)
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while len(log.waits) == before:
        assert time.monotonic() < deadline, "the thread does not wait, or that is not recorded"
    return thread


def need_recorded_locks() -> None:
    """Skip: Python code alone records no locks of threads while a tracer or profiler listens."""
    if not is_suspended() and is_observed():
        pytest.skip("locks of threads are not recorded while somebody listens")


def test_a_queue_of_threads(log: EventLog) -> None:
    """An item, room, and that all is done; who ends the wait is known."""
    jobs: queue.Queue[int] = queue.Queue(1)
    getting = thread_of(lambda: jobs.get(), log)
    jobs.put(1)
    getting.join()
    jobs.put(2)
    putting = thread_of(lambda: jobs.put(3), log)
    jobs.get()
    putting.join()
    joining = thread_of(lambda: jobs.join(), log)
    for _ in range(3):
        jobs.task_done()
    joining.join()

    waits = [wait for wait in log.waits if wait[0] == "started" and wait[3]]
    assert waits == [
        ("started", waits[0][1], "queue get", "jobs", "jobs.get()"),
        ("started", waits[1][1], "queue put", "jobs", "jobs.put(3)"),
        ("started", waits[2][1], "queue join", "jobs", "jobs.join()"),
    ]
    numbers = {wait[1] for wait in waits}
    ended = [wait for wait in log.waits if wait[0] == "ended" and wait[1] in numbers]
    assert [wait[2:] for wait in ended] == [("ok", True)] * 3


def test_nothing_is_kept_of_an_object_that_is_gone(log: EventLog) -> None:
    """A program may make an event for each of its requests."""

    def use() -> None:
        ready = threading.Event()
        waiting = thread_of(lambda: ready.wait(), log)
        ready.set()
        waiting.join()

    actors = thread_waits._actors  # noqa: SLF001 - not visible in events
    before = len(actors.values())
    use()
    gc.collect()

    assert len(actors.values()) == before


def test_an_event_of_threads(log: EventLog) -> None:
    """Which is set, or not in time."""
    ready = threading.Event()
    waiting = thread_of(lambda: ready.wait(), log)
    ready.set()
    waiting.join()
    ready.clear()
    ready.wait(0.001)

    assert log.waits[0] == ("started", 1, "event", "ready", "ready.wait()")
    assert ("ended", 1, "ok", True) in log.waits
    assert log.waits[-1][2:] == ("timed_out", False)


def test_a_condition_of_threads_is_not_held_while_its_thread_waits(log: EventLog) -> None:
    """And is held again afterwards, without a notification, too."""
    need_recorded_locks()
    changed = threading.Condition()

    def wait() -> None:
        with changed:
            changed.wait()

    waiting = thread_of(wait, log)
    with changed:
        changed.notify()
    waiting.join()
    with changed:
        changed.wait_for(lambda: False, 0.001)

    assert log.is_complete()
    assert log.names == ["changed"] * 5
    conditions = [wait[1] for wait in log.waits if wait[2] == "condition"]
    assert [wait[2] for wait in log.waits if wait[0] == "ended" and wait[1] in conditions] == [
        "ok",
        "timed_out",
    ]


def test_what_does_not_wait_is_no_wait(log: EventLog) -> None:
    """Because it is there already, or need not be."""
    jobs: queue.Queue[int] = queue.Queue()
    jobs.put(1)
    jobs.get()
    jobs.task_done()
    jobs.join()
    with pytest.raises(queue.Empty):
        jobs.get(False)
    ready = threading.Event()
    ready.set()
    ready.wait()
    future: concurrent.futures.Future[int] = concurrent.futures.Future()
    future.set_result(1)
    future.result()

    assert log.waits == []


def test_a_thread_waits_for_a_coroutine_that_it_gave_to_a_loop(log: EventLog) -> None:
    """The coroutine has its id before the loop makes a task of it, and keeps it."""

    async def inside() -> int:
        # An event would be one more thing that the thread might wait for.
        while not any(wait[-1] == "future.result()" for wait in log.waits):  # noqa: ASYNC110 - see above
            await asyncio.sleep(0)
        return 1

    async def main() -> None:
        loop = asyncio.get_running_loop()
        results = []

        def outside() -> None:
            future = asyncio.run_coroutine_threadsafe(inside(), loop)
            results.append(future.result())

        await asyncio.to_thread(outside)
        assert results == [1]

    asyncio.run(main())

    kinds = {wait[4]: wait[2] for wait in log.waits if wait[0] == "started"}
    assert kinds["future.result()"] == "task"


def test_a_coroutine_that_runs_before_its_future_is_returned_has_one_task(
    log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop of a busy process may be faster than the thread."""
    waiting = threading.Event()

    async def inside() -> int:
        async with asyncio.Lock():
            waiting.set()
        return 1

    async def main() -> None:
        loop = asyncio.get_running_loop()
        schedule = loop.call_soon_threadsafe

        def run_at_once(*arguments: Any, **keywords: Any) -> asyncio.Handle:
            handle = schedule(*arguments, **keywords)
            waiting.wait()
            return handle

        def outside() -> None:
            with monkeypatch.context() as patched:
                patched.setattr(loop, "call_soon_threadsafe", run_at_once)
                future = asyncio.run_coroutine_threadsafe(inside(), loop)
            future.result()

        await asyncio.to_thread(outside)

    asyncio.run(main())

    assert [task for task in log.coroutines.values() if task.endswith("inside")] == [
        inside.__qualname__
    ]


@pytest.mark.usefixtures("log")
def test_an_error_in_another_thread_is_passed_on_untouched() -> None:
    """With the frames that it always has."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(int, "x")
        with pytest.raises(ValueError, match="invalid literal") as raised:
            future.result()

    assert [entry.name for entry in raised.traceback][1:] in (
        ["result", "__get_result", "run"],
        ["result", "__get_result", "run", "run"],
    )
