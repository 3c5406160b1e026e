"""SQLAlchemy's asyncio engines and sessions, with a real server and both of its drivers."""

from __future__ import annotations

from pathlib import Path

import pytest

from .recorded import recorded

pytest.importorskip("sqlalchemy")
pytest.importorskip("greenlet")
ENGINE = """
import asyncio, gc, os
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import NullPool
url = os.environ["PGDSN"].replace("postgresql:", "postgresql+{driver}:")
engine = create_async_engine(url, **dict(pool_size=2, max_overflow=1, pool_timeout=1) | {options})
Session = async_sessionmaker(engine)
async def main():
    await work()
    await engine.dispose()
"""


def program(source: str, driver: str = "asyncpg", options: str = "{}") -> str:
    return ENGINE.replace("{driver}", driver).replace("{options}", options) + source


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_a_connection_is_taken_once_however_many_layers_there_are(
    folder: Path, postgres: str, driver: str
) -> None:
    """By engine and session, at the program's line; what is entered lies around it."""
    pytest.importorskip(driver, exc_type=ImportError)  # libpq may be missing
    run = recorded(
        folder,
        program(
            """
async def work():
    async with engine.connect() as connection:  # connect
        await connection.execute(text("select 1"))
    async with engine.begin() as connection:  # begin
        await connection.execute(text("select 1"))
    async with Session() as session:  # session
        await session.execute(text("select 1"))  # execute
        await session.execute(text("select 1"))
    connection = await engine.connect()  # by hand
    await connection.close()  # given back
asyncio.run(main())
""",
            driver,
        ),
        PGDSN=postgres,
    )

    assert [(t.at, t.parent, t.left) for t in run.of("pool")] == [
        ("connect", "connection", True),
        ("begin", "generator", True),
        ("execute", "session", True),
        ("by hand", "", True),
    ]
    assert run.of("pool")[-1].left_at == "given back"
    assert {(t.resource, t.capacity) for t in run.of("pool")} == {(f"postgresql+{driver} pool", 3)}
    assert set(run.holders.values()) == {1}


def test_a_task_that_waits_for_a_connection_is_in_its_enter(folder: Path, postgres: str) -> None:
    """It holds all three, and waits for a fourth."""
    run = recorded(
        folder,
        program(
            """
async def helper():
    async with engine.connect():  # asks
        pass
async def work():
    async with engine.connect(), engine.connect(), engine.connect():  # holds
        try:
            await helper()
        except Exception as error:
            print(type(error).__name__)
asyncio.run(main())
"""
        ),
        PGDSN=postgres,
    )

    assert run.stdout == "TimeoutError\n"
    assert [(t.at, t.enter) for t in run.of("pool")] == [
        ("holds", "ok"),
        ("holds", "ok"),
        ("holds", "ok"),
        ("asks", "error"),
    ]


@pytest.mark.parametrize(
    "way",
    [
        "await session.close()",
        "await session.commit()",
        "await session.rollback()",
        "await (await session.connection()).invalidate(); await session.rollback()",
        "raw = await (await session.connection()).get_raw_connection(); raw.detach()",
        "del session; gc.collect()",
    ],
)
def test_connections_go_back_in_many_ways(folder: Path, postgres: str, way: str) -> None:
    """At the end of a transaction, detached, invalidated, or found by the garbage collector."""
    run = recorded(
        folder,
        program(
            f"""
async def work():
    session = Session()
    await session.execute(text("select 1"))  # take
    {way}
    print("done")
    os._exit(0)
asyncio.run(main())
"""
        ),
        PGDSN=postgres,
    )

    [taken] = run.of("pool")
    assert (taken.at, taken.left) == ("take", True)
    assert taken.collected == ("gc.collect" in way)


def test_a_session_that_is_never_closed_keeps_its_connection(folder: Path, postgres: str) -> None:
    """As in a dependency that forgets to close it."""
    run = recorded(
        folder,
        program(
            """
kept = []
async def dependency():
    session = Session()
    kept.append(session)
    yield session
async def endpoint(session):
    await session.execute(text("select 1"))  # take
async def work():
    async for session in dependency():
        await endpoint(session)
    os._exit(0)
asyncio.run(main())
"""
        ),
        PGDSN=postgres,
    )

    assert [(t.at, t.enter, t.left) for t in run.of("pool")] == [("take", "ok", False)]


def test_sync_code_inside_a_greenlet_is_the_programs_line(folder: Path, postgres: str) -> None:
    """What ``run_sync`` runs asks at its own line, not at that of the ``await``."""
    run = recorded(
        folder,
        program(
            """
def read(session):
    return session.execute(text("select 1")).scalar()  # inside
async def work():
    async with Session() as session:
        print(await session.run_sync(read))  # outside
asyncio.run(main())
"""
        ),
        PGDSN=postgres,
    )

    assert run.stdout == "1\n"
    assert [t.at for t in run.of("pool")] == ["inside"]


def test_a_pool_without_a_limit_keeps_nobody_out(folder: Path, postgres: str) -> None:
    """A NullPool is another kind than a pool; so is one that may overflow without end."""
    pytest.importorskip("asyncpg")
    run = recorded(
        folder,
        program(
            """
engine = create_async_engine(url, poolclass=NullPool)
endless = create_async_engine(url, pool_size=1, max_overflow=-1)
async def work():
    async with engine.connect(), engine.connect(), endless.connect(), endless.connect():
        print("all")
    await endless.dispose()
asyncio.run(main())
"""
        ),
        PGDSN=postgres,
    )

    assert run.stdout == "all\n"
    assert [t.capacity for t in run.of("unlimited pool")] == [None] * 4


def test_an_engine_that_is_not_async_is_left_alone(folder: Path) -> None:
    """It has no tasks that could wait."""
    run = recorded(
        folder,
        """
from sqlalchemy import create_engine, text
engine = create_engine("sqlite://")
with engine.connect() as connection:
    print(connection.execute(text("select 1")).scalar())
""",
    )

    assert run.stdout == "1\n"
    assert run.taken == []
