"""One child fails and its siblings clean up, on trio.

The story of `task_group` with the original of task groups: a nursery that cannot be left before
every child has ended. Cancellation differs. In trio it is persistent: every `await` in the
cleanup of a cancelled task raises again, so a cleanup that must wait uses a shielded scope. Anna
has one and cleans up; bert has none and leaves his station as it is.
"""

import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from asyncctx_trace import traced

try:
    import trio
except ImportError:
    print("skipped: trio_nursery needs trio: pip install trio")
    sys.exit()


@traced
@asynccontextmanager
async def station(kitchen: Path, cook: str, shielded: bool) -> AsyncIterator[Path]:
    """Set up a cook's station, and clean it at the end."""
    place = kitchen / cook
    place.mkdir()
    await trio.sleep(0.3)
    try:
        yield place
    finally:
        with trio.CancelScope(shield=shielded):
            await trio.sleep(1.0)
            place.rmdir()
            print(f"{cook}: station cleaned")


async def cook(kitchen: Path, name: str, shielded: bool, dishes: int) -> None:
    """Prepare dishes; the cook who is done first drops something."""
    async with station(kitchen, name, shielded):
        for number in range(1, dishes + 1):
            await trio.sleep(0.85)
            print(f"{name}: dish {number} is ready")
        raise RuntimeError(f"{name} dropped the soup")


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        kitchen = Path(folder)
        try:
            async with station(kitchen, "the chef", False), trio.open_nursery() as nursery:
                for name, shielded, dishes in [
                    ("anna", True, 5),
                    ("bert", False, 5),
                    ("carl", False, 2),
                ]:
                    nursery.start_soon(cook, kitchen, name, shielded, dishes, name=name)
                    await trio.sleep(0.2)
        except* RuntimeError as errors:
            print(f"the kitchen closes: {', '.join(map(str, errors.exceptions))}")
        print(f"left in the kitchen: {[path.name for path in kitchen.iterdir()]}")


# What the tracer finds in this run; the project's tests check it.
EXPECTS = {
    "findings": {
        "cleanup-cancelled": ["station"],
        "slow-cleanup": ["station", "station"],
    },
    "cleanup": {
        "anna": "station",
        "bert": "station",
        "__main__.main": "nursery → station",
    },
    "contention": {},
}

# What to look at, step by step; the project's tests check that each moment is found.
STORY = [
    {
        "at": ("anna", "holds", "station"),
        "see": "Cooks in a nursery: each task holds a station of its own.",
    },
    {
        "at": ("__main__.main", "leaves", "nursery"),
        "see": "The block of the nursery ends, but its exit waits for the children.",
    },
    {
        "at": ("carl", "leaves", "station"),
        "see": "carl drops the soup: his body ends with an error. His exit still cleans up.",
    },
    {
        "at": ("anna", "leaves", "station"),
        "see": "carl's task has failed, so the nursery cancels the others: anna leaves her body, "
        "and her cleanup is shielded.",
    },
    {
        "at": ("bert", "has left", "station"),
        "see": "bert's cleanup is not shielded: in trio every `await` in a cancelled task raises "
        "again, so it is cut off at once.",
    },
    {
        "at": ("anna", "has left", "station"),
        "see": "anna has cleaned up. Only now can the nursery be left.",
    },
    {
        "at": ("__main__.main", "has left", "station"),
        "see": "The error leaves the nursery, and the chef's station is the last to be cleaned.",
    },
]

if __name__ == "__main__":
    trio.run(main)
