"""Programs that hang with bad luck only, and programs that look like them and never hang."""

from __future__ import annotations

_OPPOSITE = """
    import asyncio
    a, b = asyncio.Lock(), asyncio.Lock()
    async def first():
        async with a:
            await asyncio.sleep(0)  # recorded as no wait, and a suspension all the same
            async with b:
                await asyncio.sleep(0.001)
    async def second():
        async with b:
            await asyncio.sleep(0.001)
            async with a:
                await asyncio.sleep(0.001)
"""

PLAIN = f"""{_OPPOSITE}
    async def later():
        await asyncio.sleep(0.1)
        await second()
    async def main():
        await asyncio.gather(first(), later())
    asyncio.run(main())
"""

POOL = """
    import asyncio
    pool, cache = asyncio.Semaphore(2), asyncio.Lock()
    async def request(number):
        await asyncio.sleep(number * 0.05)
        async with pool:
            await asyncio.sleep(0.001)
            async with cache:
                await asyncio.sleep(0.001)
    async def refresh():
        await asyncio.sleep(0.15)
        async with cache:
            await asyncio.sleep(0.001)
            async with pool:
                await asyncio.sleep(0.001)
    async def main():
        await asyncio.gather(refresh(), *map(request, range(3)))
    asyncio.run(main())
"""

QUEUE = """
    import asyncio
    lock = asyncio.Lock()
    async def producer(queue):
        for _ in range(3):
            async with lock:
                for item in range(4):
                    await queue.put(item)
            await asyncio.sleep(0.05)
    async def consumer(queue):
        for number in range(1, 13):
            await queue.get()
            if number % 4 == 0:
                await asyncio.sleep(0.01)
                async with lock:
                    await asyncio.sleep(0.001)
    async def main():
        queue = asyncio.Queue(2)
        await asyncio.gather(producer(queue), consumer(queue))
    asyncio.run(main())
"""

ONE_AFTER_THE_OTHER = f"""{_OPPOSITE}
    async def main():
        await asyncio.create_task(first())
        await asyncio.create_task(second())
    asyncio.run(main())
"""

WITHOUT_A_SUSPENSION = """
    import asyncio
    a, b = asyncio.Lock(), asyncio.Lock()
    async def first():
        async with a:
            async with b:
                await asyncio.sleep(0.001)
    async def second():
        await asyncio.sleep(0.05)
        async with b:
            async with a:
                await asyncio.sleep(0.001)
    async def main():
        await asyncio.gather(first(), second())
    asyncio.run(main())
"""
"""Each takes both locks in one turn of the event loop, or waits for the first one."""
