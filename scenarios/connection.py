"""A connection opens, answers and closes.

The classic: a class with `__aenter__` and `__aexit__`. Connecting takes time, so it is awaited
before the body begins; closing takes time too, since the server wants a goodbye. The server is
real and listens on this machine. First one connection alone, then two at once: look how the
two tasks go through enter, body and exit independently of each other.
"""

import asyncio

from asyncctx_trace import traced


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The server's side: greets after a while, answers line by line, says goodbye."""
    await asyncio.sleep(0.7)
    writer.write(b"welcome\n")
    while (question := await reader.readline()) not in (b"bye\n", b""):
        await asyncio.sleep(0.4)
        writer.write(b"you said " + question)
    await asyncio.sleep(0.5)
    writer.write(b"bye\n")
    writer.close()


class Connection:
    """One connection to the server, open for as long as the body lasts."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def __aenter__(self) -> "Connection":
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        await self.reader.readline()  # the greeting: only now is it of use
        return self

    async def __aexit__(self, kind: object, error: object, traceback: object) -> None:
        await self.query("bye")
        self.writer.close()
        await self.writer.wait_closed()

    async def query(self, question: str) -> str:
        """What the server says to ``question``."""
        self.writer.write(question.encode() + b"\n")
        return (await self.reader.readline()).decode().strip()


async def client(name: str, port: int, questions: list[str]) -> None:
    """Opens a connection, asks its questions, and leaves."""
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


# What the tracer must tell of this run: the tests of the project hold it to that.
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

if __name__ == "__main__":
    asyncio.run(main())
