"""asyncpg and psycopg_pool, with a real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from .recorded import recorded

ASYNCPG = """
import asyncio, asyncpg, os
async def pooled(work, **options):
    async with asyncpg.create_pool(os.environ["PGDSN"], min_size=1, max_size=2) as pool:  # open
        await work(pool)
"""
PSYCOPG = """
import asyncio, os
from psycopg_pool import AsyncConnectionPool, PoolTimeout
dsn = os.environ["PGDSN"]
async def pooled(work, max_size=2, **options):
    options |= dict(min_size=1, max_size=max_size, open=False)
    async with AsyncConnectionPool(dsn, **options) as pool:  # open
        await work(pool)
"""


def test_asyncpg_by_block_by_call_and_by_a_method_of_the_pool(folder: Path, postgres: str) -> None:
    """Three ways to take a connection of one pool; opening the pool is none."""
    pytest.importorskip("asyncpg")
    run = recorded(
        folder,
        ASYNCPG
        + """
async def work(pool):
    async with pool.acquire() as connection:  # block
        await connection.fetchval("select 1")
    connection = await pool.acquire()  # call
    await pool.release(connection)
    connection = await asyncio.wait_for(pool.acquire(), 5)  # call with a deadline
    await pool.release(connection)
    print(await pool.fetchval("select 2"))  # method
asyncio.run(pooled(work))
""",
        PGDSN=postgres,
    )

    assert run.stdout == "2\n"
    assert [(t.kind, t.at) for t in run.of("open pool")] == [("open pool", "open")]
    assert {t.at for t in run.of("pool")} >= {"block", "call", "method"}
    assert len(run.of("pool")) == 4
    assert {t.capacity for t in run.of("pool")} == {2}
    assert all(t.left for t in run.taken)
    assert set(run.holders.values()) == {1}


@pytest.mark.parametrize(
    "way",
    [
        "connection.terminate()",
        "await connection.close()",
        "await pool.release(connection)",
        "await pool.expire_connections(); await pool.release(connection)",
        "pool.terminate()",
    ],
)
def test_asyncpg_connections_go_back_in_many_ways(folder: Path, postgres: str, way: str) -> None:
    """Whatever gives the place in the pool back ends the acquisition."""
    pytest.importorskip("asyncpg")
    run = recorded(
        folder,
        ASYNCPG
        + f"""
async def work(pool):
    connection = await pool.acquire()  # take
    {way}  # give
    if not pool.is_closing() and not pool._closed:
        print([await pool.fetchval("select 1") for _ in range(3)])  # again
asyncio.run(pooled(work))
""",
        PGDSN=postgres,
    )

    first = run.of("pool")[0]
    assert (first.at, first.enter, first.left) == ("take", "ok", True)
    assert first.left_at == "give"
    assert set(run.holders.values()) == {1}


def test_asyncpg_refuses_a_connection_of_another_pool(folder: Path, postgres: str) -> None:
    """The mistaken release ends nothing."""
    pytest.importorskip("asyncpg")
    run = recorded(
        folder,
        ASYNCPG
        + """
async def work(pool):
    async with asyncpg.create_pool(os.environ["PGDSN"], min_size=0, max_size=1) as other:
        connection = await pool.acquire()  # take
        try:
            await other.release(connection)
        except asyncpg.InterfaceError as error:
            print("refused")
        os._exit(0)
asyncio.run(pooled(work))
""",
        PGDSN=postgres,
    )

    [taken] = run.of("pool")
    assert (taken.enter, taken.left) == ("ok", False)


def test_psycopg_by_block_and_by_call(folder: Path, postgres: str) -> None:
    """Each is one acquisition of the pool, at the program's line."""
    pytest.importorskip("psycopg_pool", exc_type=ImportError)  # libpq may be missing
    run = recorded(
        folder,
        PSYCOPG
        + """
async def work(pool):
    async with pool.connection() as connection:  # block
        await connection.execute("select 1")
        other = await pool.getconn(timeout=5)  # call
        try:
            async with asyncio.timeout(0.05), pool.connection():  # too many
                pass
        except TimeoutError:
            print("no third")
        await pool.putconn(other)
asyncio.run(pooled(work))
""",
        PGDSN=postgres,
    )

    assert run.stdout == "no third\n"
    assert [(t.at, t.enter, t.left) for t in run.of("pool")] == [
        ("block", "ok", True),
        ("call", "ok", True),
        ("too many", "cancelled", False),
    ]
    assert {(t.resource, t.capacity) for t in run.of("pool")} == {("pool", 2)}
    assert [t.at for t in run.of("open pool")] == ["open"]


@pytest.mark.parametrize(("returns", "left"), [(True, True), (False, False)])
def test_psycopg_close_gives_back_where_the_pool_says_so(
    folder: Path, postgres: str, returns: bool, left: bool
) -> None:
    """With ``close_returns``; without it the pool goes on counting the closed connection."""
    pytest.importorskip("psycopg_pool", minversion="3.3", exc_type=ImportError)
    run = recorded(
        folder,
        PSYCOPG
        + f"""
async def work(pool):
    connection = await pool.getconn()  # take
    await connection.close()
asyncio.run(pooled(work, close_returns={returns}))
""",
        PGDSN=postgres,
    )

    assert [(t.at, t.left) for t in run.of("pool")] == [("take", left)]


def test_psycopg_without_a_limit_keeps_nobody_out(folder: Path, postgres: str) -> None:
    """A null pool of any size is another kind than a pool."""
    pytest.importorskip("psycopg_pool", exc_type=ImportError)  # libpq may be missing
    run = recorded(
        folder,
        """
import asyncio, os
from psycopg_pool import AsyncNullConnectionPool
async def main():
    async with AsyncNullConnectionPool(os.environ["PGDSN"], max_size=0, open=False) as pool:
        async with pool.connection(), pool.connection():
            print("two")
asyncio.run(main())
""",
        PGDSN=postgres,
    )

    assert run.stdout == "two\n"
    assert [t.capacity for t in run.of("unlimited pool")] == [None, None]


def test_psycopg_with_no_server_nobody_holds_anything(folder: Path) -> None:
    """The opened pool has nothing to give, and is not held itself."""
    pytest.importorskip("psycopg_pool", exc_type=ImportError)  # libpq may be missing
    run = recorded(
        folder,
        PSYCOPG
        + """
async def work(pool):
    try:
        await pool.getconn(timeout=0.05)  # take
    except PoolTimeout:
        print("none")
asyncio.run(pooled(work, max_size=1))
""",
        PGDSN="host=127.0.0.1 port=1 dbname=none",
    )

    assert run.stdout == "none\n"
    assert [(t.at, t.enter) for t in run.of("pool")] == [("take", "error")]
    assert run.of("open pool")[0].capacity is None
