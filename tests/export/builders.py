"""Recordings made by real programs in this process, or told fact by fact."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from asyncctx_trace import record, traced

Program = Callable[[], Coroutine[Any, Any, None]]


def recorded(path: Path, program: Program) -> Path:
    """``path`` with what ``program`` did."""
    with record(path):
        asyncio.run(program())
    return path


async def contention() -> None:
    """Three tasks want one lock; one of them fails, one is cancelled."""
    lock = traced(asyncio.Lock(), name="db lock")
    pool = traced(asyncio.Semaphore(2), name="pool")

    async def work(number: int) -> None:
        async with pool, lock:
            await asyncio.sleep(0)
            if number == 1:
                raise ValueError("müde \udcff")

    async with lock:
        tasks = [asyncio.create_task(work(number), name=f"worker-{number}") for number in range(4)]
        await asyncio.sleep(0)
        tasks[2].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def many(acquisitions: int) -> Program:
    """So many acquisitions of one manager in a row."""

    async def program() -> None:
        lock = traced(asyncio.Lock(), name="lock")
        for _ in range(acquisitions):
            async with lock:
                pass

    return program


async def leak() -> None:
    """Enters and never leaves, within a body that is over."""
    async with traced(asyncio.Semaphore(9), name="outer"):
        await traced(asyncio.Lock(), name="forgotten").__aenter__()
