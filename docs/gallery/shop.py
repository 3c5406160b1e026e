"""A service of many short tasks: one per request, two pools, a cache behind one lock.

python shop.py [seconds] [clients]: serve HTTP with aiohttp on a free port; the clients run in a
process of their own. Each request is a task of its own. Every few seconds a job rebuilds the cache
and holds `redis.lock` meanwhile; it is the bug. One request in a thousand fails, and a report
blocks the loop now and then.
"""

import asyncio
import random
import socket
import sys
import time
from collections.abc import Awaitable, Callable

from aiohttp import ClientSession, web

from asyncctx_trace import traced

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


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


async def get_price(request: web.Request) -> web.Response:
    return web.json_response(await price_of(int(request.match_info["item"])))


async def get_order(request: web.Request) -> web.Response:
    await order(int(request.match_info["item"]))
    return web.json_response("ordered")


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        response = await handler(request)
    except PriceError as error:
        response = web.json_response(str(error), status=500)
    response.force_close()  # so that each request has a connection, and a task, of its own
    return response


async def main(seconds: float, clients: int) -> None:
    app = web.Application(middlewares=[errors])
    app.add_routes([web.get("/price/{item}", get_price), web.get("/order/{item}", get_order)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listener).start()
    port = listener.getsockname()[1]
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
    await runner.cleanup()
    print("closed")


async def client(session: ClientSession, port: int, until: float) -> None:
    while time.monotonic() < until:
        kind = "order" if luck.random() < 0.3 else "price"
        async with session.get(f"http://127.0.0.1:{port}/{kind}/{luck.randrange(1000)}"):
            pass
        await asyncio.sleep(luck.uniform(0.2, 1.2))


async def load(port: int, seconds: float, clients: int) -> None:
    until = time.monotonic() + seconds
    async with ClientSession() as session:
        await asyncio.gather(*(client(session, port, until) for _ in range(clients)))


if __name__ == "__main__":
    if "--load" in sys.argv:
        asyncio.run(load(int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))
    else:
        arguments = [float(each) for each in sys.argv[1:]]
        seconds, clients = (*arguments, *(180.0, 100.0)[len(arguments) :])
        asyncio.run(main(seconds, int(clients)))
