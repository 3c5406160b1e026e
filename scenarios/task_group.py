"""One child fails, and its siblings clean up.

Four cooks in a task group. When the third one drops everything, the group cancels the other
three, waits until each has left its `async with`, and only then raises the error, wrapped in an
ExceptionGroup. So the chef, whose station is around the group, cleans up last: no task of a
group outlives it. Each of them works in a real folder of its own.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from asyncctx_trace import traced


@traced
@asynccontextmanager
async def station(kitchen: Path, cook: str, cleaning: float) -> AsyncIterator[Path]:
    """Set up a cook's station, and clean it at the end."""
    place = kitchen / cook
    place.mkdir()
    await asyncio.sleep(0.3)
    try:
        yield place
    finally:
        await asyncio.sleep(cleaning)
        shutil.rmtree(place)
        print(f"{cook}: station cleaned")


async def cook(kitchen: Path, name: str, dishes: int, cleaning: float) -> None:
    """Prepare dishes; the cook without any drops something."""
    async with station(kitchen, name, cleaning) as place:
        for number in range(1, dishes + 1):
            await asyncio.sleep(0.85)
            Path(place, f"dish {number}").touch()
            print(f"{name}: dish {number} is ready")
        if name == "carl":
            raise RuntimeError("carl dropped the soup")


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        kitchen = Path(folder)
        try:
            async with station(kitchen, "the chef", 0.3), asyncio.TaskGroup() as cooks:
                for name, dishes, cleaning in [
                    ("anna", 1, 0.8),
                    ("bert", 5, 0.3),
                    ("carl", 2, 0.4),
                    ("dora", 5, 1.2),
                ]:
                    cooks.create_task(cook(kitchen, name, dishes, cleaning), name=name)
                    await asyncio.sleep(0.2)
        except* RuntimeError as errors:
            print(f"the kitchen closes: {', '.join(map(str, errors.exceptions))}")
        print(f"left in the kitchen: {[path.name for path in kitchen.iterdir()]}")


# What the tracer finds in this run; the project's tests check it.
EXPECTS = {
    "findings": {
        "slow-cleanup": ["station"],
    },
    "cleanup": {
        "bert": "station",
        "dora": "station",
        "Task-1": "TaskGroup → station",
    },
    "contention": {},
}

# What to look at, step by step; the project's tests check that each moment is found.
STORY = [
    {
        "at": ("bert", "waits for", "station"),
        "see": "Each cook is a task of one group, with a lane of its own. bert sets up his "
        "station: that is his enter.",
    },
    {
        "at": ("Task-1", "leaves", "TaskGroup"),
        "see": "Task-1 has started all of them and is at the end of the group: its exit waits "
        "for the children, it cleans up nothing.",
    },
    {
        "at": ("dora", "holds", "station"),
        "see": "Four solid bars: each of the four holds a station.",
    },
    {
        "at": ("anna", "has left", "station"),
        "see": "anna is done: her task ends while the others go on.",
    },
    {
        "at": ("carl", "leaves", "station"),
        "see": "carl drops the soup: his body ends with an error. His exit still cleans up.",
    },
    {
        "at": ("bert", "leaves", "station"),
        "see": "carl's task has failed, so the group cancels the others: bert and dora leave "
        "their bodies at the same moment.",
    },
    {
        "at": ("dora", "cleans up", "station"),
        "see": "The group waits until each of them has cleaned up. dora takes longest.",
    },
    {
        "at": ("Task-1", "has left", "station"),
        "see": "Only then does the error leave the group, and the chef's station is the last: no "
        "task of a group outlives it.",
    },
]

if __name__ == "__main__":
    asyncio.run(main())
