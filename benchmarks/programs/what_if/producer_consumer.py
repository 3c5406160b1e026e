"""A producer, a bounded queue, and consumers that share devices: python … DEVICES QUEUE."""

import asyncio
import random
import sys

DEVICES, QUEUE = int(sys.argv[1]), int(sys.argv[2])
ITEMS = 400


async def produce(jobs: asyncio.Queue[float]) -> None:
    rng = random.Random(1)
    for _ in range(ITEMS):
        await asyncio.sleep(rng.expovariate(1 / 0.003))
        await jobs.put(rng.uniform(0.004, 0.02))


async def consume(jobs: asyncio.Queue[float], devices: asyncio.Semaphore) -> None:
    while True:
        length = await jobs.get()
        await asyncio.sleep(0.002)
        async with devices:
            await asyncio.sleep(length)
        jobs.task_done()


async def main() -> None:
    jobs: asyncio.Queue[float] = asyncio.Queue(QUEUE)
    devices = asyncio.Semaphore(DEVICES)
    consumers = [asyncio.create_task(consume(jobs, devices)) for _ in range(10)]
    await produce(jobs)
    await jobs.join()
    for consumer in consumers:
        consumer.cancel()
    await asyncio.gather(*consumers, return_exceptions=True)


asyncio.run(main())
