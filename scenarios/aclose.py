"""Things that close, but are no managers.

A class with `aclose()` becomes a manager through `contextlib.aclosing`. For an async generator
the same word matters more than it seems: a loop that is left early leaves the generator where
it stands, with its `finally` still to come. Then the event loop closes it later, in a task of
its own; with `aclosing` it is closed at once, here. The feed is a real process that ticks.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing

from asyncctx_trace import traced

TICKER = (
    "import itertools, time\nfor n in itertools.count(1): print(n, flush=True); time.sleep(0.3)"
)

desk = traced(asyncio.Lock(), name="desk")


class Feed:
    """A process that tells numbers, until it is closed."""

    async def open(self) -> "Feed":
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", TICKER), stdout=subprocess.PIPE
        )
        return self

    async def next(self) -> int:
        """The next number."""
        assert self.process.stdout is not None
        return int(await self.process.stdout.readline())

    async def aclose(self) -> None:
        """Ends the process."""
        self.process.terminate()
        await self.process.wait()
        print("  feed: the process has ended")


async def numbers(count: int) -> AsyncGenerator[int]:
    """Counts, sitting at the desk until it is closed."""
    async with desk:
        try:
            for number in range(count):
                await asyncio.sleep(0.3)
                yield number
        finally:
            await asyncio.sleep(0.3)
            print(f"  numbers: leaves the desk, in task {name_of_task()!r}")


def name_of_task() -> str:
    """Who runs; the tasks that the event loop makes for itself have numbers for names."""
    task = asyncio.current_task()
    assert task is not None
    return "somebody else" if task.get_name().startswith("Task-") else task.get_name()


async def close_a_feed() -> None:
    """`aclosing` calls `aclose` at the end of the body, whatever happens in it."""
    async with aclosing(await Feed().open()) as feed:
        for _ in range(4):
            print(f"  feed: {await feed.next()}")


async def leave_a_loop_early() -> None:
    """A plain loop: the generator is left alone with its cleanup."""
    async for number in numbers(10):
        if number == 2:
            break
    print(f"  left the loop at {number}; the desk is {'taken' if desk.locked() else 'free'}")
    await asyncio.sleep(0.6)
    print(f"  a while later the desk is {'taken' if desk.locked() else 'free'}")


async def leave_a_loop_early_and_close() -> None:
    """The same, closed."""
    async with aclosing(numbers(10)) as counting:
        async for number in counting:
            if number == 2:
                break
    print(f"  left the loop at {number}; the desk is {'taken' if desk.locked() else 'free'}")


async def main() -> None:
    print("a class with aclose():")
    await close_a_feed()
    print("a generator that nobody closes:")
    await leave_a_loop_early()
    print("a generator in aclosing():")
    await asyncio.create_task(leave_a_loop_early_and_close(), name="reader")


# What the tracer must tell of this run: the tests of the project hold it to that.
EXPECTS = {
    "findings": {
        "foreign-exit": ["desk"],
    },
    "cleanup": {
        "Task-1": "Feed",
        "reader": "desk → numbers",
    },
    "contention": {},
}

if __name__ == "__main__":
    asyncio.run(main())
