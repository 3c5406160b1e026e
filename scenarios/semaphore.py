"""Seven downloads, three at a time.

The server rejects clients while it serves three already, so the clients share a semaphore with
three permits: a task that gets none waits in line and starts when another one is done. The end
shows what a bounded semaphore is for: one release too many raises an error, while a plain
semaphore would let in one task more than it should from then on.
"""

import asyncio

from asyncctx_trace import traced

PERMITS = 3
SECONDS = {"a": 1.4, "b": 0.6, "c": 2.3, "d": 1.2, "e": 1.3, "f": 0.7, "g": 1.5}

serving: set[str] = set()
permits = traced(asyncio.Semaphore(PERMITS), name="download permits")


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one download."""
    name = (await reader.readline()).decode().strip()
    if len(serving) == PERMITS:
        writer.write(b"busy\n")
    else:
        serving.add(name)
        await asyncio.sleep(SECONDS[name])
        serving.remove(name)
        writer.write(b"done\n")
    writer.close()


async def download(name: str, port: int) -> None:
    """Fetch one file, as soon as there is a permit."""
    async with permits:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"{name}\n".encode())
        print(f"{name} begins")
        print(f"{name} {(await reader.readline()).decode().strip()}")
        writer.close()
        await writer.wait_closed()


async def give_back_too_often() -> None:
    """Acquire once, release twice."""
    plain = asyncio.Semaphore(1)
    bounded = asyncio.BoundedSemaphore(1)
    for semaphore in (plain, bounded):
        async with semaphore:
            await asyncio.sleep(0.2)
        try:
            semaphore.release()
        except ValueError as error:
            print(f"{type(semaphore).__name__}: {error}")
        else:
            print(f"{type(semaphore).__name__}: two may enter now, and nobody noticed")


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with asyncio.TaskGroup() as tasks:
        for name in SECONDS:
            tasks.create_task(download(name, port), name=name)
    server.close()
    await give_back_too_often()


# What the tracer finds in this run; the project's tests check it.
EXPECTS = {
    "findings": {},
    "cleanup": {},
    "contention": {
        "download permits": {"most_waiters": 4, "got_in": "a → b → c → d → e → f → g"},
    },
}

# What to look at, step by step; the project's tests check that each moment is found.
STORY = [
    {
        "at": ("c", "holds", "download permits"),
        "see": "a, b and c have the three permits and hold them at the same time. View 2 shows "
        "one row for each permit.",
    },
    {
        "at": ("g", "waits for", "download permits"),
        "see": "d, e, f and g came when no permit was left. They wait in their enters, in the "
        "order in which they asked.",
    },
    {
        "at": ("d", "gets", "download permits"),
        "see": "b was the first to be done, and d is the first in line: the arrow leads from b "
        "to d.",
    },
    {
        "at": ("g", "gets", "download permits"),
        "see": "The last one gets in. At no time were there more than three solid bars.",
    },
    {
        "at": ("Task-1", "has left", "semaphore", 1),
        "see": "Task-1 gives a permit of a plain semaphore back once more than it took it: "
        "nobody notices, and two tasks could enter now.",
    },
    {
        "at": ("Task-1", "has left", "semaphore"),
        "see": "A bounded semaphore raises an error for the same mistake.",
    },
]

if __name__ == "__main__":
    asyncio.run(main())
