"""Programs that look like buggy ones and are not: nothing certain is told of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path

import pytest

from analysis.support.programs import (
    SHORT,
    THRESHOLDS,
    Main,
    Pool,
    lock,
    pause,
    recorded,
    session,
    turn,
)
from asyncctx_trace import traced
from asyncctx_trace.analysis.findings import find

CLEAN: list[tuple[tuple[str, ...], Main]] = []


def clean(*possible: str) -> Callable[[Main], Main]:
    """A program of which nothing is certain, and only these kinds are possible."""

    def add(main: Main) -> Main:
        CLEAN.append((possible, main))
        return main

    return add


@clean()
async def two_locks_always_in_the_same_order() -> None:
    first, second = lock("first"), lock("second")

    async def both() -> None:
        async with first, second:
            await asyncio.sleep(0)

    await asyncio.gather(both(), both(), both())


@clean()
async def contrary_orders_under_one_outer_lock() -> None:
    gate, first, second = lock("gate"), lock("first"), lock("second")

    async def both(outer: asyncio.Lock, inner: asyncio.Lock) -> None:
        async with gate, outer, inner:
            await asyncio.sleep(0)

    await asyncio.gather(both(first, second), both(second, first))


@clean()
async def contrary_orders_in_one_task() -> None:
    first, second = lock("first"), lock("second")
    async with first, second:
        pass
    async with second, first:
        pass


@clean("lock-order-inversion")
async def contrary_orders_in_phases_that_never_meet() -> None:
    first, second = lock("first"), lock("second")

    async def both(outer: asyncio.Lock, inner: asyncio.Lock) -> None:
        async with outer, inner:
            await pause()

    await asyncio.create_task(both(first, second))
    await asyncio.create_task(both(second, first))


@clean("lock-order-inversion")
async def accounts_locked_in_the_order_of_their_numbers() -> None:
    accounts = [lock(f"account {n}") for n in range(4)]

    async def transfer(source: int, target: int) -> None:
        low, high = sorted((source, target))
        async with accounts[low], accounts[high]:
            await asyncio.sleep(0)

    await asyncio.gather(*(transfer(a, b) for a in range(4) for b in range(4) if a != b))


@clean()
async def a_tree_of_locks_walked_down() -> None:
    async def walk(depth: int) -> None:
        async with lock("node"), lock("edge"):
            if depth:
                await walk(depth - 1)

    await asyncio.gather(walk(3), walk(3))


@clean()
async def a_long_queue_that_moves() -> None:
    counter = lock("counter")

    async def worker() -> None:
        for _ in range(3):
            async with counter:
                await asyncio.sleep(0)

    await asyncio.gather(*(worker() for _ in range(10)))


@clean()
async def a_semaphore_entered_twice_by_one_task() -> None:
    permits = traced(asyncio.Semaphore(3), name="permits")

    async def twice() -> None:
        async with permits, permits:
            await asyncio.sleep(0)

    await twice()
    await twice()


@clean()
async def a_pool_large_enough_for_nested_use() -> None:
    pool = Pool(3)

    async def request() -> None:
        async with pool.acquire(), pool.acquire():
            await asyncio.sleep(0)

    await asyncio.gather(request(), request())


@clean()
async def a_limit_that_fast_jobs_raise() -> None:
    limit = traced(asyncio.Semaphore(2), name="limit")

    async def job(fast: bool) -> None:
        await turn()
        if fast:
            limit.release()  # let in one more from now on
        limit.release()

    tasks = []
    for number in range(12):
        await limit.acquire()
        tasks.append(asyncio.create_task(job(number % 2 == 0)))
    await asyncio.gather(*tasks)


@clean()
async def a_pool_in_which_queues_are_short() -> None:
    pool = Pool(2)

    async def request(seconds: float) -> None:
        async with pool.acquire():
            await asyncio.sleep(seconds)

    await asyncio.gather(request(SHORT), request(SHORT), request(20 * SHORT))


@clean()
async def entered_and_exited_by_hand() -> None:
    manager = session()
    await manager.__aenter__()
    await pause()
    await manager.__aexit__(None, None, None)


@clean()
async def a_stack_taken_over_and_closed() -> None:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(session("a"))
        await stack.enter_async_context(session("b"))
        mine = stack.pop_all()
    await mine.aclose()


@clean("timeout")
async def a_lock_given_up_in_the_queue() -> None:
    table = lock("table")

    async def impatient() -> None:
        async with table:
            pass

    async with table:
        task = asyncio.create_task(impatient())
        await pause()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@clean()
async def a_cleanup_that_shields_what_it_must_finish() -> None:
    @asynccontextmanager
    async def transaction() -> AsyncIterator[None]:
        try:
            yield
        finally:
            await asyncio.shield(asyncio.ensure_future(pause()))

    begin = traced(transaction)

    async def client() -> None:
        async with begin():
            await asyncio.sleep(1)

    task = asyncio.create_task(client())
    await pause()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@clean()
async def an_exit_that_raises_the_same_error_again() -> None:
    class Rollback:
        async def __aenter__(self) -> None: ...

        async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
            if error is not None:
                raise error

    with suppress(ValueError):
        async with traced(Rollback()):
            raise ValueError("on its way")


@clean()
async def an_error_on_its_way_out() -> None:
    with suppress(ValueError):
        async with session("outer"), session("inner"):
            raise ValueError("unharmed")


@clean()
async def a_deadline_that_is_kept() -> None:
    async with traced(asyncio.timeout(10)):
        await pause()


@clean()
async def a_task_group_that_waits_for_its_tasks() -> None:
    async with traced(asyncio.TaskGroup()) as group:
        group.create_task(asyncio.sleep(0.025))


@clean()
async def a_task_group_that_tells_of_a_failure() -> None:
    async def fails() -> None:
        raise ValueError("told")

    async def sleeps() -> None:
        await asyncio.sleep(1)

    with suppress(ExceptionGroup):
        async with traced(asyncio.TaskGroup()) as group:
            group.create_task(fails())
            group.create_task(sleeps())


@clean("timeout")
async def a_task_group_whose_tasks_queue_for_what_another_one_holds() -> None:
    table = lock("table")

    async def child() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(SHORT), table:
                pass

    async def holds(release: asyncio.Event) -> None:
        async with table:
            await release.wait()

    release = asyncio.Event()
    holder = asyncio.create_task(holds(release))
    await asyncio.sleep(0)
    async with traced(asyncio.TaskGroup()) as group:
        for _ in range(3):
            group.create_task(child())
    release.set()
    await holder


@clean("deadlock", "held-across-wait")
async def a_producer_and_consumers_on_a_condition() -> None:
    condition = traced(asyncio.Condition(), name="news")
    items: list[int] = []

    async def consume() -> None:
        async with condition:
            while not items:
                await condition.wait()
            items.pop()

    async def produce() -> None:
        for number in range(3):
            await pause()
            async with condition:
                items.append(number)
                condition.notify()

    await asyncio.gather(consume(), consume(), consume(), produce())


@clean()
async def timeouts_and_groups_that_everybody_may_enter() -> None:
    async def request() -> None:
        async with traced(asyncio.timeout(5)), session():
            await pause()

    async with traced(asyncio.TaskGroup()) as group:
        for _ in range(5):
            group.create_task(request())


@clean()
async def a_lock_held_while_nobody_wants_it() -> None:
    cache, database = lock("cache"), lock("database")

    async def slow() -> None:
        async with database:
            await asyncio.sleep(3 * SHORT)

    async def loads() -> None:
        async with cache, database:
            pass

    await asyncio.gather(slow(), loads())


@clean()
async def a_client_that_connects_at_the_third_attempt() -> None:
    failures = [ConnectionRefusedError("not yet"), ConnectionRefusedError("not yet")]

    async def connect() -> None:
        if failures:
            raise failures.pop()

    while True:
        try:
            async with session("client", enter=connect):
                return
        except ConnectionRefusedError:
            await pause()


@clean()
async def a_replica_that_stands_in_for_the_primary() -> None:
    async def connect() -> None:
        raise ConnectionRefusedError("down")

    try:
        async with session("primary", enter=connect):
            pass
    except ConnectionRefusedError:
        async with session("replica"):
            pass


@clean()
async def a_dependency_that_refuses_a_request() -> None:
    class HTTPError(Exception):
        pass

    async def authenticate() -> None:
        raise HTTPError(401)

    async with session("request"):
        with suppress(HTTPError):
            async with session("user", enter=authenticate):
                pass


@clean()
async def a_file_that_need_not_be_there() -> None:
    async def open_file() -> None:
        raise FileNotFoundError("settings.toml")

    with suppress(FileNotFoundError):
        async with session("settings", enter=open_file):
            pass


@clean()
async def a_semaphore_that_the_tasks_hold_themselves() -> None:
    limit = traced(asyncio.Semaphore(2), name="limit")

    async def work() -> None:
        async with limit, session("work"):
            await pause()

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(work())


@clean()
async def a_semaphore_around_the_work_that_a_producer_does_itself() -> None:
    limit = traced(asyncio.Semaphore(2), name="limit")

    async def store() -> None:
        async with session("store"):
            await asyncio.sleep(3 * SHORT)

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            async with limit:
                await pause()
            group.create_task(store())


@clean()
async def a_semaphore_taken_now_and_then_by_the_creator_of_many_tasks() -> None:
    counted = traced(asyncio.Semaphore(2), name="counted")

    async def work() -> None:
        async with session("work"):
            await asyncio.sleep(10 * SHORT)

    async with asyncio.TaskGroup() as group:
        for number in range(12):
            group.create_task(work())
            if number % 3 == 0:
                async with counted:
                    await turn()


@clean("cancelled-in-enter", "timeout", "lock-order-inversion")
async def a_second_lock_asked_for_with_a_deadline_and_the_first_let_go_of() -> None:
    first, second = lock("first"), lock("second")

    async def both(one: asyncio.Lock, other: asyncio.Lock, again: float) -> None:
        while True:
            async with one:
                await pause()
                with suppress(TimeoutError):
                    async with asyncio.timeout(SHORT), other:
                        return
            await asyncio.sleep(again)

    await asyncio.gather(both(first, second, SHORT), both(second, first, 10 * SHORT))


@clean()
async def a_burst_of_jobs_behind_a_semaphore() -> None:
    permits = traced(asyncio.Semaphore(2), name="permits")

    async def job() -> None:
        async with permits:
            await pause()

    await asyncio.gather(*(job() for _ in range(12)))


@clean()
async def jobs_that_come_faster_than_a_semaphore_lets_them_in() -> None:
    permits = traced(asyncio.Semaphore(1), name="permits")

    async def job() -> None:
        async with permits:
            await pause()

    async with asyncio.TaskGroup() as group:
        for _ in range(12):
            group.create_task(job())
            await asyncio.sleep(SHORT / 2)


@clean("timeout", "cancelled-in-enter")
async def a_semaphore_polled_until_it_is_free() -> None:
    permits = traced(asyncio.Semaphore(1), name="permits")

    async def polls() -> None:
        while True:
            try:
                async with asyncio.timeout(SHORT), permits:
                    return
            except TimeoutError:
                await pause()

    async def holds() -> None:
        async with permits:
            await asyncio.sleep(10 * SHORT)

    await asyncio.gather(holds(), polls(), polls())


@clean()
async def a_client_opened_on_first_use_under_a_lock() -> None:
    opening = lock("opening")
    client = session("client")

    async def first_use() -> None:
        async with opening:
            await client.__aenter__()

    await first_use()
    await client.__aexit__(None, None, None)


@clean()
async def independent_clients_closed_in_the_order_of_opening() -> None:
    clients = [session(f"client {number}") for number in range(3)]
    for client in clients:
        await client.__aenter__()
    for client in clients:
        await client.__aexit__(None, None, None)


@clean()
async def locks_passed_from_hand_to_hand_down_a_list() -> None:
    nodes = [lock(f"node {number}") for number in range(4)]
    await nodes[0].__aenter__()
    for held, following in pairwise(nodes):
        await following.__aenter__()
        await held.__aexit__(None, None, None)
    await nodes[-1].__aexit__(None, None, None)


@clean()
async def a_session_handed_to_the_task_that_closes_it() -> None:
    manager = session()

    async def opens() -> None:
        await manager.__aenter__()

    async def closes() -> None:
        await manager.__aexit__(None, None, None)

    await asyncio.create_task(opens())
    await asyncio.create_task(closes())


@clean()
async def a_fixture_whose_two_halves_run_in_two_tasks() -> None:
    async def fixture() -> AsyncGenerator[str]:
        async with lock("lock"), session(), traced(asyncio.TaskGroup()):
            yield "up"

    generator = fixture()

    async def finish() -> None:
        async for _ in generator:
            raise AssertionError("a fixture yields once")

    await asyncio.create_task(generator.__anext__())
    await asyncio.create_task(finish())


@clean()
async def a_generator_closed_by_the_task_that_left_it_early() -> None:
    async def rows() -> AsyncGenerator[int]:
        async with session():
            for number in range(3):
                yield number

    async with aclosing(rows()) as numbers:
        async for _ in numbers:
            break


@clean()
async def a_generator_that_another_task_closes_on_purpose() -> None:
    async def rows() -> AsyncGenerator[int]:
        async with session():
            for number in range(3):
                yield number

    numbers = rows()
    await asyncio.create_task(numbers.__anext__())
    async with session(), aclosing(numbers):
        await turn()


@clean()
async def permits_that_the_jobs_give_back() -> None:
    places = traced(asyncio.Semaphore(2), name="places")

    async def job() -> None:
        try:
            await turn()
        finally:
            places.release()

    async with asyncio.TaskGroup() as group:
        for _ in range(6):
            await places.acquire()
            group.create_task(job())


@clean()
async def permits_that_callbacks_give_back() -> None:
    places = traced(asyncio.Semaphore(2), name="places")
    async with asyncio.TaskGroup() as group:
        for _ in range(6):
            await places.acquire()
            group.create_task(turn()).add_done_callback(lambda _: places.release())


@clean()
async def a_permit_given_back_for_a_while_inside_its_block() -> None:
    limit = traced(asyncio.Semaphore(1), name="limit")

    async def fetch() -> None:
        async with limit:
            limit.release()
            await turn()
            await limit.acquire()

    await asyncio.gather(fetch(), fetch(), fetch())


@clean()
async def a_semaphore_that_counts_what_is_there() -> None:
    items = traced(asyncio.Semaphore(0), name="items")

    async def consume() -> None:
        await items.acquire()

    for _ in range(3):
        items.release()
    await asyncio.gather(*(consume() for _ in range(3)))


@clean()
async def a_bucket_that_is_filled_again_by_a_task() -> None:
    tokens = traced(asyncio.Semaphore(2), name="tokens")

    async def refill() -> None:
        for _ in range(3):
            await pause()
            tokens.release()

    async def request() -> None:
        await tokens.acquire()

    filling = asyncio.create_task(refill())
    await asyncio.gather(*(request() for _ in range(5)))
    await filling


@clean()
async def a_limit_that_is_raised_on_purpose() -> None:
    limit = traced(asyncio.Semaphore(1), name="limit")

    async def work() -> None:
        async with limit:
            await pause()

    async def raise_it() -> None:
        limit.release()

    first = asyncio.create_task(work())
    await turn()
    await asyncio.create_task(raise_it())
    await asyncio.gather(first, work(), work())


@clean()
async def a_queue_on_a_condition_taken_by_calls() -> None:
    condition = traced(asyncio.Condition(), name="queue")
    items: list[int] = []

    async def consume() -> None:
        await condition.acquire()
        try:
            while not items:
                await condition.wait()
            items.pop()
        finally:
            condition.release()

    async def produce() -> None:
        await turn()
        async with condition:
            items.extend((1, 2))
            condition.notify_all()

    await asyncio.gather(consume(), consume(), produce())


@pytest.mark.parametrize(
    ("possible", "main"), [pytest.param(*each, id=each[1].__name__) for each in CLEAN]
)
def test_nothing_certain_is_told_of_a_clean_program(
    possible: tuple[str, ...], main: Main, tmp_path: Path
) -> None:
    """And what is called possible is what nobody could tell apart."""
    found = find(recorded(main, tmp_path / "run.actx"), thresholds=THRESHOLDS)

    assert [f.summary for f in found if f.certainty == "certain" or f.kind not in possible] == []
