"""A function instead of a class: `@asynccontextmanager`.

Up to its `yield` the function is the enter, the yielded value is bound by `as`, and the rest is
the exit. An error of the body is raised at the `yield`: without `try` the function ends there
and cleans up nothing. Use `try … finally` for what must always happen, and `except` for an error
that should become another one. The workbench is a real folder with real files.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path


class RecipeMissing(Exception):
    """The kitchen's error for a missing file."""


@asynccontextmanager
async def workbench() -> AsyncIterator[Path]:
    """Create a folder that is removed at the end, whatever happens."""
    print("  workbench: set up")
    await asyncio.sleep(0.6)
    folder = Path(tempfile.mkdtemp())
    try:
        yield folder
    finally:
        await asyncio.sleep(0.05)
        shutil.rmtree(folder)
        print("  workbench: cleared away")


@asynccontextmanager
async def recipe(folder: Path, name: str) -> AsyncIterator[list[str]]:
    """Yield the lines of a recipe; a missing file raises the kitchen's own error."""
    await asyncio.sleep(0.4)
    try:
        yield Path(folder, name).read_text().splitlines()
    except FileNotFoundError as error:
        print("  recipe: turns one error into another")
        raise RecipeMissing(name) from error
    finally:
        await asyncio.sleep(0.05)
        print("  recipe: put back")


@asynccontextmanager
async def careless() -> AsyncIterator[str]:
    """Without try and finally: an error of the body skips everything after the yield."""
    await asyncio.sleep(0.4)
    yield "a knife"
    print("  careless: this line is never reached")


async def bake(look_up: str) -> None:
    """Write a recipe and follow it."""
    async with workbench() as folder:
        Path(folder, "bread.txt").write_text("flour\nwater\nsalt\n")
        async with recipe(folder, "bread.txt") as steps:
            await asyncio.sleep(0.6)
            print(f"  the body got {steps}")
            Path(folder, look_up).read_text()


async def cut() -> None:
    """Raise an error."""
    async with careless() as tool:
        print(f"  the body got {tool}")
        await asyncio.sleep(0.4)
        raise RuntimeError("ouch")


async def attempt(title: str, work: Coroutine[None, None, None]) -> None:
    """Run something, and print how it ended."""
    print(title)
    try:
        await work
    except Exception as error:
        print(f"  ended with {error!r}" + (f" from {error.__cause__!r}" if error.__cause__ else ""))
    else:
        print("  ended well")


async def main() -> None:
    await attempt("a body that ends well", bake("bread.txt"))
    await attempt("a body that fails", bake("yeast.txt"))
    await attempt("a generator without finally", cut())


# What the tracer finds in this run; the project's tests check it.
EXPECTS = {
    "findings": {},
    "cleanup": {
        "Task-1": "recipe → workbench → recipe → workbench → careless",
    },
    "contention": {},
}

# What to look at, step by step; the project's tests check that each moment is found.
STORY = [
    {
        "at": ("Task-1", "waits for", "workbench"),
        "see": "The enter of a generator is the code up to its `yield`: it sets up the workbench.",
    },
    {
        "at": ("Task-1", "holds", "recipe"),
        "see": "The second bar below the first is an acquisition inside another one: the recipe "
        "is held inside the body of the workbench.",
    },
    {
        "at": ("Task-1", "leaves", "recipe"),
        "see": "The inner one is left first: the code after its `yield` runs. Then follows the "
        "workbench.",
    },
    {
        "at": ("Task-1", "leaves", "recipe"),
        "see": "This time the body fails. The error is raised at the `yield`, where `except` "
        "turns it into another one.",
    },
    {
        "at": ("Task-1", "has left", "workbench"),
        "see": "The error passes through the workbench too: its `finally` clears it away all the "
        "same.",
    },
    {
        "at": ("Task-1", "leaves", "careless"),
        "see": "Without `try`, the generator ends at its `yield`: the exit takes no time, "
        "because nothing after the `yield` runs.",
    },
]

if __name__ == "__main__":
    asyncio.run(main())
