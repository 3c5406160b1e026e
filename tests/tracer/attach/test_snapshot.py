"""A look into a running program says who holds, who waits, and whether it is a deadlock."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from asyncctx_trace.attach.in_process.reader import read_state
from asyncctx_trace.attach.in_process.values import json_of
from asyncctx_trace.attach.picture import Picture
from asyncctx_trace.attach.verdict import rings_of
from asyncctx_trace.model.waits import WaitKind
from attach.running_programs import hung, picture_of, ring_lines, running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="attaching needs /proc")


@pytest.fixture(autouse=True)
def runtime_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


TWO_LOCKS = """
import asyncio

async def transfer(first, second):
    async with first:
        await asyncio.sleep(0.01)
        async with second:
            pass

async def main():
    a, b = asyncio.Lock(), asyncio.Lock()
    tasks = [
        asyncio.create_task(transfer(a, b), name="there"),
        asyncio.create_task(transfer(b, a), name="back"),
    ]
    print("begun", flush=True)
    await asyncio.wait(tasks)

asyncio.run(main())
"""


def test_two_locks_are_a_ring_with_the_lines_of_both(tmp_path: Path) -> None:
    with running(tmp_path, TWO_LOCKS) as program:
        picture, [ring] = hung(program)

    assert ring.kind == "deadlock"
    assert ring.certain
    assert ring_lines(picture, ring) == {
        "there": ("app.py:7", {("back", 5)}),
        "back": ("app.py:7", {("there", 5)}),
    }


def test_a_full_queue_and_a_lock_are_a_ring(tmp_path: Path) -> None:
    """Nothing is left that could wake the producer: that proves it."""
    program_text = """
    import asyncio

    async def produce(queue, lock):
        async with lock:
            for number in range(3):
                await queue.put(number)

    async def consume(queue, lock):
        while True:
            async with lock:
                await queue.get()

    async def main():
        queue, lock = asyncio.Queue(1), asyncio.Lock()
        async with asyncio.TaskGroup() as group:
            group.create_task(produce(queue, lock), name="producer")
            group.create_task(consume(queue, lock), name="consumer")
            print("begun", flush=True)

    asyncio.run(main())
    """
    with running(tmp_path, program_text) as program:
        picture, [ring] = hung(program)

    lines = ring_lines(picture, ring)
    assert ring.certain
    assert lines["consumer"] == ("app.py:11", {("producer", 5)})
    assert lines["producer"] == ("app.py:7", set())
    [producer] = [each for each in picture.workers.values() if each.name == "producer"]
    assert picture.waits[producer.key].kind is WaitKind.QUEUE_PUT


def test_a_pool_of_which_nothing_is_known_is_a_resource(tmp_path: Path) -> None:
    """Its managers are held by some, and others wait inside of its method."""
    program_text = """
    import asyncio
    from contextlib import asynccontextmanager

    class Pool:
        def __init__(self, size):
            self.free = asyncio.Queue()
            for number in range(size):
                self.free.put_nowait(number)

        @asynccontextmanager
        async def connection(self):
            found = await self.free.get()
            try:
                yield found
            finally:
                self.free.put_nowait(found)

    async def handle(pool):
        async with pool.connection():
            await asyncio.sleep(0.01)
            async with pool.connection():
                pass

    async def main():
        pool = Pool(2)
        tasks = [asyncio.create_task(handle(pool), name=f"handler {n}") for n in range(2)]
        print("begun", flush=True)
        await asyncio.wait(tasks)

    asyncio.run(main())
    """
    with running(tmp_path, program_text) as program:
        picture, [ring] = hung(program)

    both = {("handler 0", 20), ("handler 1", 20)}
    assert ring_lines(picture, ring) == {
        "handler 0": ("app.py:22", both),
        "handler 1": ("app.py:22", both),
    }


def test_a_lock_of_threads_and_a_task_are_a_ring(tmp_path: Path) -> None:
    program_text = """
    import asyncio
    import threading

    files = threading.Lock()

    def write():
        with files:
            pass

    async def hold():
        with files:
            await asyncio.to_thread(write)

    print("begun", flush=True)
    asyncio.run(hold())
    """
    with running(tmp_path, program_text) as program:
        picture, [ring] = hung(program)

    lines = ring_lines(picture, ring)
    assert lines.pop("Task-1") == ("app.py:13", set())
    assert list(lines.values()) == [("app.py:8", {("Task-1", 12)})]


def test_looking_changes_nothing_in_the_program(tmp_path: Path) -> None:
    """It compares itself before and after twenty looks, and goes on serving meanwhile."""
    program_text = """
    import asyncio, gc, sys, threading

    def fingerprint():
        return (
            sorted(sys.modules),
            sorted(id(f.__code__) for f in gc.get_objects() if type(f).__name__ == "function"
             and f.__module__ in ("__main__", "asyncio.locks", "asyncio.tasks")),
            sys.getswitchinterval(), gc.isenabled(), sys.gettrace(), sys.getprofile(),
            len(asyncio.all_tasks()), threading.active_count(),
        )

    async def main():
        lock, rounds = asyncio.Lock(), 0
        loop = asyncio.get_running_loop()
        asked = loop.run_in_executor(None, sys.stdin.readline)
        before = fingerprint()
        print("begun", flush=True)
        while not asked.done():
            async with lock:
                await asyncio.sleep(0)
            rounds += 1
        after = fingerprint()
        print([x == y for x, y in zip(before, after)], rounds > 20, flush=True)

    asyncio.run(main())
    """
    with running(tmp_path, program_text) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdout.readline()
        for _ in range(20):
            picture, rings = picture_of(program.pid)
            assert not rings
            assert next(iter(picture.workers.values())).name == "Task-1"
        program.stdin.write("\n")
        program.stdin.flush()
        same = program.stdout.readline()

    expected = [True] * 8
    assert same == f"{expected} True\n"


def test_what_a_task_gives_up_by_itself_is_no_certain_deadlock() -> None:
    """In this process, where the reader runs as it is."""
    import asyncio

    async def impatient(first: asyncio.Lock, second: asyncio.Lock) -> None:
        async with first:
            await asyncio.sleep(0)
            async with asyncio.timeout(100):
                async with second:
                    pass

    async def main() -> Picture:
        a, b = asyncio.Lock(), asyncio.Lock()
        tasks = [asyncio.create_task(impatient(a, b)), asyncio.create_task(impatient(b, a))]
        for _ in range(5):
            await asyncio.sleep(0)
        state = json.loads(json.dumps(read_state()))
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return Picture(state)

    picture = asyncio.run(main())
    [ring] = rings_of(picture, 1)

    assert not ring.certain
    assert all(99 < (picture.waits[key].limit or 0) <= 100 for key in ring.members)


def test_who_waits_in_a_condition_does_not_hold_its_lock() -> None:
    import asyncio

    async def wait(condition: asyncio.Condition) -> None:
        async with condition:
            await condition.wait()

    async def main() -> Picture:
        condition = asyncio.Condition()
        task = asyncio.create_task(wait(condition))
        await asyncio.sleep(0)
        async with condition:
            state = json.loads(json.dumps(read_state()))
        task.cancel()
        await asyncio.wait([task])
        return Picture(state)

    picture = asyncio.run(main())

    [waiter] = [w for w in picture.waits.values() if w.kind is WaitKind.CONDITION]
    assert picture.workers[waiter.worker].coroutine.endswith("wait")
    assert waiter.worker not in [hold.worker for hold in picture.holds]


def test_idle_workers_are_no_deadlock() -> None:
    """They wait for an item that the program may give them."""
    import asyncio

    async def work(queue: asyncio.Queue[int], lock: asyncio.Lock) -> None:
        while True:
            await queue.get()
            async with lock:
                queue.task_done()

    async def main() -> Picture:
        queue: asyncio.Queue[int] = asyncio.Queue()
        lock = asyncio.Lock()
        tasks = [asyncio.create_task(work(queue, lock)) for _ in range(3)]
        await asyncio.sleep(0)
        state = json.loads(json.dumps(read_state()))
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return Picture(state)

    picture = asyncio.run(main())

    assert rings_of(picture, 1) == []
    assert [wait.kind for wait in picture.waits.values()] == [WaitKind.QUEUE_GET] * 3


def test_trio_tasks_and_the_owner_of_a_lock_are_read() -> None:
    import trio
    import trio.testing

    async def hold(first: trio.Lock, second: trio.Lock) -> None:
        async with first:
            await trio.testing.wait_all_tasks_blocked()
            async with second:
                pass

    states = []

    async def main() -> None:
        a, b = trio.Lock(), trio.Lock()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hold, a, b)
            nursery.start_soon(hold, b, a)
            await trio.testing.wait_all_tasks_blocked()
            await trio.sleep(0.01)
            states.append(json.loads(json.dumps(read_state())))
            nursery.cancel_scope.cancel()

    trio.run(main)
    picture = Picture(states[0])
    [ring] = rings_of(picture, 1)

    assert [picture.workers[key].coroutine.rpartition(".")[2] for key in ring.members] == [
        "hold",
        "hold",
    ]


def test_a_program_without_json_answers_in_json_all_the_same() -> None:
    value: object = {
        'a "b"\\\n é \U0001f512': [1, -2.5, float("inf"), True, None, {"c": []}],
        "d": "",
    }

    assert json.loads(json_of(value)) == value
