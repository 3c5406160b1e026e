"""A program is cancelled wherever it suspends; what it loses then is named with its point."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from asyncctx_trace.experiments.sweeping import Loss, Mode, Sweep
from asyncctx_trace.experiments.trial import Program
from asyncctx_trace.steering.order import Place

LIMIT = 60.0
"""Seconds until a program that hangs counts as failed."""

OPENS_AFTER_IT_ACQUIRED = """
    import asyncio
    async def take(permits):
        await permits.acquire()
        await asyncio.sleep(0.001)
        return permits
    async def careless(permits):
        (await take(permits)).release()
    async def careful(lock):
        async with lock:
            await asyncio.sleep(0.001)
    async def main():
        permits, lock = asyncio.Semaphore(2), asyncio.Lock()
        tasks = [asyncio.create_task(each) for each in (careless(permits), careful(lock))]
        await asyncio.wait(tasks)
    asyncio.run(main())
"""
"""A cancellation at the second line of ``take`` loses the permit."""

WAITS_IN_A_POOL = """
    import asyncio
    class Pool:
        def __init__(self):
            self.permits = asyncio.Semaphore(1)
        async def __aenter__(self):
            await self.permits.acquire()
            try:
                await asyncio.sleep(0.001)
            except BaseException:
                {on_error}
                raise
        async def __aexit__(self, *error):
            self.permits.release()
    async def worker(pool):
        async with pool:
            pass
    async def main():
        pool = Pool()
        tasks = [asyncio.create_task(worker(pool))]
        await asyncio.wait(tasks)
        await worker(pool)
    asyncio.run(main())
"""


def swept(folder: Path, source: str, *modes: Mode, where: str = "") -> list[Loss]:
    (folder / "app.py").write_text(dedent(source))
    sweep = Sweep(Program(("app.py",), folder), folder, limit=LIMIT)
    points = sweep.points(modes, where)
    assert points
    return list(sweep.run(points, lambda _point: None))


def test_the_point_that_loses_something_is_found_and_no_other(tmp_path: Path) -> None:
    losses = swept(tmp_path, OPENS_AFTER_IT_ACQUIRED, "cancel")

    (loss,) = losses
    assert loss.point.place == Place("app.py", 5)
    assert loss.point.number == 1
    assert loss.what[0].startswith("leak: `permits` at app.py:4")
    # What repeats it is kept, and nothing of the other points.
    assert sorted(path.name for path in tmp_path.glob("app.py-*")) == [
        "app.py-5-1-cancel.actx",
        "app.py-5-1-cancel.order",
    ]


def test_an_enter_that_gives_back_what_it_took_loses_nothing(tmp_path: Path) -> None:
    source = WAITS_IN_A_POOL.format(on_error="self.permits.release()")

    assert not swept(tmp_path, source, "cancel", "done", where="app.py:9")


def test_an_error_loses_what_a_cancellation_would(tmp_path: Path) -> None:
    source = WAITS_IN_A_POOL.format(on_error="pass")

    (loss,) = swept(tmp_path, source, "error", where="app.py:9")[:1]

    assert loss.point.mode == "error"
    # Where no watchdog proves that nothing can wake the program, it is ended when its time is over.
    assert any("permits" in what or what.startswith("hang: ") for what in loss.what)
