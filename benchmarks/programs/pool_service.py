"""Workers on a pool of real PostgreSQL connections: prints what they did in a few seconds.

    ASYNCCTX_PG_DSN=… python benchmarks/programs/pool_service.py [ROWS] [SECONDS]

Each job takes a semaphore, a connection of the pool and a transaction, reads ``ROWS`` rows and
serialises them, and counts itself under a lock. With 50 rows a job takes some 400 µs of this
process, with 1,000 some 2 ms. The last line is JSON: jobs done, seconds of CPU, seconds.
"""

import asyncio
import json
import os
import sys
import time

import asyncpg

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 50
SECONDS = float(sys.argv[2]) if len(sys.argv) > 2 else 3.0
WARM_UP = 0.5
WORKERS = 20
QUERY = "SELECT n, n * $1::int AS m, 'row ' || n AS name FROM generate_series(1, $2) n"


class Jobs:
    """What the workers do."""

    def __init__(self, pool) -> None:
        self.pool = pool
        self.limit = asyncio.Semaphore(10)
        self.lock = asyncio.Lock()
        self.done = 0

    async def work(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            async with (
                self.limit,
                self.pool.acquire() as connection,
                connection.transaction(),
            ):
                rows = await connection.fetch(QUERY, 7, ROWS)
            json.dumps([dict(row) for row in rows])
            async with self.lock:
                self.done += 1


async def main() -> None:
    async with asyncpg.create_pool(os.environ["ASYNCCTX_PG_DSN"], min_size=5, max_size=5) as pool:
        jobs = Jobs(pool)
        await asyncio.gather(*(jobs.work(WARM_UP) for _ in range(WORKERS)))
        jobs.done = 0
        began, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(jobs.work(SECONDS) for _ in range(WORKERS)))
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(json.dumps({"served": jobs.done, "cpu": cpu, "seconds": wall}))


asyncio.run(main())
