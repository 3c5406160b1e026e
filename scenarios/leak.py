"""Entered, and never exited.

Two ways to lose a resource. One task calls `__aenter__` itself and never reaches `__aexit__`:
the key is not given back, and the next task waits in vain. Another task is dropped: nothing
refers to it, it waits for something that never happens, and the garbage collector destroys it.
Its exit is called then, but cannot await anything, so a cleanup that has to wait is not done.
There are two keys in the morning; count them in the evening.
"""

import asyncio
import gc
import sys

from asyncctx_trace import traced


class Key:
    """A key, taken from its hook and put back."""

    def __init__(self, hooks: "asyncio.Queue[str]") -> None:
        self.hooks = hooks

    async def __aenter__(self) -> str:
        await asyncio.sleep(0.3)
        self.key = await self.hooks.get()
        return self.key

    async def __aexit__(self, kind: object, error: object, traceback: object) -> None:
        await asyncio.sleep(0.3)
        self.hooks.put_nowait(self.key)


async def tidy(hooks: "asyncio.Queue[str]") -> None:
    """The right way."""
    async with traced(Key(hooks), name="key of the tidy one"):
        await asyncio.sleep(0.5)


async def forgetful(hooks: "asyncio.Queue[str]") -> None:
    """Enter by hand; an error occurs, and the line with the exit is never reached."""
    key = traced(Key(hooks), name="key of the forgetful one")
    await key.__aenter__()
    await asyncio.sleep(0.5)
    int("not a number")
    await key.__aexit__(None, None, None)


async def lost(hooks: "asyncio.Queue[str]") -> None:
    """Wait, holding the key, for an answer that never comes."""
    async with traced(Key(hooks), name="key of the lost one"):
        await asyncio.get_running_loop().create_future()


async def main() -> None:
    # Python reports both losses on stderr, with addresses; print our own messages instead.
    asyncio.get_running_loop().set_exception_handler(lambda _, told: print(f"  {told['message']}"))
    sys.unraisablehook = lambda told: print(f"  {told.exc_value}")

    hooks: asyncio.Queue[str] = asyncio.Queue()
    hooks.put_nowait("front door")
    hooks.put_nowait("cellar")
    print("the tidy one")
    await asyncio.create_task(tidy(hooks), name="tidy")
    print(f"  {hooks.qsize()} keys on the hooks")

    print("the forgetful one")
    await asyncio.wait([asyncio.create_task(forgetful(hooks), name="forgetful")])
    print(f"  {hooks.qsize()} keys on the hooks")

    print("the lost one")
    asyncio.create_task(lost(hooks), name="lost")  # noqa: RUF006 - the mistake
    await asyncio.sleep(1.0)
    gc.collect()
    await asyncio.sleep(0.5)
    print(f"  {hooks.qsize()} keys on the hooks")

    print("whoever comes next")
    try:
        async with asyncio.timeout(1):
            await tidy(hooks)
    except TimeoutError:
        print("  waits in vain")


# What the tracer finds in this run; the project's tests check it.
EXPECTS = {
    "findings": {
        "leak": ["key of the forgetful one", "key of the lost one"],
        "destroyed-task": ["lost"],
        "cancelled-in-enter": ["key of the tidy one"],
        "timeout": ["timeout"],
    },
    "cleanup": {
        "tidy": "key of the tidy one",
    },
    "contention": {},
}

# What to look at, step by step; the project's tests check that each moment is found.
STORY = [
    {
        "at": ("tidy", "has left", "key of the tidy one"),
        "see": "The right way: enter, body, exit. The key is back on its hook.",
    },
    {
        "at": ("forgetful", "gets", "key of the forgetful one"),
        "see": "forgetful calls `__aenter__` by hand and gets the key.",
    },
    {
        "at": ("lost", "holds", "key of the lost one"),
        "see": "forgetful's task has ended with an error; its bar goes on, because the key was "
        "never given back. Meanwhile lost holds the other one.",
    },
    {
        "at": ("lost", "leaves", "key of the lost one"),
        "see": "Nothing referred to the task lost, so the garbage collector destroyed it. Its "
        "exit was called, but cannot await, so it never ends.",
    },
    {
        "at": ("Task-1", "waits for", "key of the tidy one"),
        "see": "No key is left: the next one waits in its enter …",
    },
    {
        "at": ("Task-1", "fails to get", "key of the tidy one"),
        "see": "… until its deadline passes. The findings (view 6) name the two lines that lost "
        "the keys.",
    },
]

if __name__ == "__main__":
    asyncio.run(main())
