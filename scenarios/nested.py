"""Last in, first out: three ways to write nested blocks.

A server needs a folder to serve, a client needs the server: they are entered in that order and
exited in the reverse order. `async with` inside `async with`, a list with commas, and the same
list in parentheses mean exactly the same. Another order would not work: `folder` must exist
before `server(folder)` can be called.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


@asynccontextmanager
async def new_folder() -> AsyncIterator[Path]:
    """Create a folder with one file to serve."""
    with tempfile.TemporaryDirectory() as folder:
        await asyncio.sleep(0.25)
        Path(folder, "hello.txt").write_text("hello")
        print("  folder made")
        yield Path(folder)
        await asyncio.sleep(0.05)
        print("  folder removed")


@asynccontextmanager
async def server(folder: Path) -> AsyncIterator[int]:
    """Serve the files of ``folder`` on a port of this machine."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = (await reader.readline()).decode().strip()
        writer.write(Path(folder, name).read_bytes())
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    await asyncio.sleep(0.25)
    print("  server up")
    async with listening:
        yield listening.sockets[0].getsockname()[1]
        await asyncio.sleep(0.05)
    print("  server down")


@asynccontextmanager
async def client(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection to the server."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.sleep(0.25)
    print("  client connected")
    yield reader, writer
    await asyncio.sleep(0.05)
    writer.close()
    print("  client gone")


async def use(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
    """Read the file from the server."""
    reader, writer = connection
    writer.write(b"hello.txt\n")
    print(f"  the file says {(await reader.read()).decode()!r}")
    await asyncio.sleep(0.6)


async def main() -> None:
    print("one inside the other:")
    async with new_folder() as folder:  # noqa: SIM117 - the other two ways follow
        async with server(folder) as port:
            async with client(port) as connection:
                await use(connection)

    print("a list:")
    async with new_folder() as folder, server(folder) as port, client(port) as connection:
        await use(connection)

    print("a list in parentheses, which may go over several lines:")
    async with (
        new_folder() as folder,
        server(folder) as port,
        client(port) as connection,
    ):
        await use(connection)


# What the tracer finds in this run; the project's tests check it.
EXPECTS = {
    "findings": {},
    "cleanup": {
        "Task-1": (
            "client → listening → server → new_folder → client → listening → "
            "server → new_folder → client → listening → server → new_folder"
        ),
    },
    "contention": {},
}

# What to look at, step by step; the project's tests check that each moment is found.
STORY = [
    {
        "at": ("Task-1", "waits for", "new_folder"),
        "see": "The folder comes first, because the server needs it: the outermost block is the "
        "uppermost bar.",
    },
    {
        "at": ("Task-1", "waits for", "client"),
        "see": "Folder and server are held while the client is still connecting: what is below "
        "depends on what is above.",
    },
    {
        "at": ("Task-1", "holds", "client"),
        "see": "Now all blocks are in their bodies.",
    },
    {
        "at": ("Task-1", "leaves", "client"),
        "see": "Last in, first out: the client leaves while server and folder are still there.",
    },
    {
        "at": ("Task-1", "has left", "new_folder"),
        "see": "The folder was entered first and is left last. View 4 numbers the exits beside "
        "the expected order.",
    },
    {
        "at": ("Task-1", "holds", "client"),
        "see": "The same with a list of managers in one `async with`. The lanes look the same: "
        "the three ways to write it mean the same.",
    },
]

if __name__ == "__main__":
    asyncio.run(main())
