"""An acquisition inside a library has the site of the program's line that called the library."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from textwrap import dedent

from instrument.adapters.recorded import Recorded, recorded

LIBRARY = """
import asyncio

class Item:
    def __init__(self, pool): self.pool = pool
    def close(self): self.pool.put(self)

class Pool:
    def __init__(self, size):
        self.size = size
        self.free = asyncio.Semaphore(size or 1000)
        self.items = []
    async def get(self):
        await self.free.acquire()
        return self.items.pop() if self.items else Item(self)
    def put(self, item):
        if item in self.items:
            raise ValueError("not out")
        self.items.append(item)
        self.free.release()
    async def use(self):
        item = await self.get()
        await asyncio.sleep(0)
        item.close()
    def later(self):
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: self.kept.append(loop.create_task(self.use())))
    kept = []
    def __aenter__(self): return self.opened()
    async def opened(self): return self
    async def __aexit__(self, *exc): pass
"""
ADAPTER = """
import asyncio
from asyncctx_trace import Adapter, Checkout, Give, Take, register_adapter
register_adapter(
    Adapter(
        "acme.Pool",
        "open pool",
        lambda pool: "acme.Pool",
        checkout=Checkout(
            takes=(Take("acme.Pool.get"), Take("acme.Pool.get_later")),
            gives=(
                Give("acme.Pool.put", lambda pool, item: item, arguments=2),
                Give("acme.Item.close", lambda item: item),
            ),
            limit=lambda pool: pool.size,
            methods=("get",),
        ),
    )
)
import acme
"""


def run(folder: Path, source: str) -> Recorded:
    installed = folder / "site-packages"
    installed.mkdir()
    (installed / "acme.py").write_text(LIBRARY)
    paths = os.pathsep.join([str(installed), os.environ.get("PYTHONPATH", "")])
    os.environ["PYTHONPATH"], before = paths, os.environ.get("PYTHONPATH")
    try:
        return recorded(folder, ADAPTER + dedent(source))
    finally:
        del os.environ["PYTHONPATH"]
        if before is not None:
            os.environ["PYTHONPATH"] = before


def test_each_item_is_one_acquisition_at_the_programs_line(tmp_path: Path) -> None:
    """Acquired by the program or by the library; adapters skip methods that do not exist."""
    found = run(
        tmp_path,
        """
        async def main():
            pool = acme.Pool(2)
            async with pool:  # open
                item = await pool.get()  # get
                pool.put(item)  # put
                item = await asyncio.wait_for(pool.get(), 5)  # wait_for
                item.close()  # close
                await pool.use()  # use
        asyncio.run(main())
        """,
    )

    assert [(t.at, t.enter, t.left) for t in found.of("pool")] == [
        ("get", "ok", True),
        ("wait_for", "ok", True),
        ("use", "ok", True),
    ]
    assert {(t.resource, t.capacity) for t in found.of("pool")} == {("pool", 2)}
    assert [t.left_at for t in found.of("pool")] == ["put", "close", "use"]
    assert [t.at for t in found.of("open pool")] == ["open"]


def test_waiting_is_the_enter_and_a_failed_give_is_an_end(tmp_path: Path) -> None:
    """A second release ends nothing, and raises as without the tracer."""
    found = run(
        tmp_path,
        """
        async def main():
            pool = acme.Pool(1)
            item = await pool.get()  # holds
            try:
                async with asyncio.timeout(0.05):
                    await pool.get()  # waits
            except TimeoutError:
                pool.put(item)
            try:
                pool.put(item)
            except ValueError as error:
                print(error)
        asyncio.run(main())
        """,
    )

    assert found.stdout == "not out\n"
    assert [(t.at, t.enter, t.left) for t in found.of("pool")] == [
        ("holds", "ok", True),
        ("waits", "cancelled", False),
    ]


def test_a_pool_without_a_limit_is_another_kind(tmp_path: Path) -> None:
    """Tasks do not wait for each other there."""
    found = run(
        tmp_path,
        """
        async def main():
            pool = acme.Pool(0)
            first, second = await pool.get(), await pool.get()
        asyncio.run(main())
        """,
    )

    assert [(t.capacity, t.left) for t in found.of("unlimited pool")] == [
        (None, False),
        (None, False),
    ]


def test_a_task_made_of_a_librarys_coroutine_is_charged_to_the_line_that_made_it(
    tmp_path: Path,
) -> None:
    """The call belongs to the task that created the new one; other coroutines to their own task."""
    found = run(
        tmp_path,
        """
        async def main():
            pool = acme.Pool(3)
            item = await asyncio.create_task(pool.get())  # get
            item.close()
            await asyncio.gather(pool.use(), pool.use())  # use
            async with asyncio.TaskGroup() as group:
                group.create_task(pool.use())  # group
        asyncio.run(main())
        """,
    )

    assert [(t.at, t.task, t.left) for t in found.of("pool")] == [
        ("get", "Task-1", True),
        ("use", "Task-3", True),
        ("use", "Task-4", True),
        ("group", "Task-5", True),
    ]


def test_a_site_knows_who_called_its_function(tmp_path: Path) -> None:
    """The caller is the next frame of the program's own code."""
    found = run(
        tmp_path,
        """
        async def helper(pool):
            return await pool.get()  # inside
        async def main():
            pool = acme.Pool(2)
            await helper(pool)  # first
            await asyncio.wait_for(helper(pool), 5)  # second
        asyncio.run(main())
        """,
    )

    second = "second" if sys.version_info >= (3, 12) else ""  # there it is a task of its own
    assert [(t.at, t.caller) for t in found.of("pool")] == [("inside", "first"), ("inside", second)]


def test_an_item_that_is_collected_while_it_is_out_is_noted(tmp_path: Path) -> None:
    """It stays out of a pool that counts it."""
    found = run(
        tmp_path,
        """
        async def main():
            pool = acme.Pool(2)
            item = await pool.get()  # get
            del item
        asyncio.run(main())
        """,
    )

    assert [(t.at, t.left, t.collected) for t in found.of("pool")] == [("get", False, True)]


def test_a_librarys_own_tasks_are_not_charged_to_who_started_the_loop(tmp_path: Path) -> None:
    """Acquisitions that no line of the program requested are not recorded."""
    found = run(
        tmp_path,
        """
        async def main():
            pool = acme.Pool(1)
            pool.later()
            await asyncio.sleep(0.05)
        asyncio.run(main())  # not here
        """,
    )

    assert found.of("pool") == []


def test_a_semaphore_first_seen_in_use_has_the_capacity_that_it_was_made_with(
    tmp_path: Path,
) -> None:
    """In a program that records only a part of itself; also those of anyio and trio."""
    found = recorded(
        tmp_path,
        """
        import asyncio
        import anyio, trio
        import asyncctx_trace
        from asyncctx_trace.instrument import sinks
        attached = list(sinks._sinks)
        async def main():
            for sink in attached:
                sinks.detach(sink)
            taken = asyncio.Semaphore(3), asyncio.BoundedSemaphore(4), anyio.Semaphore(5)
            signal = asyncio.Semaphore(0)
            for each in taken:
                await each.acquire()
            signal.release()
            for sink in attached:
                sinks.attach(sink)
            for each in *taken, signal:
                async with each:  # enter
                    pass
        async def of_trio():
            async with trio.Semaphore(6):  # enter
                pass
        asyncio.run(main())
        trio.run(of_trio)
        """,
    )

    assert [(t.kind, t.capacity) for t in found.taken if t.at == "enter"] == [
        ("semaphore", 3),
        ("semaphore", 4),
        ("semaphore", 5),
        ("signal", None),
        ("semaphore", 6),
    ]
