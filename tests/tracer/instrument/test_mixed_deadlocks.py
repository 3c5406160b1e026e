"""Programs that hang on locks of threads and of asyncio together, and similar ones that do not.

Each runs in a process of its own and is judged while it hangs, or when it has ended.
"""

from __future__ import annotations

import time
from pathlib import Path
from textwrap import dedent

import pytest

from analysis.findings.child_programs import TIMEOUT, running, wait_for
from asyncctx_trace.analysis.findings import Finding, find
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.events import ProcessEnded
from asyncctx_trace.native import extension
from asyncctx_trace.recording.reading.reader import read

STUCK = {
    "a coroutine blocks the loop on a lock whose thread waits for a coroutine": """
        tasks, threads = asyncio.Lock(), threading.Lock()
        loop = asyncio.get_running_loop()
        started = asyncio.Event()
        async def wanted():
            started.set()
            async with tasks: pass
        def work():
            with threads:
                asyncio.run_coroutine_threadsafe(wanted(), loop).result()
        async with tasks:
            threading.Thread(target=work, daemon=True).start()
            await started.wait()
            await asyncio.sleep(0)
            with threads: pass
        """,
    "the same with a lock that is acquired by a call": """
        tasks, threads = asyncio.Lock(), threading.Semaphore(1)
        loop = asyncio.get_running_loop()
        started = asyncio.Event()
        async def wanted():
            started.set()
            async with tasks: pass
        def work():
            threads.acquire()
            asyncio.run_coroutine_threadsafe(wanted(), loop).result()
        await tasks.__aenter__()
        threading.Thread(target=work, daemon=True).start()
        await started.wait()
        await asyncio.sleep(0)
        threads.acquire()
        """,
    "two threads take two locks in opposite orders": """
        a, b = threading.Lock(), threading.RLock()
        both = threading.Barrier(2)
        def first():
            with a:
                both.wait()
                with b: pass
        def second():
            with b:
                both.wait()
                with a: pass
        for function in (first, second):
            threading.Thread(target=function, daemon=True).start()
        await asyncio.Event().wait()
        """,
    "a function in the only thread of a pool waits for another one in it": """
        pool = concurrent.futures.ThreadPoolExecutor(1)
        def outer():
            pool.submit(int).result()
        await asyncio.get_running_loop().run_in_executor(pool, outer)
        """,
    "anyio's limiter is full of a thread that asks for the lock of a task that asks for it": """
        limiter, lock = anyio.CapacityLimiter(1), anyio.Lock()
        held, full = anyio.Event(), anyio.Event()
        async def wanted():
            full.set()
            async with lock: pass
        async def first():
            await held.wait()
            await anyio.to_thread.run_sync(anyio.from_thread.run, wanted, limiter=limiter)
        async with anyio.create_task_group() as group:
            group.start_soon(first)
            async with lock:
                held.set()
                await full.wait()
                await anyio.to_thread.run_sync(int, limiter=limiter)
        """,
}


NEED_WATCHDOG = frozenset(
    {
        "a function in the only thread of a pool waits for another one in it",
        "anyio's limiter is full of a thread that asks for the lock of a task that asks for it",
    }
)
"""Certain only because nothing is left that could wake the loop."""


def wait_for_deadlock(recording: Path) -> Finding:
    """Return the deadlock as soon as it is found."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        if recording.exists() and recording.stat().st_size:
            for each in find(Timeline(read(recording))):
                if each.kind == "deadlock":
                    return each
        time.sleep(0.1)
    return pytest.fail(f"no deadlock within {TIMEOUT} s")


def script_of(folder: Path, body: str) -> Path:
    """Write a program whose ``main()`` has this body."""
    script = folder / "app.py"
    lines = "".join(f"    {line}\n" for line in dedent(body).strip().splitlines())
    script.write_text(
        "import asyncio, concurrent.futures, queue, threading\n"
        "import anyio.from_thread, anyio.to_thread\n\n"
        f"async def main():\n{lines}\nasyncio.run(main())\n"
    )
    return script


@pytest.mark.parametrize("name", STUCK)
def test_a_deadlock_through_locks_of_threads_is_found_while_it_lasts(
    tmp_path: Path, name: str
) -> None:
    """For certain, unless another task may make the call that releases."""
    if name in NEED_WATCHDOG and extension("asyncctx_trace.instrument") is None:
        pytest.skip("the watchdog is native code")
    recording = tmp_path / "app.actx"
    with running(script_of(tmp_path, STUCK[name]), recording):
        found = wait_for_deadlock(recording)

    assert found.certainty == ("possible" if "by a call" in name else "certain")


CLEAN = {
    "the function in the thread waits for one in another pool": """
        pool, other = (concurrent.futures.ThreadPoolExecutor(1) for _ in range(2))
        def outer():
            other.submit(int).result()
        await asyncio.get_running_loop().run_in_executor(pool, outer)
        """,
    "anyio's limiter is asked when the lock is free": """
        limiter, lock = anyio.CapacityLimiter(2), anyio.Lock()
        held, full = anyio.Event(), anyio.Event()
        async def wanted():
            full.set()
            async with lock: pass
        async def first():
            await held.wait()
            await anyio.to_thread.run_sync(anyio.from_thread.run, wanted, limiter=limiter)
        async with anyio.create_task_group() as group:
            group.start_soon(first)
            async with lock:
                held.set()
                await full.wait()
            await anyio.to_thread.run_sync(int, limiter=limiter)
        """,
    "the lock is released before the loop is asked": """
        tasks, threads = asyncio.Lock(), threading.Lock()
        loop = asyncio.get_running_loop()
        async def wanted():
            async with tasks: pass
        def work():
            with threads: pass
            asyncio.run_coroutine_threadsafe(wanted(), loop).result()
        async with tasks:
            worker = threading.Thread(target=work)
            worker.start()
            with threads: pass
        await asyncio.to_thread(worker.join)
        """,
    "workers that wait for jobs when all is done": """
        jobs, done = queue.Queue(2), threading.Lock()
        def work():
            while True:
                jobs.get()
                with done: pass
                jobs.task_done()
        for _ in range(3):
            threading.Thread(target=work, daemon=True).start()
        for job in range(20): jobs.put(job)
        await asyncio.to_thread(jobs.join)
        """,
    "a consumer that ends by a sentinel": """
        jobs = queue.Queue()
        def work():
            while jobs.get() is not None: pass
        worker = threading.Thread(target=work)
        worker.start()
        for job in (1, 2, None): jobs.put(job)
        worker.join()
        """,
    "a condition whose lock is free while its thread waits": """
        changed, ready = threading.Condition(), []
        def work():
            with changed:
                while not ready: changed.wait(1)
        worker = threading.Thread(target=work)
        worker.start()
        with changed:
            ready.append(1)
            changed.notify_all()
        await asyncio.to_thread(worker.join)
        """,
    "managers whose methods are called by hand, in a finally": """
        lock = asyncio.Lock()
        async def work():
            await lock.__aenter__()
            try: await asyncio.sleep(0)
            finally: await lock.__aexit__(None, None, None)
        await asyncio.gather(*[work() for _ in range(3)])
        """,
}


@pytest.mark.parametrize("name", CLEAN)
def test_a_similar_program_is_left_alone(tmp_path: Path, name: str) -> None:
    """It ends by itself, and nothing is said of it."""
    recording = tmp_path / "app.actx"
    with running(script_of(tmp_path, CLEAN[name]), recording):
        wait_for(recording, ProcessEnded)

    assert find(Timeline(read(recording))) == []


def test_an_exit_that_is_forgotten_is_a_leak(tmp_path: Path) -> None:
    """Of a manager that was entered by hand."""
    body = """
        class Connection:
            async def __aenter__(self): return self
            async def __aexit__(self, *exc): pass
        kept = []
        async def connect():
            connection = Connection()
            kept.append(await connection.__aenter__())
        await asyncio.create_task(connect())
        """
    recording = tmp_path / "app.actx"
    with running(script_of(tmp_path, body), recording):
        wait_for(recording, ProcessEnded)

    assert [each.kind for each in find(Timeline(read(recording)))] == ["leak"]
