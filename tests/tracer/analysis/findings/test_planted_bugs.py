"""Programs with one bug each: it is found, at its line."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path

import pytest

import asyncctx_trace
from analysis.support.programs import (
    SHORT,
    THRESHOLDS,
    Main,
    Pool,
    lock,
    marked_lines,
    pause,
    recorded,
    session,
    turn,
    until_they_hang,
)
from asyncctx_trace import traced
from asyncctx_trace.analysis.findings import find
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.recording.reading.reader import read

PLANTED: list[tuple[str, str, Main]] = []


def planted(kind: str, certainty: str = "certain") -> Callable[[Main], Main]:
    """A program whose bug is of ``kind``, at the line that ends in ``# here``."""

    def add(main: Main) -> Main:
        PLANTED.append((kind, certainty, main))
        return main

    return add


@planted("deadlock")
async def two_locks_in_contrary_orders() -> None:
    first, second = lock("first"), lock("second")

    async def there() -> None:
        async with first:
            await turn()
            async with second:  # here
                pass

    async def back() -> None:
        async with second:
            await turn()
            async with first:  # here
                pass

    await until_they_hang(there(), back())


@planted("deadlock")
async def a_lock_taken_twice_by_one_task() -> None:
    own = lock("own")

    async def helper() -> None:
        async with own:  # here
            pass

    async def outer() -> None:
        async with own:
            await helper()

    await until_they_hang(outer())


@planted("deadlock")
async def three_philosophers() -> None:
    forks = [lock(f"fork {n}") for n in range(3)]

    async def dine(seat: int) -> None:
        async with forks[seat]:
            await turn()
            async with forks[(seat + 1) % 3]:  # here
                pass

    await until_they_hang(dine(0), dine(1), dine(2))


@planted("deadlock")
async def a_pool_whose_connections_all_want_a_second_one() -> None:
    pool = Pool(2)

    async def request() -> None:
        async with pool.acquire():
            await turn()
            async with pool.acquire():  # here
                pass

    await until_they_hang(request(), request(), request())


@planted("deadlock")
async def a_semaphore_and_a_lock() -> None:
    permits = traced(asyncio.Semaphore(2), name="permits")
    table = lock("table")

    async def holds_a_permit() -> None:
        async with permits:
            await turn()
            async with table:  # here
                pass

    async def holds_the_table() -> None:
        async with table:
            await turn()
            await turn()
            async with permits:  # here
                pass

    await until_they_hang(holds_a_permit(), holds_a_permit(), holds_the_table())


@planted("deadlock")
async def a_deadlock_that_a_deadline_breaks() -> None:
    first, second = lock("first"), lock("second")

    async def take(one: asyncio.Lock, other: asyncio.Lock) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(25 * SHORT), one:
                await turn()
                async with other:  # here
                    pass

    await asyncio.gather(take(first, second), take(second, first))


@planted("deadlock", "possible")
async def a_task_group_left_while_its_task_wants_what_the_parent_holds() -> None:
    table = lock("table")

    async def child() -> None:
        async with table:  # here
            pass

    async def parent() -> None:
        async with table, traced(asyncio.TaskGroup()) as group:  # here
            group.create_task(child())

    await until_they_hang(parent())


@planted("lock-order-inversion")
async def contrary_orders_that_did_not_hang() -> None:
    first, second = lock("first"), lock("second")

    async def both(outer: asyncio.Lock, inner: asyncio.Lock) -> None:
        async with outer, inner:  # here
            await pause()

    await asyncio.gather(both(first, second), both(second, first))


@planted("lock-order-inversion", "possible")
async def contrary_orders_one_after_the_other_through_functions() -> None:
    first, second = lock("first"), lock("second")

    async def inner_first() -> None:
        async with first:  # here
            await pause()

    async def inner_second() -> None:
        async with second:  # here
            await pause()

    async def there() -> None:
        async with first:
            await inner_second()

    async def back() -> None:
        async with second:
            await inner_first()

    await asyncio.create_task(there())
    await asyncio.create_task(back())


@planted("leak")
async def entered_by_hand_and_forgotten() -> None:
    async def careless() -> None:
        await session().__aenter__()  # here

    await asyncio.create_task(careless())


@planted("leak")
async def a_stack_taken_over_and_dropped() -> None:
    async def careless() -> None:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(session())  # here
            stack.pop_all()

    await asyncio.create_task(careless())


@planted("leak")
async def a_lock_never_given_back() -> None:
    counter = lock("counter")

    async def careless() -> None:
        await counter.__aenter__()  # here

    async def waits() -> None:
        async with counter:
            pass

    await asyncio.create_task(careless())
    await until_they_hang(waits())


@planted("starved-pool")
async def a_pool_too_small() -> None:
    pool = Pool(2)

    async def request() -> None:
        with suppress(TimeoutError):
            async with traced(asyncio.timeout(3 * SHORT)), pool.acquire():  # here
                await pause()

    await asyncio.gather(*(request() for _ in range(12)))


@planted("starved-pool", "possible")
async def a_semaphore_in_whose_queue_deadlines_pass() -> None:
    permits = traced(asyncio.Semaphore(1), name="permits")

    async def request() -> None:
        with suppress(TimeoutError):
            async with traced(asyncio.timeout(3 * SHORT)), permits:  # here
                await pause()

    await asyncio.gather(*(request() for _ in range(8)))


@planted("cancelled-in-enter", "possible")
async def a_connection_given_up_half_way() -> None:
    async def client() -> None:
        async with session("connection", enter=pause):  # here
            pass

    task = asyncio.create_task(client())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@planted("cleanup-cancelled")
async def a_flush_cut_off() -> None:
    async def client() -> None:
        async with session(exit=lambda: asyncio.sleep(1)):  # here
            pass

    await until_they_hang(client())


@planted("cleanup-cancelled")
async def a_rollback_cut_off_by_a_second_cancellation() -> None:
    @asynccontextmanager
    async def transaction() -> AsyncIterator[None]:
        try:
            yield
        finally:
            await asyncio.sleep(1)

    begin = traced(transaction)

    async def client() -> None:
        async with begin():  # here
            await asyncio.sleep(1)

    task = asyncio.create_task(client())
    for _ in range(2):
        await pause()
        task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@planted("enter-error")
async def a_client_that_cannot_connect() -> None:
    async def connect() -> None:
        await pause()
        raise ConnectionRefusedError("nobody listens")

    with suppress(ConnectionRefusedError):
        async with session("client", enter=connect):  # here
            pass


@planted("enter-error")
async def a_pool_with_nothing_to_give() -> None:
    class PoolTimeout(Exception):
        pass

    @asynccontextmanager
    async def connection() -> AsyncIterator[None]:
        await pause()
        raise PoolTimeout("couldn't get a connection")
        yield

    take = traced(connection, name="pool", kind="pool", resource=connection, capacity=2)
    with suppress(PoolTimeout):
        async with take():  # here
            pass


@planted("enter-error")
async def a_manager_whose_error_ends_what_is_around_it() -> None:
    async def refuse() -> None:
        raise KeyError("no such tenant")

    with suppress(KeyError):
        async with session("request"), session("tenant", enter=refuse):  # here
            pass


@planted("enter-error")
async def a_connection_that_fails_inside_the_enter_of_a_service() -> None:
    async def connect() -> None:
        raise ConnectionResetError("gone")

    @asynccontextmanager
    async def service() -> AsyncIterator[None]:
        async with session("connection", enter=connect):  # here
            yield

    with suppress(ConnectionResetError):
        async with traced(service)():
            pass


class _Worked:
    """What a task does: it can be seen to run."""

    def __init__(self) -> None:
        self.session = session("work")

    async def __call__(self) -> None:
        async with self.session:
            await asyncio.sleep(10 * SHORT)


@planted("enter-error")
async def a_lock_of_another_loop() -> None:
    own = lock("own")
    async with own:
        own._loop = object()  # type: ignore[attr-defined]  # noqa: SLF001 - as if of another loop
        with suppress(RuntimeError):
            async with own:  # here
                pass


@planted("over-release")
async def an_error_path_that_releases_what_the_block_releases_too() -> None:
    limit = traced(asyncio.Semaphore(1), name="limit")

    async def fetch(fails: bool) -> None:
        async with limit:  # here
            await turn()
            if fails:
                limit.release()

    await fetch(fails=True)
    await asyncio.gather(fetch(fails=False), fetch(fails=False))


@planted("over-release")
async def a_permit_released_in_an_except_and_in_a_finally() -> None:
    limit = traced(asyncio.Semaphore(1), name="limit")

    async def fetch(fails: bool) -> None:
        await limit.acquire()  # here
        try:
            await turn()
            if fails:
                raise ConnectionError
        except ConnectionError:
            limit.release()
        finally:
            limit.release()

    await fetch(fails=True)
    await asyncio.gather(fetch(fails=False), fetch(fails=False))


@planted("over-release", "possible")
async def permits_each_given_back_by_the_job_and_by_its_callback() -> None:
    limit = traced(asyncio.Semaphore(3), name="limit")

    async def job() -> None:
        await turn()
        limit.release()

    tasks = []
    for _ in range(12):
        await limit.acquire()  # here
        task = asyncio.create_task(job())
        task.add_done_callback(lambda _: limit.release())
        tasks.append(task)
    await asyncio.gather(*tasks)


@planted("over-release", "possible")
async def a_permit_given_back_by_the_job_and_by_its_callback() -> None:
    limit = traced(asyncio.Semaphore(1), name="limit")

    def give_back(_: object = None) -> None:
        limit.release()

    async def job() -> None:
        give_back()

    async def work() -> None:
        async with limit:  # here
            await turn()

    async def producer() -> None:
        await limit.acquire()
        task = asyncio.create_task(job())
        task.add_done_callback(give_back)

    await asyncio.create_task(producer())
    await pause()
    await asyncio.gather(work(), work())


@planted("ineffective-limit", "possible")
async def a_semaphore_around_create_task() -> None:
    limit = traced(asyncio.Semaphore(2), name="limit")
    tasks = []
    for _ in range(8):
        async with limit:  # here
            tasks.append(asyncio.create_task(_Worked()()))
    await asyncio.gather(*tasks)


@planted("ineffective-limit", "possible")
async def a_semaphore_around_the_start_of_a_group_s_tasks() -> None:
    limit = traced(asyncio.Semaphore(2), name="limit")
    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            async with limit:  # here
                await turn()
                group.create_task(_Worked()())


@planted("ineffective-limit", "possible")
async def a_semaphore_around_a_fire_and_forget_helper() -> None:
    limit = traced(asyncio.Semaphore(2), name="limit")
    tasks: set[asyncio.Task[None]] = set()

    async def spawn() -> None:
        async with limit:  # here
            tasks.add(asyncio.create_task(_Worked()()))

    for _ in range(5):
        await spawn()
    await asyncio.gather(*tasks)


async def _fails() -> None:
    raise ConnectionResetError("gone")


@planted("cleanup-error")
async def an_exit_that_fails() -> None:
    with suppress(ConnectionResetError):
        async with session(exit=_fails):  # here
            pass


@planted("cleanup-error")
async def an_exit_whose_failure_hides_the_reason() -> None:
    with suppress(ConnectionResetError):
        async with session(exit=_fails):  # here
            raise ValueError("the reason")


@planted("suppressed-error")
async def an_exit_that_swallows() -> None:
    async with session(swallows=True):  # here
        raise ValueError("unseen")


@planted("timeout")
async def a_deadline_passed_in_a_queue() -> None:
    table = lock("table")

    async def late() -> None:
        with suppress(TimeoutError):
            async with traced(asyncio.timeout(SHORT), name="deadline"), table:  # here
                pass

    async with table:
        await asyncio.create_task(late())


@planted("timeout")
async def a_deadline_passed_in_a_body() -> None:
    with suppress(TimeoutError):
        async with traced(asyncio.timeout(SHORT), name="deadline"), session():  # here
            await asyncio.sleep(1)


@planted("slow-cleanup")
async def a_slow_goodbye() -> None:
    async with session(exit=lambda: asyncio.sleep(0.025)):  # here
        pass


@planted("foreign-exit")
async def a_deadline_ended_by_another_task() -> None:
    deadline = traced(asyncio.timeout(1), name="deadline")
    await deadline.__aenter__()  # here

    async def closes() -> None:
        await deadline.__aexit__(None, None, None)

    await asyncio.create_task(closes())
    async with session():
        await pause()


@planted("foreign-exit")
async def a_context_variable_reset_by_another_task() -> None:
    variable: ContextVar[int] = ContextVar("variable")

    @asynccontextmanager
    async def number() -> AsyncIterator[None]:
        token = variable.set(1)
        try:
            yield
        finally:
            variable.reset(token)

    manager = traced(number)()

    async def opens() -> None:
        await manager.__aenter__()  # here

    async def closes() -> None:
        with suppress(ValueError):
            await manager.__aexit__(None, None, None)

    await asyncio.create_task(opens())
    await asyncio.create_task(closes())


@planted("foreign-exit", "possible")
async def a_generator_left_early() -> None:
    table = lock("table")

    async def rows() -> AsyncIterator[int]:
        async with table:  # here
            for number in range(3):
                yield number

    async for _ in rows():
        break
    gc.collect()
    for _ in range(3):
        await turn()
    async with table:
        pass


@planted("out-of-order-exit")
async def two_deadlines_that_cross() -> None:
    outer = traced(asyncio.timeout(1), name="outer")
    inner = traced(asyncio.timeout(1), name="inner")
    await outer.__aenter__()  # here
    await inner.__aenter__()
    await outer.__aexit__(None, None, None)
    await inner.__aexit__(None, None, None)


@planted("out-of-order-exit")
async def a_generator_with_a_deadline_that_outlives_the_one_around_it() -> None:
    async def ticks() -> AsyncIterator[int]:
        async with traced(asyncio.timeout(1), name="inner"):
            yield 1
            yield 2

    generator = ticks()
    async with traced(asyncio.timeout(1), name="outer"):  # here
        await anext(generator)
    with suppress(StopAsyncIteration):
        while True:
            await anext(generator)


@planted("held-across-wait")
async def a_lock_held_in_another_queue() -> None:
    cache, database = lock("cache"), lock("database")

    async def slow() -> None:
        async with database:
            await asyncio.sleep(5 * SHORT)

    async def loads() -> None:
        async with cache, database:  # here
            pass

    async def reads() -> None:
        async with cache:
            pass

    await asyncio.gather(slow(), loads(), reads())


@pytest.mark.parametrize(
    ("kind", "certainty", "main"), [pytest.param(*each, id=each[2].__name__) for each in PLANTED]
)
def test_a_planted_bug_is_found_at_its_line(
    kind: str, certainty: str, main: Main, tmp_path: Path
) -> None:
    """By its kind, with the certainty that it deserves, and told in one sentence."""
    timeline = recorded(main, tmp_path / "run.actx")
    found = [f for f in find(timeline, thresholds=THRESHOLDS) if f.kind == kind]

    assert [f.certainty for f in found] == [certainty]
    assert timeline.sites[found[0].sites[0]].line in marked_lines(main, "here")
    assert found[0].summary.endswith(".")


def test_who_still_waits_at_the_end_is_told(tmp_path: Path) -> None:
    """The recording ends before the wait does."""
    path = tmp_path / "run.actx"

    async def main() -> None:
        table = lock("table")
        release = asyncio.Event()

        async def holds() -> None:
            async with table:
                await release.wait()

        async def waits() -> None:
            async with table:  # here
                pass

        with asyncctx_trace.record(path):
            tasks = [asyncio.create_task(holds()), asyncio.create_task(waits(), name="late")]
            await turn()
        release.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())
    (line,) = marked_lines(main, "here")
    found = find(Timeline(read(path)), thresholds=replace(THRESHOLDS, still_waiting=0))

    assert [f.kind for f in found if f.certainty == "certain"] == []
    assert [f.summary.split(" since ")[0] for f in found if f.kind == "still-waiting"] == [
        f"late still waits for `table` at test_planted_bugs.py:{line},"
    ]
