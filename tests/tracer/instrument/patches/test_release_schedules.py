"""Under any schedule, a correct program has correct holds and no certain finding."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asyncctx_trace import record
from asyncctx_trace.analysis.findings import find
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.recording.reading.reader import read

PERMITS = 2


class Program:
    """Tasks that share a semaphore and a condition, and always give back what they take."""

    def __init__(self) -> None:
        self.permits = asyncio.Semaphore(PERMITS)
        self.condition = asyncio.Condition()

    async def block(self) -> None:
        async with self.permits:
            await turns(2)

    async def call(self) -> None:
        await self.permits.acquire()
        try:
            await turns(2)
        finally:
            self.permits.release()

    async def gives_back_for_a_while(self) -> None:
        async with self.permits:
            await turns(1)
            self.permits.release()
            try:
                await turns(1)
            finally:
                await uncancelled(self.permits.acquire)
            await turns(1)

    async def acquires_in_a_task(self) -> None:
        asking = asyncio.ensure_future(self.permits.acquire())
        try:
            await asyncio.shield(asking)
        except asyncio.CancelledError:
            asking.add_done_callback(lambda _: self.permits.release())
            raise
        try:
            await turns(1)
        finally:
            self.permits.release()

    async def hands_over(self) -> None:
        await self.permits.acquire()
        task = asyncio.ensure_future(turns(2))
        task.add_done_callback(lambda _: self.permits.release())
        await asyncio.shield(task)

    async def waits(self) -> None:
        async with self.condition:
            await self.condition.wait()
            await turns(1)

    async def waits_by_call(self) -> None:
        await self.condition.acquire()
        try:
            # Not wait_for(): up to CPython 3.11 it may be cancelled while its task has the lock.
            async with asyncio.timeout(60):
                await self.condition.wait()
            await turns(1)
        finally:
            self.condition.release()

    async def run(self, plans: list[list[str]], cancelled: list[tuple[int, int]]) -> None:
        """Run each plan in a task; cancel some after so many turns."""
        tasks = [asyncio.create_task(self._work(plan)) for plan in plans]
        for number, after in cancelled:
            await turns(after)
            tasks[number % len(tasks)].cancel()
        while not all(task.done() for task in tasks):
            async with self.condition:
                self.condition.notify_all()
            await turns(1)
        await asyncio.gather(*tasks, return_exceptions=True)
        await turns(5)
        assert self.permits._value == PERMITS  # noqa: SLF001 - asyncio shows no count

    async def _work(self, plan: list[str]) -> None:
        for step in plan:
            await getattr(self, step)()


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def uncancelled(acquire: Callable[[], object]) -> None:
    while True:
        with suppress(asyncio.CancelledError):
            await acquire()  # type: ignore[misc]  # a coroutine function
            return


STEPS = [
    "block",
    "call",
    "gives_back_for_a_while",
    "acquires_in_a_task",
    "hands_over",
    "waits",
    "waits_by_call",
]


@pytest.mark.usefixtures("installed")
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    plans=st.lists(st.lists(st.sampled_from(STEPS), max_size=4), min_size=1, max_size=4),
    cancelled=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6)), max_size=3),
)
def test_no_schedule_leads_to_a_wrong_hold_or_a_certain_finding(
    tmp_path_factory: pytest.TempPathFactory,
    plans: list[list[str]],
    cancelled: list[tuple[int, int]],
) -> None:
    """With cancellations at any moment."""
    path: Path = tmp_path_factory.mktemp("schedule") / "run.actx"

    with record(path):
        asyncio.run(Program().run(plans, cancelled))
    timeline = Timeline(read(path))

    assert timeline.in_flight == []
    assert timeline.unmatched == []
    for resource, rows in timeline.rows_of_resource.items():
        capacity = timeline.resources[resource].capacity
        assert capacity is None or most_at_once(timeline, rows) <= capacity
    certain = [f.summary for f in find(timeline) if f.certainty == "certain"]
    assert certain == []


def most_at_once(timeline: Timeline, rows: Iterable[int]) -> int:
    moves = []
    for row in rows:
        if timeline.entered(row):
            moves += [(timeline.enter_ended[row], 1), (timeline.exit_started[row], -1)]
    level = most = 0
    for _, step in sorted(moves):
        level += step
        most = max(most, level)
    return most
