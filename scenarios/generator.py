"""One function instead of a class: `@asynccontextmanager`.

Up to its `yield` the function is the enter, what it yields is what `as` gets, and what follows
is the exit. An error of the body is raised at the `yield`: without `try` the function ends
there and cleans up nothing. So: `try … finally` for what must always happen, and `except` for
the error that should become another. The workbench is a real folder with real files.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path


class RecipeMissing(Exception):
    """What the kitchen calls a file that is not there."""


@asynccontextmanager
async def workbench() -> AsyncIterator[Path]:
    """A folder that is gone afterwards, whatever happens in between."""
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
    """The lines of a recipe; a missing file is told in the kitchen's own words."""
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
    """Writes its recipe down and follows it."""
    async with workbench() as folder:
        Path(folder, "bread.txt").write_text("flour\nwater\nsalt\n")
        async with recipe(folder, "bread.txt") as steps:
            await asyncio.sleep(0.6)
            print(f"  the body got {steps}")
            Path(folder, look_up).read_text()


async def cut() -> None:
    """Hurts itself."""
    async with careless() as tool:
        print(f"  the body got {tool}")
        await asyncio.sleep(0.4)
        raise RuntimeError("ouch")


async def attempt(title: str, work: Coroutine[None, None, None]) -> None:
    """Tries something, and tells how it ended."""
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


# What the tracer must tell of this run: the tests of the project hold it to that.
EXPECTS = {
    "findings": {},
    "cleanup": {
        "Task-1": "recipe → workbench → recipe → workbench → careless",
    },
    "contention": {},
}

if __name__ == "__main__":
    asyncio.run(main())
