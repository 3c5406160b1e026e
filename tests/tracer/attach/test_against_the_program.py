"""At any moment, what is read is what the program itself knows of its locks and tasks."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from asyncctx_trace.attach.in_process.reader import read_state
from asyncctx_trace.attach.picture import Picture

Held = set[tuple[str, int]]
"""Pairs of the name of a task and the address of what it holds or waits for."""


class Program:
    """Tasks that enter locks and semaphores in a random order, and note what they do."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.things: list[Any] = [asyncio.Lock(), asyncio.Lock(), asyncio.Semaphore(2)]
        self.held: Held = set()
        self.waits: Held = set()

    async def task(self, depth: int) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
            await self.random.choice([self.statement, self.stack, self.helper])(depth)

    async def statement(self, depth: int) -> None:
        thing = self.asks()
        async with thing:
            self.gets(thing)
            await self.inside(depth)
            self.leaves(thing)

    async def stack(self, depth: int) -> None:
        async with AsyncExitStack() as stack:
            thing = self.asks()
            await stack.enter_async_context(thing)
            self.gets(thing)
            await self.inside(depth)
            self.leaves(thing)

    async def helper(self, depth: int) -> None:
        @asynccontextmanager
        async def manager() -> AsyncIterator[None]:
            thing = self.asks()
            async with thing:
                self.gets(thing)
                yield
                self.leaves(thing)

        async with manager():
            await self.inside(depth)

    async def inside(self, depth: int) -> None:
        try:
            await asyncio.sleep(0)
            if depth:
                await self.task(depth - 1)
        except ZeroDivisionError:
            raise AssertionError from None

    def me(self, thing: Any) -> tuple[str, int]:
        task = asyncio.current_task()
        assert task is not None
        return task.get_name(), id(thing)

    def asks(self) -> Any:
        """Choose something that this task does not hold, or it would wait for itself."""
        free = [thing for thing in self.things if self.me(thing) not in self.held]
        thing = self.random.choice(free or [asyncio.Lock()])
        self.waits.add(self.me(thing))
        return thing

    def gets(self, thing: Any) -> None:
        self.waits.discard(self.me(thing))
        self.held.add(self.me(thing))

    def leaves(self, thing: Any) -> None:
        self.held.discard(self.me(thing))

    async def looks(self, count: int) -> list[tuple[Picture, Held, Held]]:
        tasks = [asyncio.create_task(self.task(2), name=f"task {n}") for n in range(5)]
        seen = []
        for _ in range(count):
            await asyncio.sleep(0)
            state = json.loads(json.dumps(read_state()))
            seen.append((Picture(state), set(self.held), set(self.waits)))
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return seen


@settings(max_examples=4, deadline=None, database=None)
@given(seed=st.integers(0, 10_000))
def test_holders_and_waiters_are_those_that_the_program_knows(seed: int) -> None:
    """Deadlocks included. Who is woken, but has not run yet, is counted as waiting by neither."""

    async def main() -> list[tuple[Picture, Held, Held]]:
        program = Program(seed)
        return await program.looks(12)

    looks = asyncio.run(main())
    assert sum(len(held) + len(waits) for _, held, waits in looks) > len(looks)
    for picture, held, waits in looks:
        names = {key: worker.name for key, worker in picture.workers.items()}
        things = {thing for _, thing in held | waits}
        read = {(names[h.worker], h.key) for h in picture.holds if h.key in things}
        waiting = {(names[w.worker], w.resource or 0) for w in picture.waits.values()}
        ready = {worker.name for worker in picture.workers.values() if worker.state != "waiting"}
        assert read == held
        assert {wait for wait in waits if wait[0] not in ready} == {
            wait for wait in waiting if wait[1] in things
        }
