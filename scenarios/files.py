"""Writers append to files, readers read them.

`async with aiofiles.open(…)` works in threads, so that a slow disk does not block the event
loop. Two writers and three readers share a folder of real files. Around the library's context
manager there is one of our own: `publish` writes to a temporary file and renames it at the end
of the body, so that a reader finds either the old page or the new one, never a part of it.
"""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

try:
    import aiofiles
except ImportError:
    sys.exit("files needs aiofiles: pip install 'asyncctx-trace[scenarios]'")

if TYPE_CHECKING:
    from aiofiles.threadpool.text import AsyncTextIOWrapper


@asynccontextmanager
async def publish(path: Path) -> "AsyncIterator[AsyncTextIOWrapper]":
    """Write a new version of ``path`` that becomes visible as a whole, or not at all."""
    draft = path.with_suffix(".draft")
    try:
        async with aiofiles.open(draft, "w") as file:
            yield file
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


async def diarist(path: Path) -> None:
    """Append a line now and then, opening the file each time."""
    for day in range(1, 6):
        await asyncio.sleep(0.8)
        async with aiofiles.open(path, "a") as file:
            await file.write(f"day {day}\n")
            await asyncio.sleep(0.2)  # thinks about the weather, with the file open


async def editor(page: Path) -> None:
    """Publish three versions; the second one fails."""
    for version in (1, 2, 3):
        await asyncio.sleep(0.5)
        try:
            async with publish(page) as file:
                await file.write(f"version {version}, first half, ")
                await asyncio.sleep(0.9)
                if version == 2:
                    raise ValueError("a lawyer called")
                await file.write("second half")
        except ValueError as error:
            print(f"editor: version {version} is withdrawn, {error}")
        else:
            print(f"editor: version {version} is out")


async def reader(name: str, page: Path, moments: list[float]) -> None:
    """Read the page now and then."""
    for seconds in moments:
        await asyncio.sleep(seconds)
        try:
            async with aiofiles.open(page) as file:
                print(f"{name} reads: {await file.read()}")
        except FileNotFoundError:
            print(f"{name} finds no page yet")


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        page, diary = Path(folder, "page.txt"), Path(folder, "diary.txt")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(editor(page), name="editor")
            tasks.create_task(diarist(diary), name="diarist")
            tasks.create_task(reader("anna", page, [0.7, 1.0, 1.4]), name="anna")
            tasks.create_task(reader("bert", page, [1.9, 1.7]), name="bert")
            tasks.create_task(reader("cleo", page, [1.2, 3.3]), name="cleo")
        async with aiofiles.open(diary) as file:
            print(f"the diary has {len([line async for line in file])} days")
        names = sorted(path.name for path in Path(folder).iterdir())
        print(f"left in the folder: {', '.join(names)}")


# What the tracer finds in this run; the project's tests check it.
EXPECTS = {
    "findings": {},
    "cleanup": {
        "editor": "aiofiles.open → publish → aiofiles.open → publish → aiofiles.open → publish",
    },
    "contention": {},
}

# What to look at, step by step; the project's tests check that each moment is found.
STORY = [
    {
        "at": ("editor", "holds", "publish"),
        "see": "The editor writes a draft. Two bars, one below the other: our own `publish`, and "
        "inside it the file of aiofiles.",
    },
    {
        "at": ("anna", "fails to get", "aiofiles.open"),
        "see": "anna opens the page, but there is none yet: her enter fails, and there is no "
        "exit to run.",
    },
    {
        "at": ("editor", "has left", "publish"),
        "see": "The file is closed first, then `publish` renames the draft. From this moment on "
        "there is a page.",
    },
    {
        "at": ("anna", "gets", "aiofiles.open"),
        "see": "anna opens the page again and gets in. Opening runs in a thread, so that the "
        "other tasks can go on.",
    },
    {
        "at": ("editor", "leaves", "publish"),
        "see": "The second version is withdrawn: the error leaves both blocks, and the draft is "
        "deleted. Readers still find the first version.",
    },
    {
        "at": ("cleo", "gets", "aiofiles.open"),
        "see": "cleo comes last and reads the third version: a whole page, as at all times.",
    },
]

if __name__ == "__main__":
    asyncio.run(main())
