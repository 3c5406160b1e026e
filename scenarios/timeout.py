"""A deadline interrupts whatever is in progress.

`asyncio.timeout` cancels its body when the time is up, and turns the cancellation into a
TimeoutError on the way out. Five times the deadline hits something else: slow work, the outer
of two deadlines, a wait for a lock, a body that holds a lock, and a cleanup. The cleanup is
interrupted in the middle, and the file that it was about to remove is left behind.
"""

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path

from asyncctx_trace import traced

printer = traced(asyncio.Lock(), name="printer")


class Upload:
    """Writes to a partial file, which is removed at the end."""

    def __init__(self, path: Path, farewell: float) -> None:
        self.path = path
        self.farewell = farewell

    async def __aenter__(self) -> Path:
        self.path.write_text("…")
        return self.path

    async def __aexit__(self, kind: object, error: object, traceback: object) -> None:
        await asyncio.sleep(self.farewell)  # tells the other side
        self.path.unlink()


async def slow_work() -> None:
    """Allow half a second for work that takes three."""
    async with asyncio.timeout(0.5):
        await asyncio.sleep(3)


async def two_deadlines() -> None:
    """Nest two deadlines: the outer one is shorter."""
    async with asyncio.timeout(0.5):
        async with asyncio.timeout(2):
            await asyncio.sleep(3)


async def waiting_for_a_lock() -> None:
    """Wait for a lock that another task does not release."""

    async def hog() -> None:
        async with printer:
            await asyncio.sleep(1)

    hogging = asyncio.create_task(hog(), name="hog")
    await asyncio.sleep(0.1)
    try:
        async with asyncio.timeout(0.5):
            async with printer:
                print("  never reached")
    finally:
        print(f"  the printer is {'taken' if printer.locked() else 'free'}, and not by us")
        await hogging


async def holding_a_lock() -> None:
    """Hit the deadline while holding a lock, which is released on the way out."""
    try:
        async with asyncio.timeout(0.5):
            async with printer:
                await asyncio.sleep(3)
    finally:
        print(f"  the printer is {'taken' if printer.locked() else 'free'}")


async def cleaning_up(folder: Path) -> None:
    """Finish the body in time, but not its cleanup."""
    try:
        async with asyncio.timeout(0.6):
            async with traced(Upload(folder / "letter.partial", farewell=2), name="upload"):
                await asyncio.sleep(0.3)
                print("  uploaded")
    finally:
        print(f"  left behind: {[path.name for path in folder.iterdir()]}")


async def attempt(title: str, work: Coroutine[None, None, None]) -> None:
    """Run something, and print how it ended."""
    print(title)
    try:
        await work
    except TimeoutError as error:
        print(f"  {error!r}, caused by {error.__cause__!r}")
    await asyncio.sleep(0.2)


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        await attempt("slow work", slow_work())
        await attempt("two deadlines", two_deadlines())
        await attempt("waiting for a lock", waiting_for_a_lock())
        await attempt("holding a lock", holding_a_lock())
        await attempt("cleaning up", cleaning_up(Path(folder)))


# What the tracer finds in this run; the project's tests check it.
EXPECTS = {
    "findings": {
        "timeout": ["timeout", "timeout", "timeout", "timeout", "timeout"],
        "cleanup-cancelled": ["upload"],
    },
    "cleanup": {
        "Task-1": "timeout → timeout → timeout → timeout → printer → timeout → upload → timeout",
    },
    "contention": {
        "printer": {"most_waiters": 1, "got_in": "hog → Task-1"},
    },
}

# What to look at, step by step; the project's tests check that each moment is found.
STORY = [
    {
        "at": ("Task-1", "holds", "timeout"),
        "see": "The work inside would take three seconds; the deadline is after half a second.",
    },
    {
        "at": ("Task-1", "has left", "timeout"),
        "see": "The time is up: the body is cancelled, and the exit turns the cancellation into "
        "a TimeoutError (the clock sign).",
    },
    {
        "at": ("Task-1", "has left", "timeout", 2),
        "see": "Two deadlines, one inside the other: the outer one is shorter. The cancellation "
        "passes through the inner one.",
    },
    {
        "at": ("Task-1", "waits for", "printer"),
        "see": "hog holds the printer, so Task-1 waits in its enter, with a deadline around it.",
    },
    {
        "at": ("Task-1", "fails to get", "printer"),
        "see": "The deadline cancels the wait in the enter. There is no body and no exit: the "
        "printer was never held.",
    },
    {
        "at": ("Task-1", "leaves", "printer"),
        "see": "Here the deadline passes while the lock is held: the exit releases it on the way "
        "out.",
    },
    {
        "at": ("Task-1", "has left", "upload"),
        "see": "The body was in time, but the deadline cancels the exit: the cleanup is cut off, "
        "and the file is left behind.",
    },
]

if __name__ == "__main__":
    asyncio.run(main())
