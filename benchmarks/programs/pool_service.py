"""Workers on a pool of real PostgreSQL connections, who work when they are told to.

    ASYNCCTX_PG_DSN=… python benchmarks/programs/pool_service.py [ROWS]

Each job takes a semaphore, a connection of the pool and a transaction, reads ``ROWS`` rows and
serialises them, and counts itself under a lock: four acquisitions. With 50 rows a job takes some
150 µs of this process, with 1,000 some 1 ms. To each line on its standard input, a number of
seconds, it works that long and says in JSON: jobs done, seconds of CPU of this process.
"""

import asyncio
import json
import os
import sys
import time

import asyncpg
from settling import settle

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 50
WORKERS = 20
QUERY = "SELECT n, n * $1::int AS m, 'row ' || n AS name FROM generate_series(1, $2) n"


class Jobs:
    """What the workers do."""

    def __init__(self, pool: asyncpg.Pool) -> None:
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
    dsn = os.environ["ASYNCCTX_PG_DSN"]
    async with asyncpg.create_pool(dsn, min_size=5, max_size=5) as pool:
        jobs = Jobs(pool)
        settle()
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            done, cpu = jobs.done, time.process_time()
            await asyncio.gather(*(jobs.work(float(line)) for _ in range(WORKERS)))
            said = {"served": jobs.done - done, "cpu": time.process_time() - cpu}
            print(json.dumps(said), flush=True)


asyncio.run(main())
