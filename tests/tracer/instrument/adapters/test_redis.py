"""redis-py's asyncio client, with a real server."""

from __future__ import annotations

from pathlib import Path

from .recorded import recorded

CLIENT = """
import asyncio, gc, os
import redis.asyncio as redis
def pool_of(size, cls=redis.BlockingConnectionPool, **options):
    return cls.from_url(os.environ["REDIS"], max_connections=size, **options)
"""


def test_commands_pipelines_and_subscriptions_take_from_the_pool(
    folder: Path, redis_server: str
) -> None:
    """Each at the program's line, and each gives back."""
    run = recorded(
        folder,
        CLIENT
        + """
async def main():
    pool = pool_of(3)
    async with redis.Redis(connection_pool=pool) as client:
        await asyncio.gather(client.set("key", "value"), client.ping())  # command
        async with client.pipeline() as pipe:  # pipeline
            pipe.get("key")
            print(await pipe.execute())  # execute
        async with client.pubsub() as subscription:  # subscription
            await subscription.subscribe("channel")  # subscribe
    await pool.aclose()
asyncio.run(main())
""",
        REDIS=redis_server,
    )

    assert run.stdout == "[b'value']\n"
    assert [(t.at, t.parent) for t in run.of("pool")] == [
        ("command", ""),
        ("command", ""),
        ("execute", "pipeline"),
        ("subscribe", "subscription"),
    ]
    assert all(t.left for t in run.of("pool"))
    assert {(t.resource, t.capacity) for t in run.of("pool")} == {("redis pool", 3)}


def test_a_watched_pipeline_keeps_its_connection(folder: Path, redis_server: str) -> None:
    """And keeps out the command that waits for it."""
    run = recorded(
        folder,
        CLIENT
        + """
async def main():
    client = redis.Redis(connection_pool=pool_of(1, timeout=0.1))
    async with client.pipeline() as pipe:
        await pipe.watch("key")  # holds
        try:
            await client.get("key")  # asks
        except redis.ConnectionError:
            print("none left")
    await client.aclose()
asyncio.run(main())
""",
        REDIS=redis_server,
    )

    assert run.stdout == "none left\n"
    assert [(t.at, t.enter, t.left) for t in run.of("pool")] == [
        ("holds", "ok", True),
        ("asks", "error", False),
    ]


def test_a_pool_that_does_not_wait_refuses(folder: Path, redis_server: str) -> None:
    """Its subscriptions are never closed."""
    run = recorded(
        folder,
        CLIENT
        + """
async def main():
    client = redis.Redis(connection_pool=pool_of(2, redis.ConnectionPool))
    subscriptions = [client.pubsub() for _ in range(3)]
    try:
        for each in subscriptions:
            await each.subscribe("channel")  # subscribe
    except redis.ConnectionError as error:
        print(error)
    os._exit(0)
asyncio.run(main())
""",
        REDIS=redis_server,
    )

    assert [(t.at, t.enter, t.left) for t in run.of("pool")] == [
        ("subscribe", "ok", False),
        ("subscribe", "ok", False),
        ("subscribe", "error", False),
    ]


def test_a_pool_that_is_reset_has_nothing_out(folder: Path, redis_server: str) -> None:
    """Acquisitions before the reset have ended."""
    run = recorded(
        folder,
        CLIENT
        + """
async def main():
    pool = pool_of(1)
    connection = await pool.get_connection()  # take
    pool.reset()
    print(await redis.Redis(connection_pool=pool).ping(), flush=True)  # take again
    os._exit(0)
asyncio.run(main())
""",
        REDIS=redis_server,
    )

    assert run.stdout == "True\n"
    assert [(t.at, t.left) for t in run.of("pool")] == [("take", True), ("take again", True)]
