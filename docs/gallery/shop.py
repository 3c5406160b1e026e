"""A service of many short tasks: one per request, two pools, a cache behind one lock.

python shop.py [seconds] [clients]: serve HTTP on a free port; the clients run in a process of
their own. Each request is a task of its own. Every few seconds a job rebuilds the cache and holds
`redis.lock` meanwhile; it is the bug. One request in a thousand fails, and a report blocks the loop
now and then.
"""

import asyncio
import random
import sys
import time

from asyncctx_trace import traced


class Redis:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.cache: dict[int, int] = {}


db_pool = traced(asyncio.Semaphore(20), name="db pool")
mail_pool = traced(asyncio.Semaphore(3), name="mail pool")
redis = Redis()
luck = random.Random(7)


class PriceError(Exception):
    pass


async def price_of(item: int) -> int:
    async with redis.lock:
        await asyncio.sleep(0.0004)
        if item in redis.cache:
            return redis.cache[item]
    async with db_pool:
        await asyncio.sleep(luck.uniform(0.002, 0.02))
    if luck.random() < 0.001:
        raise PriceError(f"no price for item {item}")
    return item


async def order(item: int) -> None:
    await price_of(item)
    async with db_pool:
        await asyncio.sleep(luck.uniform(0.005, 0.03))
        if luck.random() < 0.2:
            async with mail_pool:
                await asyncio.sleep(luck.uniform(0.005, 0.05))


async def rebuild_cache() -> None:
    async with redis.lock:
        async with db_pool:
            await asyncio.sleep(luck.uniform(0.3, 1.5))
        redis.cache = {n: n for n in range(500)}


async def refresher() -> None:
    while True:
        await asyncio.sleep(luck.uniform(3, 6))
        await rebuild_cache()


async def reporter() -> None:
    while True:
        await asyncio.sleep(20)
        time.sleep(0.4)  # a report, made in the event loop


async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        line = await reader.readline()
        path = line.split()[1].decode() if line.strip() else "/"
        while (await reader.readline()).strip():
            pass
        item = int(path.rpartition("/")[2] or 0)
        try:
            await (order(item) if path.startswith("/order") else price_of(item))
            status = "200 OK"
        except PriceError:
            status = "500 Internal Server Error"
        writer.write(
            f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        await writer.drain()
    finally:
        writer.close()


async def main(seconds: float, clients: int) -> None:
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    jobs = [
        asyncio.create_task(refresher(), name="refresher"),
        asyncio.create_task(reporter(), name="reporter"),
    ]
    load = await asyncio.create_subprocess_exec(
        sys.executable, "-I", __file__, "--load", str(port), str(seconds), str(clients)
    )
    print(f"serving on {port}")
    await load.wait()
    for job in jobs:
        job.cancel()
    server.close()
    print("closed")


async def client(port: int, until: float) -> None:
    while time.monotonic() < until:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        kind = "order" if luck.random() < 0.3 else "price"
        writer.write(f"GET /{kind}/{luck.randrange(1000)} HTTP/1.1\r\n\r\n".encode())
        await reader.read()
        writer.close()
        await asyncio.sleep(luck.uniform(0.2, 1.2))


async def load(port: int, seconds: float, clients: int) -> None:
    until = time.monotonic() + seconds
    await asyncio.gather(*(client(port, until) for _ in range(clients)))


if __name__ == "__main__":
    if "--load" in sys.argv:
        asyncio.run(load(int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))
    else:
        arguments = [float(each) for each in sys.argv[1:]]
        seconds, clients = (*arguments, *(180.0, 100.0)[len(arguments) :])
        asyncio.run(main(seconds, int(clients)))
