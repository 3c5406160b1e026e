"""Six tasks, two database connections, and one slow query.

A pool lends connections to a real PostgreSQL: who finds none free waits in `acquire`. Inside its
connection each seller opens a transaction, which commits or rolls back before the connection
goes back. Then the report comes and keeps one connection for two seconds: all the sellers
have to make do with the other one. At the end the pool closes, once its last connection is home.

Needs `pip install 'asyncctx-trace[scenarios]'`. With ASYNCCTX_PG_DSN set it uses that server
and leaves it as it was: its only table is a temporary one.
"""

import asyncio
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from _postgres import postgres

from asyncctx_trace import traced

try:
    import asyncpg
except ImportError:
    sys.exit("pool needs asyncpg: pip install 'asyncctx-trace[scenarios]'")

CONNECTIONS = 2
Acquire = Callable[[], AbstractAsyncContextManager[asyncpg.Connection]]


async def sell(acquire: Acquire, seller: str, baskets: list[int]) -> None:
    """Sums up one basket after the other, each in a transaction; 100 things are too many."""
    for things in baskets:
        try:
            async with acquire() as connection, connection.transaction():
                await connection.execute("create temp table basket (price int) on commit drop")
                await connection.execute(
                    "insert into basket select 7 from generate_series(1, $1::int)", things
                )
                await connection.execute("select pg_sleep(0.55)")
                if things > 100:
                    raise ValueError("nobody buys that much")
                total = await connection.fetchval("select sum(price) from basket")
                print(f"{seller} sells {things} things for {total}")
        except ValueError as error:
            print(f"{seller} rolls back: {error}")
        await asyncio.sleep(0.175)  # calls the next customer, without a connection


async def report(acquire: Acquire) -> None:
    """One query that takes its time, and a connection with it."""
    await asyncio.sleep(0.975)
    async with acquire() as connection:
        print("the report begins")
        await connection.execute("select pg_sleep(2.025)")
        print("the report is done")


async def main() -> None:
    async with (
        postgres() as dsn,
        asyncpg.create_pool(dsn, min_size=CONNECTIONS, max_size=CONNECTIONS) as pool,
    ):
        # Every call is a new manager; what the tasks contend for is the pool behind it.
        acquire = traced(pool.acquire, name="db pool")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(report(acquire), name="report")
            for number, seller in enumerate(["anna", "bert", "carl", "dora", "emil"], start=1):
                baskets = [number, 500 if seller == "carl" else 10 * number]
                tasks.create_task(sell(acquire, seller, baskets), name=seller)
                await asyncio.sleep(0.1)
    print("the shop is closed")


# What the tracer must tell of this run: the tests of the project hold it to that.
EXPECTS = {
    "findings": {
        "starved-pool": ["db pool"],
    },
    "cleanup": {
        "carl": "connection.transaction() → db pool → connection.transaction() → db pool",
    },
    "contention": {
        "db pool": {
            "most_waiters": 4,
            "got_in": (
                "anna → bert → carl → dora → emil → anna → bert → report → carl → dora → emil"
            ),
        },
    },
}

if __name__ == "__main__":
    asyncio.run(main())
