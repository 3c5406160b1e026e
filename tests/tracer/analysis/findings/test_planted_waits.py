"""For every kind of wait, a program that hangs on it, and a similar correct one.

They run on a clock that goes on while they sleep; one that hangs is looked at when nothing is left
that could wake it.
"""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent

import pytest

from analysis.support.waiting_programs import compiled, timeline_of
from asyncctx_trace.analysis.findings import Finding, find


def findings_of(path: Path, body: str) -> list[Finding]:
    """The findings in ``async def main()`` with this body."""
    source = "async def main():\n" + indent(dedent(body).strip(), "    ") + "\n"
    return find(timeline_of(path / "run.actx", compiled(source)["main"]))


PLANTED = {
    "queue get": (
        "still-waiting",
        "(items came from producer, which has ended)",
        """
        jobs = asyncio.Queue()
        async def consume():
            while True:
                await jobs.get()
        async def produce():
            await asyncio.sleep(0.01)
            jobs.put_nowait(1)
        producer = asyncio.create_task(produce(), name="producer")
        await asyncio.gather(producer, asyncio.create_task(consume(), name="consumer"))
        """,
        """
        jobs = asyncio.Queue()
        async def consume():
            while await jobs.get() is not None: pass
        async def produce():
            await asyncio.sleep(0.01)
            jobs.put_nowait(1)
            jobs.put_nowait(None)
        producer = asyncio.create_task(produce(), name="producer")
        await asyncio.create_task(consume(), name="consumer")
        """,
    ),
    "queue put": (
        "still-waiting",
        "(items were taken by consumer, which has ended)",
        """
        jobs = asyncio.Queue(1)
        async def produce():
            for job in range(4): await jobs.put(job)
        async def consume():
            await asyncio.sleep(0.01)
            await jobs.get()
        asyncio.create_task(produce(), name="producer")
        await asyncio.create_task(consume(), name="consumer")
        await asyncio.Event().wait()
        """,
        """
        jobs = asyncio.Queue(1)
        async def produce():
            for job in range(4): await jobs.put(job)
        async def consume():
            for _ in range(4):
                await jobs.get()
                await asyncio.sleep(0.01)
        asyncio.create_task(produce(), name="producer")
        await asyncio.create_task(consume(), name="consumer")
        """,
    ),
    "queue join": (
        "still-waiting",
        "waits for all items of `jobs` to be done",
        """
        jobs = asyncio.Queue()
        async def work():
            while True:
                await jobs.get()
                await asyncio.sleep(0.01)
        worker = asyncio.create_task(work())
        jobs.put_nowait(1)
        await jobs.join()
        """,
        """
        jobs = asyncio.Queue()
        async def work():
            while True:
                await jobs.get()
                await asyncio.sleep(0.01)
                jobs.task_done()
        workers = [asyncio.create_task(work()) for _ in range(3)]
        jobs.put_nowait(1)
        await jobs.join()
        for worker in workers: worker.cancel()
        """,
    ),
    "event under a lock": (
        "deadlock",
        "waits for event `ready`",
        """
        lock, ready = asyncio.Lock(), asyncio.Event()
        async def wait():
            async with lock: await ready.wait()
        async def set():
            async with lock: ready.set()
        await asyncio.gather(wait(), set())
        """,
        """
        lock, ready = asyncio.Lock(), asyncio.Event()
        async def wait():
            await ready.wait()
            async with lock: pass
        async def set():
            async with lock: ready.set()
        await asyncio.gather(wait(), set())
        """,
    ),
    "event": (
        "still-waiting",
        "client waits for event `ready`",
        """
        ready = asyncio.Event()
        async def client(): await ready.wait()
        await asyncio.create_task(client(), name="client")
        """,
        """
        stop = asyncio.Event()
        await stop.wait()
        """,
    ),
    "condition": (
        "still-waiting",
        "wait for a notification of `changed`",
        """
        changed, full = asyncio.Condition(), [False]
        async def use(value):
            async with changed:
                while full[0] == value: await changed.wait()
                full[0] = value
                changed.notify()
        await asyncio.gather(*(use(value) for value in (False, False, False, True, True)))
        """,
        """
        changed, full = asyncio.Condition(), [False]
        async def use(value):
            async with changed:
                while full[0] == value: await changed.wait()
                full[0] = value
                changed.notify_all()
        await asyncio.gather(*(use(value) for value in (False, True, False, True)))
        """,
    ),
    "barrier": (
        "still-waiting",
        "wait for barrier `meeting`",
        """
        meeting = asyncio.Barrier(3)
        async def meet(): await meeting.wait()
        await asyncio.gather(meet(), meet())
        """,
        """
        meeting = asyncio.Barrier(3)
        async def meet(n):
            await asyncio.sleep(n / 100)
            await meeting.wait()
        await asyncio.gather(*map(meet, range(3)))
        """,
    ),
    "a task under a lock": (
        "deadlock",
        "waits for the end of child",
        """
        lock = asyncio.Lock()
        async def work():
            async with lock: pass
        async with lock:
            await asyncio.create_task(work(), name="child")
        """,
        """
        lock = asyncio.Lock()
        async def work():
            async with lock: pass
        async with lock:
            child = asyncio.create_task(work(), name="child")
            await asyncio.sleep(0.01)
        await child
        """,
    ),
    "gather under a semaphore": (
        "deadlock",
        "held by",
        """
        limit = asyncio.Semaphore(2)
        async def work(depth):
            async with limit:
                if depth: await asyncio.gather(work(depth - 1), work(depth - 1))
        await work(2)
        """,
        """
        limit = asyncio.Semaphore(2)
        async def work(depth):
            async with limit: await asyncio.sleep(0.01)
            if depth: await asyncio.gather(work(depth - 1), work(depth - 1))
        await work(2)
        """,
    ),
    "the first task to end": (
        "deadlock",
        "waits for the end of",
        """
        lock = asyncio.Lock()
        async def work():
            async with lock: pass
        async with lock:
            tasks = [asyncio.create_task(work()) for _ in range(2)]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        """,
        """
        lock = asyncio.Lock()
        async def work():
            async with lock: pass
        async with lock:
            tasks = [asyncio.create_task(work()), asyncio.create_task(asyncio.sleep(0.01))]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        """,
    ),
    "a task group under a lock": (
        "deadlock",
        "waits for",
        """
        lock, ready = asyncio.Lock(), asyncio.Event()
        async def set():
            async with lock: ready.set()
        async def work(): await ready.wait()
        async with lock:
            async with asyncio.TaskGroup() as group:
                group.create_task(set())
                group.create_task(work())
        """,
        """
        lock, ready = asyncio.Lock(), asyncio.Event()
        async def set():
            async with lock: ready.set()
        async def work(): await ready.wait()
        async with asyncio.TaskGroup() as group:
            async with lock:
                group.create_task(set())
                group.create_task(work())
        """,
    ),
    "a lock through a queue and a task": (
        "deadlock",
        "held by",
        """
        lock, jobs = asyncio.Lock(), asyncio.Queue()
        async def produce():
            async with lock: jobs.put_nowait(1)
        async def consume(): await jobs.get()
        async with lock:
            producer = asyncio.create_task(produce())
            await asyncio.create_task(consume())
        """,
        """
        lock, jobs = asyncio.Lock(), asyncio.Queue()
        async def produce():
            async with lock: jobs.put_nowait(1)
        async def consume(): await jobs.get()
        producer = asyncio.create_task(produce())
        await asyncio.create_task(consume())
        """,
    ),
    "a future": (
        "still-waiting",
        "waits for a future",
        """
        async def ask(): await asyncio.get_running_loop().create_future()
        await asyncio.gather(ask())
        """,
        """
        async def ask():
            loop = asyncio.get_running_loop()
            answer = loop.create_future()
            loop.call_later(0.01, answer.set_result, 42)
            await answer
        await asyncio.gather(ask())
        """,
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_program_that_hangs_is_told_of_with_what_it_waits_for(tmp_path: Path, name: str) -> None:
    """For certain, as one finding."""
    kind, sentence, body, _ = PLANTED[name]

    found = findings_of(tmp_path, body)

    assert [(each.kind, each.certainty) for each in found] == [(kind, "certain")]
    assert sentence in found[0].summary


@pytest.mark.parametrize("name", PLANTED)
def test_a_similar_correct_program_is_left_alone(tmp_path: Path, name: str) -> None:
    """Even if it never ends, because it waits to be stopped."""
    assert findings_of(tmp_path, PLANTED[name][3]) == []


def test_a_worker_pool_that_waits_for_work_at_the_end_is_left_alone(tmp_path: Path) -> None:
    """Its workers are cancelled, or are just left."""
    body = """
        jobs, done = asyncio.Queue(), asyncio.Event()
        async def work():
            while True:
                if await jobs.get() == 9: done.set()
                await asyncio.sleep(0.001)
        workers = [asyncio.create_task(work()) for _ in range(3)]
        for job in range(10): jobs.put_nowait(job)
        await done.wait()
        """

    assert findings_of(tmp_path, body) == []
    assert findings_of(tmp_path, body + "await asyncio.Event().wait()") == []


BROKEN = """
    lock = asyncio.Lock()
    async def work():
        {before}
        async with lock: pass
    async def ask():
        async with lock:
            child = asyncio.create_task(work(), name="child")
            {wait}
    asking = asyncio.create_task(ask(), name="asking")
    try:
        async with asyncio.timeout(1): await asking
    except TimeoutError: pass
    """


def test_a_deadlock_that_a_deadline_ends_is_told_of_all_the_same(tmp_path: Path) -> None:
    """With what each task waited for right before that."""
    found = findings_of(tmp_path, BROKEN.format(before="pass", wait="await child"))
    (deadlock,) = [each for each in found if each.kind == "deadlock"]

    assert deadlock.certainty == "certain"
    assert "child waits for `lock`" in deadlock.summary
    assert "asking waits for the end of child" in deadlock.summary
    assert "broken up from outside after 1.00 s" in deadlock.summary


@pytest.mark.parametrize(
    ("before", "wait"),
    [
        ("pass", "child.cancel(); await asyncio.wait([child])"),
        ("await asyncio.sleep(9)", "await child"),
        ("pass", "await asyncio.wait([child], timeout=0.5)"),
    ],
    ids=["a task that was cancelled before", "a task that is busy", "a wait that gives up"],
)
def test_a_task_that_could_go_on_is_no_deadlock(tmp_path: Path, before: str, wait: str) -> None:
    """Although a task waits, under a lock, for another one that wants it."""
    found = findings_of(tmp_path, BROKEN.format(before=before, wait=wait))

    assert "deadlock" not in [each.kind for each in found]
