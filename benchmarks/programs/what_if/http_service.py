"""An HTTP service on a PostgreSQL pool, and its clients: ASYNCCTX_PG_DSN=… python … POOL.

The clients are a process of their own, each keeps its connection and waits for the answer.
"""

import asyncio
import os
import random
import sys

import asyncpg

POOL = int(sys.argv[1])
CLIENTS, REQUESTS = 24, 25


class Service:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self.cache = asyncio.Lock()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.readline():
            length = float(request.split()[1].strip(b"/"))
            await reader.readline()
            async with self.pool.acquire() as connection:
                await connection.fetchval("select pg_sleep($1)", length)
            async with self.cache:
                await asyncio.sleep(0.001)
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            await writer.drain()
        writer.close()


async def client(number: int, port: int) -> None:
    rng = random.Random(number)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(REQUESTS):
        await asyncio.sleep(rng.uniform(0.005, 0.06))
        writer.write(b"GET /%.4f HTTP/1.1\r\n\r\n" % rng.uniform(0.004, 0.016))
        await reader.readline()
        await reader.readline()
    writer.close()
    await writer.wait_closed()


async def serve() -> None:
    async with asyncpg.create_pool(
        os.environ["ASYNCCTX_PG_DSN"], min_size=POOL, max_size=POOL
    ) as pool:
        server = await asyncio.start_server(Service(pool).handle, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        clients = await asyncio.create_subprocess_exec(
            sys.executable, __file__, str(POOL), "clients", str(port)
        )
        await clients.wait()
        server.close()


async def clients(port: int) -> None:
    await asyncio.gather(*(client(number, port) for number in range(CLIENTS)))


if sys.argv[2:3] == ["clients"]:
    asyncio.run(clients(int(sys.argv[3])))
else:
    asyncio.run(serve())
