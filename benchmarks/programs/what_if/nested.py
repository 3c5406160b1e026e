"""Two nested semaphores and a think time: python nested.py OUTER INNER."""

import asyncio
import random
import sys

OUTER, INNER = int(sys.argv[1]), int(sys.argv[2])


async def client(number: int, tenant: asyncio.Semaphore, disk: asyncio.Semaphore) -> None:
    rng = random.Random(number)
    for _ in range(20):
        await asyncio.sleep(rng.uniform(0.005, 0.05))
        async with tenant:
            await asyncio.sleep(rng.uniform(0.001, 0.008))
            async with disk:
                await asyncio.sleep(rng.uniform(0.002, 0.012))
            await asyncio.sleep(rng.uniform(0.001, 0.004))


async def main() -> None:
    tenant, disk = asyncio.Semaphore(OUTER), asyncio.Semaphore(INNER)
    await asyncio.gather(*(client(number, tenant, disk) for number in range(30)))


asyncio.run(main())
