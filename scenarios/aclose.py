"""Close objects that are not context managers.

`contextlib.aclosing` makes a context manager of any object with `aclose()`. For an async
generator it matters more than it seems: a loop that is left early does not run the generator's
`finally`. The event loop closes the generator later, in a task of its own; with `aclosing` it is
closed at once, in the same task. The numbers come from a real process.
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
    """A process that prints numbers until it is closed."""

    async def open(self) -> "Feed":
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", TICKER), stdout=subprocess.PIPE
        )
        return self

    async def next(self) -> int:
        """Return the next number."""
        assert self.process.stdout is not None
        return int(await self.process.stdout.readline())

    async def aclose(self) -> None:
        """End the process."""
        self.process.terminate()
        await self.process.wait()
        print("  feed: the process has ended")


async def numbers(count: int) -> AsyncGenerator[int]:
    """Count until closed, sitting at the desk meanwhile."""
    async with desk:
        try:
            for number in range(count):
                await asyncio.sleep(0.3)
                yield number
        finally:
            await asyncio.sleep(0.3)
            print(f"  numbers: leaves the desk, in task {name_of_task()!r}")


def name_of_task() -> str:
    """Return the name of the task; those of the event loop have a number."""
    task = asyncio.current_task()
    assert task is not None
    return "somebody else" if task.get_name().startswith("Task-") else task.get_name()


async def close_a_feed() -> None:
    """Close the feed at the end of the body, whatever happens in it."""
    async with aclosing(await Feed().open()) as feed:
        for _ in range(4):
            print(f"  feed: {await feed.next()}")


async def leave_a_loop_early() -> None:
    """Leave a plain loop: the generator is closed later."""
    async for number in numbers(10):
        if number == 2:
            break
    print(f"  left the loop at {number}; the desk is {'taken' if desk.locked() else 'free'}")
    await asyncio.sleep(0.6)
    print(f"  a while later the desk is {'taken' if desk.locked() else 'free'}")


async def leave_a_loop_early_and_close() -> None:
    """Leave the loop and close the generator at once."""
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


# What the tracer finds in this run; the project's tests check it.
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

# What to look at, step by step; the project's tests check that each moment is found.
STORY = [
    {
        "at": ("Task-1", "holds", "Feed"),
        "see": "`aclosing` makes a context manager of an object with `aclose()`. Entering it "
        "takes no time.",
    },
    {
        "at": ("Task-1", "leaves", "Feed"),
        "see": "At the end of the body `aclose()` is called, whatever happened in it.",
    },
    {
        "at": ("Task-1", "holds", "desk"),
        "see": "The generator sits at its desk: it holds a lock while the loop takes numbers "
        "from it.",
    },
    {
        "at": ("Task-1", "leaves", "desk"),
        "see": "The loop was left early, but the generator kept its lock until now: the event "
        "loop has closed it, in a task of its own. The finding is called foreign-exit.",
    },
    {
        "at": ("reader", "leaves", "numbers"),
        "see": "The same inside `aclosing`: it closes the generator as soon as the loop is left.",
    },
    {
        "at": ("reader", "has left", "desk"),
        "see": "So the desk is free at once, and it was left in the task that had entered it.",
    },
]

if __name__ == "__main__":
    asyncio.run(main())
