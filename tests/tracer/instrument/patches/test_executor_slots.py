"""The threads of an executor are a pool whose slots calls wait for and hold."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from instrument.event_log import EventLog, events_of, log_events

pytestmark = pytest.mark.usefixtures("installed")


@pytest.fixture
def log() -> Iterator[EventLog]:
    """What is published during the test."""
    with log_events() as received:
        yield received


def test_a_call_waits_until_a_thread_is_free(log: EventLog) -> None:
    """And holds that until it returns."""
    go_on = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(go_on.wait)
        second = pool.submit(int, "2")
        go_on.set()
        results = first.result(), second.result()

    assert results == (True, 2)
    assert log.names == ["pool", "pool"]
    assert ("pool", "pool", 1) in log.resources.values()
    entered = [event for event in log.events if event[0] in ("enter", "exit")]
    assert entered == [("enter", 1, "ok"), ("exit", 1, "ok"), ("enter", 2, "ok"), ("exit", 2, "ok")]


def test_executors_of_event_loops(log: EventLog) -> None:
    """That of ``to_thread``, and one that is passed."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(2) as mine:
            assert await loop.run_in_executor(mine, int, "1") == 1
        assert await asyncio.to_thread(int, "2") == 2

    asyncio.run(main())

    assert log.names == ["mine", "default executor"]
    assert sorted(log.events) == sorted(events_of(1, 2))


def test_a_call_that_is_cancelled_never_has_a_thread(log: EventLog) -> None:
    """Nor one that is not taken."""
    go_on = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(go_on.wait)
        cancelled = pool.submit(int)
        cancelled.cancel()
        go_on.set()
    with pytest.raises(RuntimeError, match="cannot schedule"):
        pool.submit(int)

    assert ("enter", 2, "cancelled") in log.events
    assert ("enter", 3, "error") in log.events
    assert log.is_complete()


def test_a_result_that_is_awaited_before_its_call_has_a_thread(log: EventLog) -> None:
    """Is a wait for that thread from then on, and for the slot until then."""
    started, go_on = threading.Event(), threading.Event()

    def block() -> None:
        started.set()
        go_on.wait()

    def release() -> None:
        while not any(event == ("wait", 2) for event in log.events):
            pass
        go_on.set()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(block)
        started.wait()
        threading.Thread(target=release).start()
        result = pool.submit(int, "2").result()

    assert result == 2
    assert log.is_complete()
    started_waits = {wait[1] for wait in log.waits if wait[0] == "started"}
    assert started_waits == {wait[1] for wait in log.waits if wait[0] == "ended"}
