"""Recordings of small programs that run in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from asyncctx_trace import record, traced

Program = Callable[[], Coroutine[Any, Any, None]]


def recorded(path: Path, program: Program) -> Path:
    """Run ``program`` and record it to ``path``."""
    with record(path):
        asyncio.run(program())
    return path


async def contention() -> None:
    """Four tasks contend for a lock; one of them fails, one is cancelled."""
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
    """Return a program that acquires one lock so many times, one after the other."""

    async def program() -> None:
        lock = traced(asyncio.Lock(), name="lock")
        for _ in range(acquisitions):
            async with lock:
                pass

    return program


async def crowd() -> None:
    """Let 20 tasks contend for a lock, then acquire another resource."""
    lock = traced(asyncio.Lock(), name="lock")

    async def hold() -> None:
        async with lock:
            await asyncio.sleep(0)

    await asyncio.gather(*(hold() for _ in range(20)))
    async with traced(asyncio.Lock(), name="last"):
        pass


async def leak() -> None:
    """Enter a lock in a body that ends, and never exit it."""
    async with traced(asyncio.Semaphore(9), name="outer"):
        await traced(asyncio.Lock(), name="forgotten").__aenter__()


async def out_of_order() -> None:
    """Enter a and b, then exit a and b, so that they overlap without nesting."""
    a, b = traced(asyncio.Lock(), name="a"), traced(asyncio.Lock(), name="b")
    await a.__aenter__()
    await asyncio.sleep(0)
    await b.__aenter__()
    await asyncio.sleep(0)
    await a.__aexit__(None, None, None)
    await asyncio.sleep(0)
    await b.__aexit__(None, None, None)


class Session:
    """A manager that acquires a lock in its enter and releases it in its exit."""

    def __init__(self) -> None:
        self._lock = traced(asyncio.Lock(), name="inner")

    async def __aenter__(self) -> None:
        await self._lock.__aenter__()
        await asyncio.sleep(0)

    async def __aexit__(self, *exc: object) -> None:
        await asyncio.sleep(0)
        await self._lock.__aexit__(None, None, None)


class Connecting:
    """Holds a lock while it connects, and no longer."""

    async def __aenter__(self) -> None:
        async with traced(asyncio.Lock(), name="connecting"):
            await asyncio.sleep(0)

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(0)


async def connects_in_enter() -> None:
    """Acquire and release a lock in the enter of a manager."""
    async with traced(Connecting(), name="connection"):
        await asyncio.sleep(0)


async def queue_of_three() -> None:
    """Let three tasks queue for a lock."""
    lock = traced(asyncio.Lock(), name="lock")

    async def worker() -> None:
        async with lock:
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(worker(), name=f"worker-{number}")


async def acquires_in_enter() -> None:
    """Acquire a lock from the enter of a manager to its exit."""
    async with traced(Session(), name="outer"):
        await asyncio.sleep(0)
