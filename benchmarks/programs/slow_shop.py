"""A shop under load: 100 clients, two pools, a cache, and one job that holds on too long.

    python benchmarks/programs/slow_shop.py [SECONDS]

Each request reads its session over one of 20 connections to the cache, looks the price up under
the cache's lock, and for every third price asks the database over one of 10 connections. From
time to time the job ``refresh_prices`` reads all prices anew and keeps the cache's lock until the
database has answered: that is the fault. Meanwhile every client queues up, and once the lock is
free they all want a connection at once.

``asyncctx-trace run --headless`` on it must name the job, the line and the lock in its first
sentence, and not the pools, at which the queue shows as well.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
CLIENTS = 100
PRODUCTS = 40


class Pool:
    """A fixed number of connections; ``acquire()`` waits for one that is free."""

    def __init__(self, size: int, latency: float) -> None:
        self.latency = latency
        self.free = asyncio.Semaphore(size)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Pool]:
        async with self.free:
            yield self

    async def query(self, random_: random.Random) -> int:
        await asyncio.sleep(self.latency * random_.uniform(0.5, 1.5))
        return random_.randrange(100, 10_000)


class Cache:
    """Prices by product: a lock around a dict, and two connections to the cache server."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.connections = Pool(20, latency=0.0005)
        self.prices: dict[int, int] = {}


class Shop:
    """What requests share."""

    def __init__(self) -> None:
        self.database = Pool(10, latency=0.003)
        self.cache = Cache()
        self.random = random.Random(13)
        self.served = 0

    async def price(self, product: int) -> int:
        async with self.cache.lock:
            known = self.cache.prices.get(product)
        if known is not None and self.random.random() > 1 / 3:
            return known
        async with self.database.acquire() as connection:
            price = await connection.query(self.random)
        async with self.cache.lock:
            self.cache.prices[product] = price
        return price

    async def session(self) -> int:
        async with self.cache.connections.acquire() as connection:
            return await connection.query(self.random)

    async def refresh_prices(self) -> None:
        while True:
            await asyncio.sleep(0.6)
            # The fault: the lock is held while the database answers.
            async with self.cache.lock, self.database.acquire() as connection:
                for _ in range(PRODUCTS * 3):
                    await connection.query(self.random)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            async with asyncio.timeout(30):
                await self.session()
                price = await self.price(self.random.randrange(PRODUCTS))
            self.served += 1
            writer.write(b"%d\n" % price)
            await writer.drain()
        writer.close()


async def client(port: int, until: float) -> None:
    """One customer: asks, reads the price, thinks about it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    thinks = random.Random(port)
    while asyncio.get_running_loop().time() < until:
        writer.write(b"price\n")
        await reader.readline()
        await asyncio.sleep(thinks.uniform(0.01, 0.05))
    writer.close()
    await writer.wait_closed()


async def main() -> None:
    shop = Shop()
    server = await asyncio.start_server(shop.handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    job = asyncio.create_task(shop.refresh_prices(), name="refresh_prices")
    until = asyncio.get_running_loop().time() + SECONDS
    await asyncio.gather(*(client(port, until) for _ in range(CLIENTS)))
    job.cancel()
    server.close()
    print(f"{shop.served} requests served")


asyncio.run(main())
