"""Forty clients that share a pool: python workers.py POOL."""

import asyncio
import random
import sys

POOL = int(sys.argv[1])


async def client(number: int, pool: asyncio.Semaphore) -> None:
    rng = random.Random(number)
    for _ in range(25):
        await asyncio.sleep(rng.uniform(0.005, 0.06))
        async with pool:
            await asyncio.sleep(rng.uniform(0.002, 0.018))


async def main() -> None:
    pool = asyncio.Semaphore(POOL)
    async with asyncio.TaskGroup() as tasks:
        for number in range(40):
            tasks.create_task(client(number, pool))


asyncio.run(main())
