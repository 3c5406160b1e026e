"""aio-pika's pool, with things of the program's own in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from .recorded import recorded

pytest.importorskip("aio_pika")


def test_channels_of_a_pool(folder: Path) -> None:
    """Two are taken of two; opening the pool takes none."""
    run = recorded(
        folder,
        """
import asyncio
from aio_pika.pool import Pool
class Channel:
    async def close(self): pass
async def make():
    return Channel()
async def main():
    async with Pool(make, max_size=2) as pool:  # open
        async with pool.acquire(), pool.acquire():  # take
            try:
                async with asyncio.timeout(0.05), pool.acquire():  # waits
                    pass
            except TimeoutError:
                print("no third")
    async with Pool(make) as pool, pool.acquire(), pool.acquire():  # without a limit
        pass
asyncio.run(main())
""",
    )

    assert run.stdout == "no third\n"
    assert [(t.at, t.capacity, t.enter) for t in run.of("pool")] == [
        ("take", 2, "ok"),
        ("take", 2, "ok"),
        ("waits", 2, "cancelled"),
    ]
    assert len(run.of("open pool")) == 2
    assert len(run.of("unlimited pool")) == 2
