"""Workers on a pool of real PostgreSQL connections: prints transactions per second.

Needs the DSN of a server in ``ASYNCCTX_PG_DSN``.
"""

import asyncio
import json
import os
import sys
import time

import asyncpg

TRANSACTIONS = int(sys.argv[1]) if len(sys.argv) > 1 else 3_000
WORKERS = 20


async def worker(pool, transactions: int) -> None:
    for number in range(transactions):
        async with pool.acquire() as connection, connection.transaction():
            await connection.fetch(
                "SELECT n, n * $1::int AS m FROM generate_series(1, 50) n", number
            )


async def main() -> None:
    dsn = os.environ["ASYNCCTX_PG_DSN"]
    async with asyncpg.create_pool(dsn, min_size=5, max_size=5) as pool:
        await asyncio.gather(*(worker(pool, 5) for _ in range(WORKERS)))
        started, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(worker(pool, TRANSACTIONS // WORKERS) for _ in range(WORKERS)))
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(json.dumps({"per_second": TRANSACTIONS / wall, "cpu_each": cpu / TRANSACTIONS}))


asyncio.run(main())
