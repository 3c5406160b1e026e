"""Recordings of any size, written by the real recorder."""

from __future__ import annotations

import random
from pathlib import Path

from asyncctx_trace.recording.segments import create
from asyncctx_trace.recording.writer import Recorder

__all__ = ["synthetic"]


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
    recorder.close()
    return path
