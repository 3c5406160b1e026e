"""Recordings of any size, written by the real recorder."""

from __future__ import annotations

import os
import random
from collections import deque
from heapq import heapify, heappop, heappush
from pathlib import Path

from asyncctx_trace.outcome import Outcome
from asyncctx_trace.recording.segments import create
from asyncctx_trace.recording.writer import Recorder, TextWriter

__all__ = ["crowded", "synthetic"]


def synthetic(
    path: Path, acquisitions: int, *, tasks: int = 1000, locks: int = 10, depth: int = 1
) -> Path:
    """A recording of ``tasks`` tasks that take ``locks`` locks in turn, ``depth`` at a time.

    Times are drawn from a generator with a fixed seed: the same file at every call.
    """
    create(path, overwrite=True)
    recorder = Recorder(path)
    recorder.manager_defined(1, "asyncio.locks.Lock")
    for number in range(1, locks + 1):
        recorder.site_defined(number, "app.py", number, "worker", f"lock_{number}")
        recorder.resource_defined(number, "lock", f"lock {number}", 1)
    for number in range(1, tasks + 1):
        recorder.task_defined(1, number, f"task-{number}", "asyncio", 0, "MainThread")
    luck = random.Random(1)
    now = 1_000_000_000
    done = 0
    while done < acquisitions:
        task = done // depth % tasks + 1
        nest = range(done + 1, min(done + depth, acquisitions) + 1)
        for one in nest:
            lock = one % locks + 1
            parent = one - 1 if one > nest.start else 0
            recorder.enter_started(now, one, parent, task, 1, lock, lock)
            now += luck.randrange(1_000)
            recorder.enter_ended(now, one, 1, None)
            now += luck.randrange(3_000)
        for one in reversed(nest):
            recorder.exit_started(now, one, task, 1, None)
            now += luck.randrange(500)
            recorder.exit_ended(now, one, 1, False, None)
        done = nest.stop - 1
    return _ended(recorder, path, now)


def crowded(path: Path, acquisitions: int, *, tasks: int = 1000) -> Path:
    """A recording of ``tasks`` tasks that are all busy all the time: four to a lock, in line.

    Every lane is full of waits, holds and cleanups of all lengths, and one acquisition in 50 is
    given up while it waits. The same file at every call.
    """
    create(path, overwrite=True)
    recorder = Recorder(path)
    recorder.manager_defined(1, "asyncio.locks.Lock")
    recorder.site_defined(1, "app.py", 1, "worker", "lock")
    locks = max(1, tasks // 4)
    for number in range(1, locks + 1):
        recorder.resource_defined(number, "lock", f"lock {number}", 1)
    for number in range(1, tasks + 1):
        recorder.task_defined(1, number, f"task-{number}", "asyncio", 0, "MainThread")
    luck = random.Random(1)
    queues: list[deque[tuple[int, int]]] = [deque() for _ in range(locks + 1)]
    held = [False] * (locks + 1)
    asked = 0
    todo = [(1_000_000_000 + luck.randrange(1_000_000), n, "ask", 0) for n in range(1, tasks + 1)]
    heapify(todo)

    def soon(at: int, task: int, what: str, one: int) -> None:
        heappush(todo, (at + int(luck.expovariate(1 / 50_000)) + 1, task, what, one))

    def get_in(at: int, task: int, one: int) -> None:
        recorder.enter_ended(at, one, Outcome.OK, None)
        soon(at, task, "leave", one)

    while todo:
        at, task, what, one = heappop(todo)
        lock = task % locks + 1
        match what:
            case "ask" if asked < acquisitions:
                asked += 1
                recorder.enter_started(at, asked, 0, task, 1, lock, 1)
                if not held[lock]:
                    held[lock] = True
                    get_in(at, task, asked)
                elif luck.random() < 0.02:
                    recorder.enter_ended(at + 1, asked, Outcome.CANCELLED, None)
                    soon(at + 1, task, "ask", 0)
                else:
                    queues[lock].append((task, asked))
            case "leave":
                recorder.exit_started(at, one, task, Outcome.OK, None)
                soon(at, task, "over", one)
            case "over":
                recorder.exit_ended(at, one, Outcome.OK, False, None)
                soon(at, task, "ask", 0)
                held[lock] = bool(queues[lock])
                if queues[lock]:
                    get_in(at, *queues[lock].popleft())
    return _ended(recorder, path, at)


def _ended(recorder: Recorder, path: Path, at: int) -> Path:
    recorder.process_ended(at, os.getpid(), 0)
    # Without the end that the recorder itself would add: that of today, far behind these times.
    TextWriter.close(recorder)
    return path
