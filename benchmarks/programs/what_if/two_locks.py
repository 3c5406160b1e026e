"""Requests that arrive by themselves and pass two stages in a row: python two_locks.py FIRST."""

import asyncio
import random
import sys

FIRST = int(sys.argv[1])


async def request(number: int, first: asyncio.Semaphore, second: asyncio.Lock) -> None:
    rng = random.Random(number)
    async with first:
        await asyncio.sleep(rng.uniform(0.004, 0.016))
    await asyncio.sleep(rng.uniform(0.0, 0.004))
    async with second:
        await asyncio.sleep(rng.uniform(0.001, 0.005))


async def main() -> None:
    first, second = asyncio.Semaphore(FIRST), asyncio.Lock()
    rng = random.Random(0)
    async with asyncio.TaskGroup() as tasks:
        for number in range(500):
            tasks.create_task(request(number, first, second))
            await asyncio.sleep(rng.expovariate(1 / 0.004))


asyncio.run(main())
