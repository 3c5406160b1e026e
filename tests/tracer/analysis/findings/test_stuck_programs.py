"""Programs that hang on anything but a lock are judged while they hang; idle ones are left alone.

Each runs in a process of its own and is killed once the watchdog has seen what it is to see.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from analysis.findings.child_programs import TIMEOUT, findings_of, running, wait_for
from asyncctx_trace.analysis.findings import Thresholds
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.report import report
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.events import Quiescent, StallStarted
from asyncctx_trace.native import extension
from asyncctx_trace.recording.reading.reader import read

pytestmark = pytest.mark.skipif(
    extension("asyncctx_trace.instrument") is None, reason="the watchdog is native code"
)

STUCK = {
    "a task awaited under the lock that it wants": (
        "deadlock",
        """
        lock = asyncio.Lock()
        async def child():
            async with lock: pass
        async with lock:
            await asyncio.create_task(child())
        """,
    ),
    "gather under a lock": (
        "deadlock",
        """
        lock = asyncio.Lock()
        async def child():
            async with lock: pass
        async with lock:
            await asyncio.gather(child(), child())
        """,
    ),
    "an event that only the waiter of the lock would set": (
        "deadlock",
        """
        lock, ready = asyncio.Lock(), asyncio.Event()
        async def holder():
            async with lock: await ready.wait()
        async def setter():
            async with lock: ready.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(holder())
            await asyncio.sleep(0)
            group.create_task(setter())
        """,
    ),
    "a full queue whose consumer wants the producer's lock": (
        "deadlock",
        """
        lock, jobs = asyncio.Lock(), asyncio.Queue(1)
        async def produce():
            async with lock:
                for job in range(3): await jobs.put(job)
        async def consume():
            await asyncio.sleep(0)
            async with lock: await jobs.get()
        await asyncio.gather(produce(), consume())
        """,
    ),
    "a thread that waits for the loop, which waits for the thread": (
        "deadlock",
        """
        lock, loop = asyncio.Lock(), asyncio.get_running_loop()
        async def audit():
            async with lock: pass
        async with lock:
            await asyncio.to_thread(
                lambda: asyncio.run_coroutine_threadsafe(audit(), loop).result())
        """,
    ),
    "consumers whose producer has ended without a word": (
        "still-waiting",
        """
        jobs = asyncio.Queue()
        async def produce():
            await jobs.put(1)
        async def consume():
            while True:
                await jobs.get()
                await asyncio.sleep(0.001)
        await asyncio.gather(produce(), consume(), consume())
        """,
    ),
    "a notification that went to the wrong task": (
        "still-waiting",
        """
        changed = asyncio.Condition()
        async def wait():
            async with changed: await changed.wait()
        await asyncio.gather(wait(), wait())
        """,
    ),
    "a queue whose items nobody marks as done": (
        "still-waiting",
        """
        jobs = asyncio.Queue()
        jobs.put_nowait(1)
        await jobs.get()
        await jobs.join()
        """,
    ),
    "a consumer without a sentinel": (
        "still-waiting",
        """
        jobs = asyncio.Queue()
        async def consume():
            while True: await jobs.get()
        jobs.put_nowait(1)
        await asyncio.gather(consume())
        """,
    ),
    "two tasks that wait for each other": (
        "deadlock",
        """
        tasks = {}
        async def first(): await tasks["second"]
        async def second(): await tasks["first"]
        tasks["first"] = asyncio.create_task(first())
        tasks["second"] = asyncio.create_task(second())
        await asyncio.wait([tasks["first"]])
        """,
    ),
}


@pytest.mark.parametrize("name", STUCK)
def test_a_program_that_can_never_go_on_is_told_of_for_certain(tmp_path: Path, name: str) -> None:
    """By the kind that says whether somebody holds what another one waits for."""
    kind, body = STUCK[name]

    found = findings_of(tmp_path, body, Quiescent)

    assert [(each.kind, each.certainty) for each in found] == [(kind, "certain")]


IDLE = {
    "workers that wait for work, and a main that waits for ever": """
        jobs = asyncio.Queue()
        async def work():
            while True: await jobs.get()
        workers = [asyncio.create_task(work()) for _ in range(3)]
        await asyncio.Event().wait()
        """,
    "workers that have worked, and a main that waits for their end": """
        jobs = asyncio.Queue()
        for job in range(5): jobs.put_nowait(job)
        async def work():
            while True:
                await jobs.get()
                await asyncio.sleep(0.001)
        async with asyncio.TaskGroup() as group:
            for _ in range(3): group.create_task(work())
        """,
    "a future that is never set": """
        await asyncio.get_running_loop().create_future()
        """,
}


@pytest.mark.parametrize("name", IDLE)
def test_an_idle_program_is_left_alone(tmp_path: Path, name: str) -> None:
    """Whoever waits for the next item, or for the end, may mean it."""
    assert findings_of(tmp_path, IDLE[name], Quiescent) == []


@pytest.mark.parametrize(
    "waker",
    [
        "loop.call_later(3600, int)",
        "server = await asyncio.start_server(print, 'localhost', 0)",
        "import signal; loop.add_signal_handler(signal.SIGTERM, print)",
        "threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()",
    ],
    ids=["a timer", "a socket", "a signal handler", "a thread"],
)
def test_what_may_still_wake_a_loop_forbids_the_verdict(tmp_path: Path, waker: str) -> None:
    """The program waits for a condition as above, but for something else, too."""
    body = f"""
        loop = asyncio.get_running_loop()
        {waker}
        changed = asyncio.Condition()
        async def wait():
            async with changed: await changed.wait()
        waiting = asyncio.gather(wait(), wait())
        await asyncio.sleep(1.2)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        import os; os._exit(0)
        """

    assert findings_of(tmp_path, body, Quiescent) == []


def test_a_line_that_blocks_the_loop_is_named_with_what_was_held(tmp_path: Path) -> None:
    """While it blocks, and for as long as it did."""
    body = """
        lock = asyncio.Lock()
        async with lock:
            thread = threading.Thread(target=time.sleep, args=(3600,), daemon=True)
            thread.start()
            thread.join()
        """

    (found,) = findings_of(tmp_path, body, StallStarted, Thresholds(blocked_loop=50_000_000))

    assert (found.kind, found.certainty) == ("blocked-loop", "certain")
    assert "`thread.join()` at app.py:8" in found.summary
    assert "`lock` was held" in found.summary


DESTROYED = """
    import gc
    kept = []
    async def background():
        waiter = asyncio.get_running_loop().create_future()
        kept.append(waiter) if KEPT else None
        await waiter
    asyncio.create_task(background(), name="background")
    await asyncio.sleep(0.001)
    gc.collect()
    await asyncio.sleep(0.001)
    """


def test_a_task_that_is_collected_while_it_waits_is_told_of(tmp_path: Path) -> None:
    """With the line at which it waited; the rest of the program goes on."""
    (found,) = findings_of(tmp_path, DESTROYED.replace("KEPT", "False"))

    assert (found.kind, found.certainty) == ("destroyed-task", "certain")
    assert "background was destroyed while it waited for a future at app.py:9" in found.summary


def test_a_task_that_is_left_when_the_program_ends_was_not_lost(tmp_path: Path) -> None:
    """Something refers to what it waits for until the end."""
    assert findings_of(tmp_path, DESTROYED.replace("KEPT", "True")) == []


def test_a_program_that_acquires_nothing_is_judged_when_it_is_interrupted(tmp_path: Path) -> None:
    """A worker ends without a word to its queue; after a while somebody presses Ctrl-C."""
    script, recording = tmp_path / "app.py", tmp_path / "app.actx"
    script.write_text("""
import asyncio

async def work(jobs):
    while await jobs.get() < 3:
        jobs.task_done()

async def main():
    jobs = asyncio.Queue()
    worker = asyncio.create_task(work(jobs))
    for job in range(6):
        jobs.put_nowait(job)
    await jobs.join()

asyncio.run(main())
""")
    with running(script, recording) as program:
        wait_for(recording, Quiescent)
        os.killpg(program.pid, signal.SIGINT)
        program.wait(TIMEOUT)

    reported = report(Snapshot(Timeline(read(recording))))

    assert [each.kind for each in reported.findings] == ["still-waiting"]
    assert "Task-1 waits for all items of `jobs` to be done at app.py:13" in reported.opening[0]
