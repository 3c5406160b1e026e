"""Which acquisition a release ends, by caller and by kind of acquisition."""

from __future__ import annotations

import asyncio
import gc
import inspect
import linecache
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import anyio
import anyio.lowlevel
import pytest
import trio

from asyncctx_trace import record
from asyncctx_trace.analysis.findings import find
from asyncctx_trace.analysis.timeline.table import Acquisition, Timeline
from asyncctx_trace.recording.reading.reader import read

pytestmark = pytest.mark.usefixtures("installed")

Main = Callable[[], Coroutine[Any, Any, None]]


@pytest.fixture
def traced(tmp_path: Path) -> Callable[..., Timeline]:
    """Runs a coroutine function with all `async with` and calls recorded."""

    def run(main: Main, runner: Callable[..., Any] = asyncio.run) -> Timeline:
        path = tmp_path / "run.actx"
        with record(path, overwrite=True):
            runner(main() if runner is asyncio.run else main)
        return Timeline(read(path))

    return run


def source(timeline: Timeline, site: int | None) -> str:
    """Return the line of a site, "" for none."""
    known = timeline.sites.get(site or 0)
    return linecache.getline(known.file, known.line).strip() if known else ""


def named(timeline: Timeline, task: int) -> str:
    return timeline.tasks[task].name


def most_at_once(acquisitions: list[Acquisition]) -> int:
    """Return how many were held at the same time."""
    moves = [(a.enter_ended or 0, 1) for a in acquisitions if a.entered]
    moves += [(a.exit_started, -1) for a in acquisitions if a.exit_started is not None]
    level = most = 0
    for _, step in sorted(moves):
        level += step
        most = max(most, level)
    return most


async def gathered(**jobs: Coroutine[Any, Any, Any]) -> None:
    """Run each as a task with its name."""
    async with asyncio.TaskGroup() as group:
        for name, job in jobs.items():
            group.create_task(job, name=name)


def of(timeline: Timeline, kind: str) -> list[Acquisition]:
    return [a for a in timeline if timeline.resources[a.resource].kind == kind]


# -- whose it is ---------------------------------------------------------------------------------


def test_a_task_releases_its_own_permit(traced: Callable[..., Timeline]) -> None:
    """The first to acquire is the last to release, and its release ends no other hold."""

    async def main() -> None:
        permits, second_is_done = asyncio.Semaphore(2), asyncio.Event()

        async def work(done: asyncio.Event, then: asyncio.Event | None) -> None:
            await permits.acquire()
            if then is None:
                await done.wait()
            permits.release()
            if then is not None:
                then.set()

        await gathered(slow=work(second_is_done, None), fast=work(second_is_done, second_is_done))

    timeline = traced(main)

    slow, fast = of(timeline, "semaphore")
    assert named(timeline, slow.task) == named(timeline, slow.exit_task) == "slow"
    assert named(timeline, fast.task) == named(timeline, fast.exit_task) == "fast"
    assert slow.exit_ended is not None
    assert fast.exit_ended is not None
    assert fast.exit_ended < slow.exit_ended
    assert slow.by_call
    assert source(timeline, slow.site) == "await permits.acquire()"
    assert source(timeline, slow.exit_site) == "permits.release()"
    assert not timeline.unmatched


def test_a_permit_that_is_handed_over_is_released_by_the_job(
    traced: Callable[..., Timeline],
) -> None:
    """The oldest is released first, and the recording says by which task."""

    async def main() -> None:
        places = asyncio.Semaphore(1)

        async def job() -> None:
            places.release()

        async with asyncio.TaskGroup() as group:
            for n in range(2):
                await places.acquire()
                group.create_task(job(), name=f"job-{n}")

    timeline = traced(main)

    first, second = of(timeline, "semaphore")
    assert named(timeline, first.exit_task) == "job-0"
    assert named(timeline, second.exit_task) == "job-1"
    assert source(timeline, first.exit_site) == "places.release()"


def test_a_callback_and_another_thread_release_what_a_task_acquired(
    traced: Callable[..., Timeline],
) -> None:
    """They are not tasks; what they do is recorded nevertheless."""

    async def main() -> None:
        permits, loop = asyncio.Semaphore(2), asyncio.get_running_loop()
        released = loop.create_future()
        await permits.acquire()
        await permits.acquire()
        future = loop.create_future()
        future.add_done_callback(lambda _: permits.release())
        future.set_result(None)
        await asyncio.to_thread(loop.call_soon_threadsafe, permits.release)
        await asyncio.to_thread(loop.call_soon_threadsafe, released.set_result, None)
        await released

    timeline = traced(main)

    assert [a.exit_ended is not None for a in of(timeline, "semaphore")] == [True, True]
    assert not timeline.unmatched


def test_a_refused_release_ends_nothing(traced: Callable[..., Timeline]) -> None:
    """A release that raises has no effect."""

    async def main() -> None:
        lock = trio.Lock()

        async def thief() -> None:
            with pytest.raises(RuntimeError):
                lock.release()

        await lock.acquire()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(thief)
        lock.release()

    timeline = traced(main, trio.run)

    (hold,) = of(timeline, "lock")
    assert hold.exit_task == hold.task
    assert not timeline.unmatched


# -- blocks and calls ----------------------------------------------------------------------------


def test_a_block_may_release_its_permit_and_acquire_it_again(
    traced: Callable[..., Timeline],
) -> None:
    """Meanwhile no task holds it; the end of the block ends the second acquisition."""

    async def main() -> None:
        permits = asyncio.Semaphore(1)
        async with permits:
            permits.release()
            await asyncio.sleep(0)
            await permits.acquire()

    timeline = traced(main)

    before, after = of(timeline, "semaphore")
    assert source(timeline, before.exit_site) == "permits.release()"
    assert source(timeline, after.site) == "await permits.acquire()"
    assert after.exit_ended is not None
    assert after.exit_site is None
    assert most_at_once(of(timeline, "semaphore")) == 1
    assert not timeline.unmatched


def test_a_permit_released_inside_its_block_and_by_its_end_is_one_too_many(
    traced: Callable[..., Timeline],
) -> None:
    """The line of the release is named: the block's end is right."""

    async def main() -> None:
        permits = asyncio.Semaphore(1)
        async with permits:
            permits.release()

    timeline = traced(main)

    (extra,) = timeline.unmatched
    assert source(timeline, extra.site) == "permits.release()"


def test_a_release_of_what_no_task_holds_is_recorded(traced: Callable[..., Timeline]) -> None:
    """A semaphore was held before recording began."""

    async def main() -> None:
        permits = asyncio.Semaphore(1)
        async with permits:
            pass
        permits.release()

    timeline = traced(main)

    (extra,) = timeline.unmatched
    assert named(timeline, extra.task) == "Task-1" or extra.task
    assert source(timeline, extra.site) == "permits.release()"


def test_blocks_and_calls_of_one_semaphore_are_one_resource(
    traced: Callable[..., Timeline],
) -> None:
    """Each release ends what its own kind has acquired."""

    async def main() -> None:
        permits = asyncio.Semaphore(2)
        async with permits:
            await permits.acquire()
            permits.release()
        await permits.acquire()
        async with permits:
            pass
        permits.release()

    timeline = traced(main)

    assert len({a.resource for a in timeline}) == 1
    assert [a.by_call for a in timeline] == [False, True, True, False]
    assert all((a.exit_site is not None) == a.by_call for a in timeline)
    assert all(a.exit_ended is not None for a in timeline)
    assert not timeline.unmatched


# -- subclasses ----------------------------------------------------------------------------------


class Limit(asyncio.BoundedSemaphore):
    """A subclass of the user whose methods call those of the base class."""

    async def acquire(self) -> bool:  # type: ignore[override]  # as users write it
        return await super().acquire()

    def release(self) -> None:
        super().release()


@pytest.mark.parametrize("made", [asyncio.BoundedSemaphore, Limit, asyncio.Lock])
def test_subclasses_are_counted_once(
    traced: Callable[..., Timeline], made: Callable[[], Any]
) -> None:
    """Acquired by a block or by a call, though one method calls the other."""

    async def main() -> None:
        limit = made()
        async with limit:
            pass
        await limit.acquire()
        limit.release()

    timeline = traced(main)

    assert [a.by_call for a in timeline] == [False, True]
    assert [source(timeline, a.site) for a in timeline] == [
        "async with limit:",
        "await limit.acquire()",
    ]
    assert all(a.exit_ended is not None for a in timeline)
    assert not timeline.unmatched


# -- conditions ----------------------------------------------------------------------------------


async def waits_in_a_block(condition: Any) -> None:
    async with condition:
        await condition.wait()


async def waits_by_call(condition: Any) -> None:
    await condition.acquire()
    try:
        await condition.wait()
    finally:
        condition.release()


@pytest.mark.parametrize("waits", [waits_in_a_block, waits_by_call])
@pytest.mark.parametrize("library", ["asyncio", "anyio", "anyio on trio", "trio"])
def test_a_task_asleep_in_a_condition_holds_nothing(
    traced: Callable[..., Timeline], library: str, waits: Callable[[Any], Coroutine[Any, Any, None]]
) -> None:
    """Its hold ends where it waits; then it waits for the lock like any other task."""

    async def main() -> None:
        made: Any = {"asyncio": asyncio, "trio": trio}.get(library, anyio)
        condition = made.Condition()
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(waits, condition)
            await anyio.wait_all_tasks_blocked()
            async with condition:
                condition.notify_all()
                for _ in range(5):
                    await anyio.lowlevel.checkpoint()

    runner = {"asyncio": asyncio.run, "anyio": anyio_run}.get(library, trio.run)
    timeline = traced(main, runner)

    assert len({a.resource for a in timeline if a.by_call or is_limited(timeline, a)}) == 1
    of_lock = [a for a in timeline if is_limited(timeline, a)]
    again = [a for a in of_lock if "wait()" in source(timeline, a.site)]
    assert (len(of_lock), len(again)) == (3 + 1 + 3, 3)
    assert most_at_once(of_lock) == 1
    notifier = of_lock[3]
    for each in again:
        assert notifier.exit_started is not None
        assert each.enter_ended is not None
        assert each.enter_started < notifier.exit_started <= each.enter_ended
    assert all(a.exit_ended is not None for a in of_lock)
    assert not timeline.unmatched


def is_limited(timeline: Timeline, acquisition: Acquisition) -> bool:
    return timeline.resources[acquisition.resource].kind in ("condition", "lock")


def anyio_run(main: Main) -> None:
    anyio.run(main, backend="asyncio")


@pytest.mark.parametrize("waits", [waits_in_a_block, waits_by_call])
def test_a_librarys_own_condition_is_no_acquisition(
    traced: Callable[..., Timeline], waits: Callable[[Any], Coroutine[Any, Any, None]]
) -> None:
    """`wait()` takes the lock again for an `async with` that is not recorded: nor is that."""

    async def main() -> None:
        barrier = asyncio.Barrier(3)  # has a condition
        condition = asyncio.Condition()
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(barrier.wait())
            group.create_task(a_library(waits)(condition))
            await asyncio.sleep(0)
            async with condition:
                condition.notify_all()

    timeline = traced(main)

    of_lock = [a for a in timeline if is_limited(timeline, a)]
    assert [source(timeline, a.site) for a in of_lock] == ["async with condition:"]
    assert not timeline.unmatched


async def counts(semaphore: asyncio.Semaphore) -> None:
    await semaphore.acquire()


def test_a_librarys_own_semaphore_is_not_recorded(traced: Callable[..., Timeline]) -> None:
    """A library counts with it what it likes; one that the program uses, too, is recorded."""
    count = a_library(counts)

    async def main() -> None:
        await count(asyncio.Semaphore(2))
        ours = asyncio.Semaphore(2)
        async with ours:
            await count(ours)
            ours.release()

    timeline = traced(main)

    assert [source(timeline, a.site) for a in timeline] == ["async with ours:", "await count(ours)"]
    assert all(a.exit_ended is not None for a in timeline)


def a_library(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function in an installed package."""
    names: dict[str, Any] = {"__name__": "a_library", "asyncio": asyncio, "Any": Any}
    code = compile(inspect.getsource(function), "/a/site-packages/a_library.py", "exec")
    exec(code, names)
    return cast(Callable[..., Any], names[function.__name__])


# -- tasks that do nothing but acquire ------------------------------------------------------------


async def by_wait_for(lock: asyncio.Lock) -> None:
    await asyncio.wait_for(lock.acquire(), 5)


async def by_create_task(lock: asyncio.Lock) -> None:
    await asyncio.create_task(lock.acquire())


async def by_shield(lock: asyncio.Lock) -> None:
    await asyncio.shield(lock.acquire())


async def by_wait(lock: asyncio.Lock) -> None:
    await asyncio.wait([asyncio.ensure_future(lock.acquire())])


@pytest.mark.parametrize("acquire", [by_wait_for, by_create_task, by_shield, by_wait])
def test_who_has_a_lock_acquired_holds_it(
    traced: Callable[..., Timeline], acquire: Callable[[asyncio.Lock], Coroutine[Any, Any, None]]
) -> None:
    """The task that waits for it, and not the one that was made only to acquire."""

    async def main() -> None:
        lock = asyncio.Lock()

        async def worker() -> None:
            await acquire(lock)
            lock.release()

        async with lock:
            task = asyncio.create_task(worker(), name="worker")
            for _ in range(5):
                await asyncio.sleep(0)
        await task

    timeline = traced(main)

    block, hold = timeline
    assert named(timeline, hold.task) == named(timeline, hold.exit_task) == "worker"
    assert "lock.acquire()" in source(timeline, hold.site)
    assert block.exit_ended is not None
    assert hold.enter_started < block.exit_ended
    assert hold.enter_ended is not None
    assert hold.enter_ended > block.exit_ended


def test_a_task_that_acquires_again_does_not_wait_itself(
    traced: Callable[..., Timeline],
) -> None:
    """It made two tasks of `lock.acquire()`: the second was let in, the first was cancelled."""

    async def main() -> None:
        lock = asyncio.Lock()
        await lock.acquire()
        first = asyncio.create_task(lock.acquire())
        await asyncio.sleep(0)
        second = asyncio.create_task(lock.acquire())
        first.cancel()
        lock.release()
        await second

    timeline = traced(main)

    assert len(timeline) == 3
    assert "deadlock" not in [f.kind for f in find(timeline)]


def test_a_poll_that_gave_up_holds_nothing(traced: Callable[..., Timeline]) -> None:
    """A deadline cancels the task that acquires."""

    async def main() -> None:
        lock = asyncio.Lock()
        async with lock:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(lock.acquire(), 0.001)

    timeline = traced(main)

    _, poll = of(timeline, "lock")
    assert poll.enter_ended is not None
    assert not poll.entered


# -- anyio and trio ------------------------------------------------------------------------------


def test_primitives_of_trio_and_anyio_by_call(traced: Callable[..., Timeline]) -> None:
    """``acquire``, ``acquire_nowait``, on behalf of somebody; each given back by its release."""

    async def main() -> None:
        for made in (trio, anyio):
            for thing in (made.Lock(), made.Semaphore(1), made.CapacityLimiter(1)):
                await thing.acquire()
                thing.release()
                thing.acquire_nowait()
                thing.release()
                async with thing:
                    pass
            limiter = made.CapacityLimiter(2)
            await limiter.acquire_on_behalf_of("a")
            limiter.acquire_on_behalf_of_nowait("b")
            limiter.release_on_behalf_of("a")
            limiter.release_on_behalf_of("b")

    timeline = traced(main, trio.run)

    assert len(timeline) == 2 * (3 * 3 + 2)
    assert [a.by_call for a in timeline][:9] == [True, True, False] * 3
    assert all(a.exit_ended is not None for a in timeline)
    assert not timeline.unmatched
    first, second = list(timeline)[9:11]
    assert first.exit_ended is not None
    assert second.exit_ended is not None
    assert first.exit_ended < second.exit_ended


def test_primitives_of_anyio_on_asyncio_by_call(traced: Callable[..., Timeline]) -> None:
    """The same on the other backend; a poll that finds no place leaves no trace."""

    async def main() -> None:
        for thing in (anyio.Lock(), anyio.Semaphore(1), anyio.CapacityLimiter(1)):
            await thing.acquire()
            thing.release()
            thing.acquire_nowait()
            thing.release()
        with pytest.raises(anyio.WouldBlock):
            anyio.Semaphore(0).acquire_nowait()

    timeline = traced(main, anyio_run)

    assert len(timeline) == 6
    assert all(a.exit_ended is not None for a in timeline)
    assert not timeline.unmatched


# -- who called, what was collected ---------------------------------------------------------------


async def locked(lock: asyncio.Lock) -> None:
    await lock.acquire()


def test_a_helper_that_acquires_is_distinguished_by_its_callers(
    traced: Callable[..., Timeline],
) -> None:
    """One line, and a site for each line that calls the helper."""

    async def main() -> None:
        lock = asyncio.Lock()
        await locked(lock)  # first
        lock.release()
        await locked(lock)  # second
        lock.release()

    timeline = traced(main)

    sites = [timeline.sites[a.site] for a in timeline]
    assert {site.line for site in sites} == {sites[0].line}
    assert [source(timeline, site.caller) for site in sites] == [
        "await locked(lock)  # first",
        "await locked(lock)  # second",
    ]


def test_a_lock_that_is_collected_while_it_is_held_is_recorded(
    traced: Callable[..., Timeline],
) -> None:
    """No task can release it any more; and the tracer does not keep it alive."""

    async def main() -> None:
        await asyncio.Semaphore(1).acquire()
        gc.collect()

    timeline = traced(main)

    (hold,) = timeline
    assert hold.collected is not None
    assert hold.exit_started is None


def test_what_is_acquired_after_a_collected_lock_is_not_within_it(
    traced: Callable[..., Timeline],
) -> None:
    """A task that loses a lock for each request does not nest deeper and deeper."""

    async def main() -> None:
        await asyncio.Semaphore(1).acquire()
        gc.collect()
        await asyncio.Semaphore(1).acquire()

    first, second = traced(main)

    assert first.collected is not None
    assert second.parent is None


# -- exit stacks ----------------------------------------------------------------------------------


class Service:
    """Keeps what it opens on a stack of its own."""

    def __init__(self) -> None:
        self.stack = AsyncExitStack()

    async def __aenter__(self) -> Service:
        await self.stack.enter_async_context(asyncio.Lock())
        return self

    async def __aexit__(self, *exc: Any) -> None:
        await self.stack.__aexit__(*exc)


def test_what_is_on_a_stack_says_where_the_stack_ended(traced: Callable[..., Timeline]) -> None:
    """By ``aclose()``, by its own block, by hand."""

    async def main() -> None:
        closed = AsyncExitStack()
        await closed.enter_async_context(asyncio.Lock())
        await closed.aclose()
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(asyncio.Lock())
        async with Service():
            pass

    timeline = traced(main)

    assert [source(timeline, a.exit_site) for a in of(timeline, "lock")] == [
        "await closed.aclose()",
        "async with AsyncExitStack() as stack:",
        "await self.stack.__aexit__(*exc)",
    ]
    assert {a.exit_site for a in of(timeline, "exit stack")} == {None}


def test_a_stack_that_is_collected_unclosed_is_recorded(traced: Callable[..., Timeline]) -> None:
    """Its managers are never exited."""

    async def main() -> None:
        await AsyncExitStack().enter_async_context(asyncio.Lock())
        gc.collect()

    timeline = traced(main)

    (hold,) = timeline
    assert hold.collected is not None
    assert hold.exit_started is None
