"""Small real programs, recorded in this process."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from analysis.support.clocked import record
from asyncctx_trace import traced
from asyncctx_trace.analysis.findings import Finding, Thresholds, find
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.recording.reading.reader import read

Main = Callable[[], Coroutine[Any, Any, None]]

SHORT = 0.002
"""Seconds: what everything in these programs takes."""

# A few ms are long here.
THRESHOLDS = Thresholds(
    slow_cleanup=20_000_000,
    held_across_wait=2_000_000,
    starved_pool=2_000_000,
    still_waiting=2_000_000,
)


def recorded(main: Main, path: Path) -> Timeline:
    """What a run of ``main`` leaves behind."""
    with record(path) as run:
        run(main())
    return Timeline(read(path))


def findings_of(main: Main, path: Path) -> list[Finding]:
    """What there is to tell of a run of ``main``."""
    return find(recorded(main, path), thresholds=THRESHOLDS)


def marked_lines(main: Main, mark: str) -> set[int]:
    """Numbers of the lines of ``main`` that end in the comment ``# mark``."""
    lines, first = inspect.getsourcelines(main)
    return {first + i for i, line in enumerate(lines) if line.rstrip().endswith(f"# {mark}")}


def lock(name: str) -> asyncio.Lock:
    """A lock by a name."""
    return traced(asyncio.Lock(), name=name)


class Connection:
    """What a pool hands out."""


class Pool:
    """As pools are: acquire() makes a new manager for each use."""

    def __init__(self, size: int) -> None:
        self.free = asyncio.Semaphore(size)
        self.acquire: Callable[[], Any] = traced(
            self._acquire, name="pool", kind="pool", resource=self, capacity=size
        )

    @asynccontextmanager
    async def _acquire(self) -> AsyncIterator[Connection]:
        await self.free.acquire()
        try:
            yield Connection()
        finally:
            self.free.release()


class Session:
    """A manager that does in its enter and exit what it is told."""

    def __init__(
        self,
        enter: Callable[[], Awaitable[Any]] | None = None,
        exit: Callable[[], Awaitable[Any]] | None = None,
        swallows: bool = False,
    ) -> None:
        self.enter = enter
        self.exit = exit
        self.swallows = swallows

    async def __aenter__(self) -> Session:
        if self.enter is not None:
            await self.enter()
        return self

    async def __aexit__(self, *exc: object) -> bool:
        if self.exit is not None:
            await self.exit()
        return self.swallows


def session(name: str = "session", **options: Any) -> Session:
    """A traced :class:`Session`."""
    return traced(Session(**options), name=name)


async def pause() -> None:
    """Let the others run for a while."""
    await asyncio.sleep(SHORT)


async def turn() -> None:
    """Let the others do one thing: what follows does not depend on how fast they are."""
    await asyncio.sleep(0)


async def until_they_hang(*coroutines: Coroutine[Any, Any, Any]) -> None:
    """Run them together for many turns, and whoever is not done by then is cancelled."""
    tasks = [asyncio.ensure_future(each) for each in coroutines]
    for _ in range(50):
        await turn()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
