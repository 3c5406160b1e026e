"""Recordings of any size, written by the real recorder."""

from __future__ import annotations

import heapq
import os
import random
from collections import deque
from collections.abc import Callable
from functools import partial
from operator import itemgetter
from pathlib import Path

from asyncctx_trace.model.waits import WaitKind
from asyncctx_trace.recording.writing.segments import create
from asyncctx_trace.recording.writing.writer import Recorder, TextWriter

__all__ = ["contended", "new_recorder", "requests", "synthetic", "waiting"]


def synthetic(
    path: Path, acquisitions: int, *, tasks: int = 1000, locks: int = 10, depth: int = 1
) -> Path:
    """A recording of ``tasks`` tasks that take ``locks`` locks in turn, ``depth`` at a time.

    Times are drawn from a generator with a fixed seed: the same file at every call.
    """
    recorder = new_recorder(path, tasks, locks)
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


def contended(
    path: Path,
    acquisitions: int,
    *,
    tasks: int = 1000,
    locks: int = 10,
    capacity: int = 1,
    depth: int = 1,
) -> Path:
    """The same, all of the tasks at once: each queues before a lock and has it when its turn comes.

    With a ``depth`` above one a task keeps what it has while it queues for the next, which bears a
    higher number, so that nothing hangs. ``capacity`` is how many a lock lets in.
    """
    recorder = new_recorder(path, tasks, locks, capacity)
    luck = random.Random(1)
    queues: list[deque[int]] = [deque() for _ in range(locks + 1)]
    free = [capacity] * (locks + 1)
    stacks: list[list[tuple[int, int]]] = [[] for _ in range(tasks + 1)]
    """Task -> what it is in, as (acquisition, lock)."""
    due = [(1_000_000_000 + task, task, "asks") for task in range(1, tasks + 1)]
    heapq.heapify(due)
    asked = 0
    while due:
        now, task, what = heapq.heappop(due)
        stack = stacks[task]
        one, lock = stack[-1] if stack else (0, 0)
        delay = 1 + luck.randrange(2_000)
        if what == "asks" and asked == acquisitions:
            what = "leaves" if stack else "is done"
        if what == "asks":
            asked += 1
            lock = lock + 1 + luck.randrange(min(3, locks - lock) if stack else locks)
            recorder.enter_started(now, asked, one, task, 1, lock, lock)
            stack.append((asked, lock))
            if free[lock]:
                free[lock] -= 1
                heapq.heappush(due, (now + 200, task, "gets in"))
            else:
                queues[lock].append(task)
        elif what == "gets in":
            recorder.enter_ended(now, one, 1, None)
            goes_deeper = len(stack) < depth and lock < locks and asked < acquisitions
            heapq.heappush(due, (now + delay, task, "asks" if goes_deeper else "leaves"))
        elif what == "leaves":
            recorder.exit_started(now, one, task, 1, None)
            heapq.heappush(due, (now + delay // 4, task, "is out"))
        elif what == "is out":
            recorder.exit_ended(now, one, 1, False, None)
            stack.pop()
            if queues[lock]:
                heapq.heappush(due, (now + 200, queues[lock].popleft(), "gets in"))
            else:
                free[lock] += 1
            heapq.heappush(due, (now + delay, task, "leaves" if stack else "asks"))
    return _ended(recorder, path, now)


def waiting(path: Path, waits: int, *, tasks: int = 1000) -> Path:
    """A recording of ``tasks`` tasks that wait for a queue, or sleep, again and again."""
    recorder = new_recorder(path, tasks, 1)
    recorder.resource_defined(2, "queue", "jobs", None)
    luck = random.Random(1)
    due = [(1_000_000_000 + task, task, 0) for task in range(1, tasks + 1)]
    heapq.heapify(due)
    begun = 0
    while due:
        now, task, wait = heapq.heappop(due)
        if wait:
            recorder.wait_ended(now, wait, 1, task % tasks + 1)
            heapq.heappush(due, (now + luck.randrange(1, 2_000), task, 0))
        elif begun < waits:
            begun += 1
            gets = luck.random() < 0.5
            kind = WaitKind.QUEUE_GET if gets else WaitKind.SLEEP
            recorder.wait_started(now, begun, task, 2 if gets else 0, 1, kind)
            heapq.heappush(due, (now + luck.randrange(1, 4_000), task, begun))
    return _ended(recorder, path, now)


def requests(path: Path, count: int, *, at_once: int = 100) -> Path:
    """A recording of a task for each request, of which ``at_once`` run at a time.

    Each takes one of 20 locks, and in it a permit of a pool, waits for I/O, and takes a second
    permit. A named task holds the pool now and then.
    """
    recorder = new_recorder(path, 0, 20)
    recorder.resource_defined(21, "semaphore", "pool", 60)
    recorder.task_defined(1, 1, "refill", "asyncio", 0, "MainThread", "refill")
    luck = random.Random(1)
    events: list[tuple[int, int, partial[None]]] = []

    def add(at: int, write: Callable[..., None], *args: object) -> None:
        events.append((at, len(events), partial(write, at, *args)))

    acquisition = 0

    def acquire(task: int, parent: int, resource: int, at: int, until: int, wait: int) -> int:
        nonlocal acquisition
        acquisition += 1
        add(at, recorder.enter_started, acquisition, parent, task, 1, resource, 1)
        add(at + wait, recorder.enter_ended, acquisition, 1, None)
        add(until, recorder.exit_started, acquisition, task, 1, None)
        add(until + 500, recorder.exit_ended, acquisition, 1, False, None)
        return acquisition

    for number in range(count):
        task, at = number + 2, 1_000_000_000 + number * 1_000_000 // at_once * 10
        length = luck.randrange(5_000_000, 15_000_000)
        recorder.task_defined(at, task, f"Task-{task}", "asyncio", 0, "MainThread", "Shop.serve")
        lock = acquire(task, 0, 1 + number % 20, at, at + length // 2, luck.randrange(1_000_000))
        acquire(task, lock, 21, at + length // 4, at + length // 3, luck.randrange(200_000))
        acquire(task, 0, 21, at + length // 2 + 1_000, at + length - 1_000, luck.randrange(100_000))
        wait = 10_000_000 + task
        add(at + length // 2 - 900_000, recorder.wait_started, wait, task, 0, 1, WaitKind.IO)
        add(at + length // 2 - 400_000, recorder.wait_ended, wait, 1, 0)
        add(at + length, recorder.task_ended, task)
        if number % 1_000 == 0:
            acquire(1, 0, 21, at, at + 5_000_000, 1_000)
    for _, _, write in sorted(events, key=itemgetter(0, 1)):
        write()
    return _ended(recorder, path, 1_000_000_000 + count * 1_000_000 // at_once * 10 + 20_000_000)


def new_recorder(path: Path, tasks: int, locks: int, capacity: int = 1) -> Recorder:
    """Return the recorder of a new file, with definitions of tasks and of locks."""
    create(path, overwrite=True)
    recorder = Recorder(path)
    recorder.manager_defined(1, "asyncio.locks.Lock")
    kind = "lock" if capacity == 1 else "semaphore"
    for number in range(1, locks + 1):
        recorder.site_defined(number, "app.py", number, "worker", f"lock_{number}")
        recorder.resource_defined(number, kind, f"lock {number}", capacity)
    for number in range(1, tasks + 1):
        recorder.task_defined(1, number, f"task-{number}", "asyncio", 0, "MainThread")
    return recorder


def _ended(recorder: Recorder, path: Path, at: int) -> Path:
    recorder.process_ended(at, os.getpid(), 0)
    # Without the end that the recorder itself would add: that of today, far behind these times.
    TextWriter.close(recorder)
    return path
