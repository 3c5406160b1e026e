"""A connection opens, answers and closes.

The classic context manager: a class with `__aenter__` and `__aexit__`. Connecting takes time, so
it is awaited before the body begins; closing takes time too, since the server expects a goodbye.
The server is real and listens on this machine. First there is one connection, then there are
two at once: watch how the two tasks go through enter, body and exit independently.
"""

import asyncio

from asyncctx_trace import traced


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one client: greet after a while, answer line by line, say goodbye."""
    await asyncio.sleep(0.7)
    writer.write(b"welcome\n")
    while (question := await reader.readline()) not in (b"bye\n", b""):
        await asyncio.sleep(0.4)
        writer.write(b"you said " + question)
    await asyncio.sleep(0.5)
    writer.write(b"bye\n")
    writer.close()


class Connection:
    """A connection to the server, open during the body."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def __aenter__(self) -> "Connection":
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        await self.reader.readline()  # the greeting: the connection is ready
        return self

    async def __aexit__(self, kind: object, error: object, traceback: object) -> None:
        await self.query("bye")
        self.writer.close()
        await self.writer.wait_closed()

    async def query(self, question: str) -> str:
        """Return the server's answer to ``question``."""
        self.writer.write(question.encode() + b"\n")
        return (await self.reader.readline()).decode().strip()


async def client(name: str, port: int, questions: list[str]) -> None:
    """Open a connection, ask the questions, and leave."""
    print(f"{name}: connecting")
    # The name is for the timeline: without it, every connection is called "Connection".
    async with traced(Connection(port), name=f"connection of {name}") as connection:
        print(f"{name}: connected")
        for question in questions:
            print(f"{name}: {await connection.query(question)}")
        print(f"{name}: closing")
    print(f"{name}: closed")


async def main() -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await client("alice", port, ["hello", "how are you"])
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(client("bob", port, ["one", "two", "three"]), name="bob")
        await asyncio.sleep(0.2)
        tasks.create_task(client("carol", port, ["alpha", "beta"]), name="carol")
    server.close()


# What the tracer finds in this run; the project's tests check it.
EXPECTS = {
    "findings": {
        "slow-cleanup": ["connection of alice", "connection of bob", "connection of carol"],
    },
    "cleanup": {
        "bob": "connection of bob",
        "carol": "connection of carol",
    },
    "contention": {},
}

# What to look at, step by step; the project's tests check that each moment is found.
STORY = [
    {
        "at": ("Task-1", "waits for", "connection of alice"),
        "see": "Each task has a lane. Task-1 is in the enter of its connection: the dotted bar "
        "means that it waits, here for the greeting of the server.",
    },
    {
        "at": ("Task-1", "gets", "connection of alice"),
        "see": "The enter has ended and the body begins: from here on the task holds the "
        "connection. Its bar is solid, and lighter while it waits for something else.",
    },
    {
        "at": ("Task-1", "leaves", "connection of alice"),
        "see": "The body is over. `__aexit__` runs: it says goodbye and waits for the answer. "
        "Cleaning up is hatched.",
    },
    {
        "at": ("bob", "waits for", "connection of bob"),
        "see": "Now two tasks use connections of their own. bob waits in his enter; carol starts "
        "a little later.",
    },
    {
        "at": ("carol", "holds", "connection of carol"),
        "see": "Both are in the body at the same time: nobody keeps the other one waiting, since "
        "these are two resources. So there is no arrow between the lanes.",
    },
    {
        "at": ("carol", "cleans up", "connection of carol"),
        "see": "carol came later and leaves first. Enter, body and exit of one task do not "
        "depend on those of the other.",
    },
]

if __name__ == "__main__":
    asyncio.run(main())
