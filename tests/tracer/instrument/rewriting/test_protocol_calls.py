"""Managers whose methods the program calls by hand are recorded as those of ``async with``."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import anyio
import anyio.to_thread
import pytest

from asyncctx_trace import traced
from instrument.event_log import EventLog, events_of, log_events

pytestmark = pytest.mark.usefixtures("installed")

Main = Callable[[], Coroutine[Any, Any, Any]]


@pytest.fixture
def logged() -> Callable[[Main], EventLog]:
    """Runs a coroutine function and returns what is published."""

    def run(main: Main) -> EventLog:
        with log_events() as log:
            asyncio.run(main())
            gc.collect()
        return log

    return run


class Manager:
    """Fails where it is told to."""

    def __init__(self, fails: str = "") -> None:
        self.fails = fails

    async def __aenter__(self) -> Manager:
        await asyncio.sleep(0)
        if self.fails == "enter":
            raise ValueError
        return self

    async def __aexit__(self, *exc: object) -> bool:
        await asyncio.sleep(0)
        if self.fails == "exit":
            raise ValueError
        return self.fails == "suppress"


def test_an_enter_and_an_exit_are_an_acquisition(logged: Callable[[Main], EventLog]) -> None:
    """Named as the program names the manager, whose result is passed on."""

    async def main() -> None:
        manager = Manager()
        assert await manager.__aenter__() is manager
        assert await manager.__aexit__(None, None, None) is False

    log = logged(main)

    assert log.events == events_of(1)
    assert [name for _, name, _, _ in log.started] == ["manager"]
    assert log.waits == []


def test_the_exit_may_be_in_another_function_and_task(
    logged: Callable[[Main], EventLog],
) -> None:
    """As in ``try`` … ``finally: await self.close()``."""

    async def close(manager: Manager) -> None:
        await manager.__aexit__(None, None, None)

    async def main() -> None:
        manager, other = Manager(), Manager()
        await manager.__aenter__()
        await other.__aenter__()
        try:
            await asyncio.sleep(0)
        finally:
            await close(manager)
            await asyncio.create_task(close(other))

    log = logged(main)

    assert log.is_complete()
    assert [event for event in log.events if event[0] == "exit"] == [
        ("exit", 1, "ok"),
        ("exit", 2, "ok"),
    ]


@pytest.mark.parametrize(
    ("fails", "events"),
    {
        "enter": [("wait", 1), ("enter", 1, "error")],
        "exit": [("wait", 1), ("enter", 1, "ok"), ("body", 1, "error"), ("exit", 1, "error")],
        "suppress": [
            ("wait", 1),
            ("enter", 1, "ok"),
            ("body", 1, "error"),
            ("exit", 1, "ok", "suppressed"),
        ],
    }.items(),
)
def test_how_it_ends_is_what_the_methods_are_given_and_do(
    logged: Callable[[Main], EventLog], fails: str, events: list[Any]
) -> None:
    """The arguments of the exit say how the body ended."""

    async def main() -> None:
        manager = Manager(fails)
        with contextlib.suppress(ValueError):
            await manager.__aenter__()
            error = KeyError()
            await manager.__aexit__(KeyError, error, None)

    assert logged(main).events == events


def test_without_an_exit_it_stays_open_until_it_is_collected(
    logged: Callable[[Main], EventLog],
) -> None:
    """Which is a leak."""

    async def main() -> None:
        await Manager().__aenter__()

    assert logged(main).events == [("wait", 1), ("enter", 1, "ok"), ("collected", 1)]


def test_a_lock_is_counted_once_whatever_it_is_taken_by(
    logged: Callable[[Main], EventLog],
) -> None:
    """Each call can end what another one has begun."""

    async def main() -> None:
        lock = asyncio.Lock()
        await lock.__aenter__()
        await lock.__aexit__(None, None, None)
        await lock.__aenter__()
        lock.release()
        await lock.acquire()
        await lock.__aexit__(None, None, None)
        async with lock:
            await lock.__aexit__(None, None, None)
            await lock.__aenter__()

    log = logged(main)

    assert log.events == events_of(1, 2, 3, 4, 5)
    assert set(log.names) == {"lock"}


def test_what_is_traced_is_counted_once(logged: Callable[[Main], EventLog]) -> None:
    """Its own methods publish already."""

    async def main() -> None:
        manager = traced(Manager())
        await manager.__aenter__()
        await manager.__aexit__(None, None, None)

    assert logged(main).events == events_of(1)


def test_a_call_in_one_branch_of_an_expression(logged: Callable[[Main], EventLog]) -> None:
    """Leaves the other branches alone."""

    async def enter(manager: Manager, really: bool) -> Any:
        value = await manager.__aenter__() if really else "no"
        other = "no" if not really else await manager.__aenter__()
        third = really and await manager.__aenter__()
        return value, other, third

    async def main() -> None:
        manager = Manager()
        assert await enter(manager, False) == ("no", "no", False)
        assert await enter(manager, True) == (manager,) * 3
        for _ in range(3):
            await manager.__aexit__(None, None, None)

    log = logged(main)

    assert log.is_complete()
    assert len(log.started) == 3


@pytest.mark.parametrize("push", ["manager", "method", "callback"])
def test_an_exit_stack_exits_what_was_entered_by_hand(
    logged: Callable[[Main], EventLog], push: str
) -> None:
    """However it was pushed."""

    async def main() -> None:
        stack, manager = contextlib.AsyncExitStack(), Manager()
        await manager.__aenter__()
        if push == "manager":
            stack.push_async_exit(manager)
        elif push == "method":
            stack.push_async_exit(manager.__aexit__)
        else:
            stack.push_async_callback(manager.__aexit__, None, None, None)
        await stack.aclose()

    assert logged(main).events == events_of(1)


def test_a_callback_of_an_exit_stack_releases(logged: Callable[[Main], EventLog]) -> None:
    """Of a stack that is entered or closed without ``async``, too."""

    async def main() -> None:
        lock = asyncio.Lock()
        with contextlib.ExitStack() as stack:
            await lock.__aenter__()
            stack.callback(lock.release)
        stack = contextlib.ExitStack()
        await lock.acquire()
        stack.callback(lock.release)
        stack.close()

    assert logged(main).events == events_of(1, 2)


@contextlib.asynccontextmanager
async def slot(number: int) -> AsyncIterator[int]:
    """A manager that can decorate."""
    yield number


@slot(1)
async def decorated(value: int) -> int:
    """Hold a slot."""
    await asyncio.sleep(0)
    return value


class Limit(contextlib.AsyncContextDecorator):
    """A manager that many functions hold."""

    async def __aenter__(self) -> Limit:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await asyncio.sleep(0)


limit = Limit()


@slot(2)
@limit
async def twice() -> None:
    """Fail while two managers are held."""
    raise ValueError("of the function")


def test_a_decorator_that_holds_a_manager_over_a_coroutine(
    logged: Callable[[Main], EventLog],
) -> None:
    """Has its own line as its site, in the decorated function."""

    async def main() -> None:
        assert await decorated(3) == 3
        with pytest.raises(ValueError, match="of the function"):
            await twice()

    log = logged(main)

    assert [started[1:] for started in log.started] == [
        ("slot", "slot(1)", 0),
        ("slot", "slot(2)", 0),
        ("limit", "limit", 2),
    ]
    assert log.is_complete()
    own = [site for site in log.sites.values() if site[0] == __file__]
    functions = {site[2] for site in own if site[3].startswith(("slot(", "limit"))}
    assert functions == {"decorated", "twice"}


def test_the_limiter_of_threads(logged: Callable[[Main], EventLog]) -> None:
    """Of anyio is held while the function runs."""

    async def main() -> None:
        tokens = anyio.CapacityLimiter(1)
        await anyio.to_thread.run_sync(int)
        await anyio.to_thread.run_sync(int, limiter=tokens)
        async with tokens:
            pass

    log = logged(main)

    assert log.names == ["thread limiter", "tokens", "tokens"]
    assert log.events == events_of(1, 2, 3)
    assert ("semaphore", "tokens", 1) in log.resources.values()
