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

if __name__ == "__main__":
    asyncio.run(main())
