"""Six tasks, two database connections, and one slow query.

A pool lends connections to a real PostgreSQL: a task that finds none free waits in `acquire`.
With its connection each seller opens a transaction, which commits or rolls back before the
connection goes back. Then the report keeps one connection for two seconds, and all the sellers
share the other one. At the end the pool closes, with all connections returned.

Needs `pip install 'asyncctx-trace[scenarios]'`. With ASYNCCTX_PG_DSN set it uses that server
and leaves it unchanged: its only table is a temporary one.
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

# (things, price of each): ten things take 0.6 seconds.
BASKETS = {
    "anna": [(5, 3), (10, 2)],
    "bert": [(10, 7), (10, 1)],
    "carl": [(10, 4), (10, 900)],
    "dora": [(10, 5), (10, 6)],
    "emil": [(10, 8), (10, 9)],
}


async def prepare(connection: asyncpg.Connection) -> None:
    """Prepare each connection that the pool opens."""
    await connection.execute("create temp table sales (things int, price int)")


async def sell(acquire: Acquire, seller: str) -> None:
    """Sell one basket after the other, each in a transaction."""
    for things, price in BASKETS[seller]:
        try:
            async with acquire() as connection, connection.transaction():
                await connection.execute("insert into sales values ($1, $2)", things, price)
                await connection.execute("select pg_sleep(0.06 * $1::int)", things)
                if things * price > 1000:
                    raise ValueError("nobody has that much")
                print(f"{seller} sells {things} things for {things * price}")
        except ValueError as error:
            print(f"{seller} rolls back: {error}")


async def report(acquire: Acquire) -> None:
    """Run one slow query on a connection."""
    async with acquire() as connection:
        print("the report begins")
        await connection.execute("select count(*), pg_sleep(1.8) from sales")
        print("the report is done")


async def main() -> None:
    async with (
        postgres() as dsn,
        asyncpg.create_pool(dsn, min_size=CONNECTIONS, max_size=CONNECTIONS, init=prepare) as pool,
    ):
        # Each call returns a new context manager; the tasks contend for the pool.
        acquire = traced(pool.acquire, name="db pool")
        async with asyncio.TaskGroup() as tasks:
            for seller in BASKETS:
                tasks.create_task(sell(acquire, seller), name=seller)
            tasks.create_task(report(acquire), name="report")
    print("the shop is closed")


# What the tracer finds in this run; the project's tests check it.
EXPECTS = {
    "findings": {},
    "cleanup": {
        "carl": "connection.transaction() → db pool → connection.transaction() → db pool",
    },
    "contention": {
        "db pool": {
            "most_waiters": 4,
            "got_in": (
                "anna → bert → carl → dora → emil → report → anna → bert → carl → dora → emil"
            ),
        },
    },
}

# What to look at, step by step; the project's tests check that each moment is found.
STORY = [
    {
        "at": ("anna", "holds", "db pool"),
        "see": "anna and bert have the two connections of the pool. The bar below is the "
        "transaction inside.",
    },
    {
        "at": ("report", "waits for", "db pool"),
        "see": "All others wait in `acquire`: their bars are dotted. View 2 shows one row for "
        "each connection, and the queue above.",
    },
    {
        "at": ("carl", "gets", "db pool"),
        "see": "anna has returned her connection; the arrow leads to carl, who was the first in "
        "line. anna queues again at the end.",
    },
    {
        "at": ("report", "holds", "db pool"),
        "see": "The report keeps one connection for almost two seconds. Now everybody else "
        "shares the other one, and the queue grows.",
    },
    {
        "at": ("report", "leaves", "db pool"),
        "see": "The report returns its connection. The overview (0) says how long the others "
        "waited because of it.",
    },
    {
        "at": ("carl", "leaves", "connection.transaction()"),
        "see": "carl's body fails: the transaction rolls back first, then the connection goes "
        "back to the pool.",
    },
]

if __name__ == "__main__":
    asyncio.run(main())
