"""Entered, and never left.

Two ways to lose a resource. Somebody calls `__aenter__` by hand and forgets `__aexit__`: the
key is never given back, and the next one waits in vain. And a task is dropped: nobody keeps a
reference to it, it waits for something that will not come, and the garbage collector takes it
away. Its exit is called then, but may not await anything any more, so a cleanup that has to
wait is left undone. Two keys hang at the door in the morning; count them in the evening.
"""

import asyncio
import gc
import sys

from asyncctx_trace import traced


class Key:
    """A key, taken from its hook and hung up again."""

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
    """How it should be."""
    async with traced(Key(hooks), name="key of the tidy one"):
        await asyncio.sleep(0.5)


async def forgetful(hooks: "asyncio.Queue[str]") -> None:
    """Enters by hand; an error comes, and the line with the exit is never reached."""
    key = traced(Key(hooks), name="key of the forgetful one")
    await key.__aenter__()
    await asyncio.sleep(0.5)
    int("not a number")
    await key.__aexit__(None, None, None)


async def lost(hooks: "asyncio.Queue[str]") -> None:
    """Waits, with the key in hand, for an answer that nobody will ever give."""
    async with traced(Key(hooks), name="key of the lost one"):
        await asyncio.get_running_loop().create_future()


async def main() -> None:
    # Python complains of both losses on stderr, with addresses; say it in our own words instead.
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


# What the tracer must tell of this run: the tests of the project hold it to that.
EXPECTS = {
    "findings": {
        "leak": ["key of the forgetful one", "key of the lost one"],
        "cancelled-in-enter": ["key of the tidy one"],
        "timeout": ["timeout"],
    },
    "cleanup": {
        "tidy": "key of the tidy one",
    },
    "contention": {},
}

if __name__ == "__main__":
    asyncio.run(main())
