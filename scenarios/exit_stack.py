"""A number of resources that is known only at run time.

`async with a, b, c` must know its context managers when it is written. An `AsyncExitStack` takes
any number, and exits them in reverse order. Here they are connections to the replicas of a
store. The first time all of them answer. The second time one is down: `enter_async_context`
raises, the body ends, and the connections that are already open are closed, in reverse order.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from asyncctx_trace import traced


async def replica(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve a client by repeating what it sends."""
    while line := await reader.readline():
        writer.write(line)
    writer.close()


@asynccontextmanager
async def connection(name: str, port: int) -> AsyncIterator[asyncio.StreamWriter]:
    """Open a connection to one replica."""
    await asyncio.sleep(0.25)
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        print(f"  {name}: does not answer")
        raise ConnectionError(f"{name} is down") from None
    print(f"  {name}: open")
    try:
        yield writer
    finally:
        await asyncio.sleep(0.05)
        writer.close()
        print(f"  {name}: closed")


async def say_goodbye(count: int) -> None:
    """Run at the end, in its place in the order."""
    await asyncio.sleep(0.05)
    print(f"  goodbye to {count} replicas")


async def broadcast(ports: dict[str, int]) -> None:
    """Send the same to every replica, or to none."""
    async with AsyncExitStack() as stack:
        writers = []
        for name, port in ports.items():
            manager = traced(connection(name, port), name=name)
            writers.append(await stack.enter_async_context(manager))
        stack.push_async_callback(say_goodbye, len(writers))
        for writer in writers:
            writer.write(b"news\n")
        await asyncio.sleep(0.9)
        print("  all of them know")


async def main() -> None:
    servers = {
        f"replica {number}": await asyncio.start_server(replica, "127.0.0.1", 0)
        for number in range(1, 6)
    }
    ports = {name: server.sockets[0].getsockname()[1] for name, server in servers.items()}
    print("all five are up:")
    await broadcast(ports)

    print("replica 4 is down:")
    servers["replica 4"].close()
    try:
        await broadcast(ports)
    except ConnectionError as error:
        print(f"  nobody was told anything: {error}")
    for server in servers.values():
        server.close()


# What the tracer finds in this run; the project's tests check it.
EXPECTS = {
    "findings": {
        "enter-error": ["replica 4"],
    },
    "cleanup": {
        "Task-1": (
            "replica 5 → replica 4 → replica 3 → replica 2 → replica 1 → "
            "AsyncExitStack → replica 3 → replica 2 → replica 1 → AsyncExitStack"
        ),
    },
    "contention": {},
}

# What to look at, step by step; the project's tests check that each moment is found.
STORY = [
    {
        "at": ("Task-1", "gets", "AsyncExitStack"),
        "see": "The stack is entered while it is empty. Everything that is pushed on it stands "
        "below its bar.",
    },
    {
        "at": ("Task-1", "gets", "replica 5"),
        "see": "Each `enter_async_context` adds a bar: five replicas, a number that is known "
        "only at run time.",
    },
    {
        "at": ("Task-1", "leaves", "AsyncExitStack"),
        "see": "The body ends. First the callback runs that was pushed last.",
    },
    {
        "at": ("Task-1", "has left", "replica 1"),
        "see": "The stack has closed the replicas in reverse order: 5, 4, 3, 2, 1.",
    },
    {
        "at": ("Task-1", "fails to get", "replica 4"),
        "see": "The second time, replica 4 is down: its enter fails, so it has no exit.",
    },
    {
        "at": ("Task-1", "has left", "replica 1"),
        "see": "The three replicas that were open are closed in reverse order, and only then "
        "does the error leave the stack.",
    },
]

if __name__ == "__main__":
    asyncio.run(main())
