"""Recordings of the shapes that are the hardest to look into."""

from __future__ import annotations

from pathlib import Path

from benchmarks.recordings import new_recorder

__all__ = ["crossed", "handed_on", "hanging", "queue", "stacked"]


def queue(path: Path, waiters: int) -> Path:
    """Everybody asks for one lock at once and gets in one after the other."""
    recorder = new_recorder(path, tasks=waiters, locks=1)
    for one in range(1, waiters + 1):
        recorder.enter_started(1_000 + one, one, 0, one, 1, 1, 1)
    now = 1_000_000
    for one in range(1, waiters + 1):
        recorder.enter_ended(now, one, 1, None)
        recorder.exit_started(now + 500, one, one, 1, None)
        recorder.exit_ended(now + 600, one, 1, False, None)
        now += 1_000
    recorder.close()
    return path


def handed_on(path: Path, waiters: int) -> Path:
    """The same, and whoever has got in asks for a second lock, which somebody else has just then.

    All of the queue's time is passed on to those who hold the second lock.
    """
    recorder = new_recorder(path, tasks=waiters + 1, locks=2)
    for one in range(1, waiters + 1):
        recorder.enter_started(1_000 + one, one, 0, one, 1, 1, 1)
    now = 1_000_000
    keeper = waiters + 1
    for one in range(1, waiters + 1):
        keeps, inner = waiters + 2 * one, waiters + 2 * one + 1
        recorder.enter_started(now, keeps, 0, keeper, 1, 2, 2)
        recorder.enter_ended(now + 10, keeps, 1, None)
        recorder.enter_ended(now + 20, one, 1, None)
        recorder.enter_started(now + 100, inner, one, one, 1, 2, 2)
        recorder.exit_started(now + 300, keeps, keeper, 1, None)
        recorder.exit_ended(now + 310, keeps, 1, False, None)
        recorder.enter_ended(now + 320, inner, 1, None)
        recorder.exit_started(now + 400, inner, one, 1, None)
        recorder.exit_ended(now + 410, inner, 1, False, None)
        recorder.exit_started(now + 500, one, one, 1, None)
        recorder.exit_ended(now + 600, one, 1, False, None)
        now += 1_000
    recorder.close()
    return path


def crossed(path: Path, acquisitions: int, depth: int = 10) -> Path:
    """One task that leaves what it has entered first in, first out, ``depth`` at a time."""
    recorder = new_recorder(path, tasks=1, locks=depth)
    now = 1_000
    for first in range(1, acquisitions + 1, depth):
        nest = range(first, min(first + depth, acquisitions + 1))
        for one in nest:
            lock = one - first + 1
            recorder.enter_started(now, one, one - 1 if one > first else 0, 1, 1, lock, lock)
            recorder.enter_ended(now + 10, one, 1, None)
            now += 100
        for one in nest:
            recorder.exit_started(now, one, 1, 1, None)
            recorder.exit_ended(now + 10, one, 1, False, None)
            now += 100
    recorder.close()
    return path


def hanging(path: Path, acquisitions: int) -> Path:
    """Each task holds the lock of its number and waits for the next one's: a ring without end."""
    tasks = acquisitions // 2
    recorder = new_recorder(path, tasks=tasks, locks=tasks)
    for one in range(1, tasks + 1):
        recorder.enter_started(1_000 + one, one, 0, one, 1, one, one)
        recorder.enter_ended(100_000_000 + one, one, 1, None)
    for one in range(1, tasks + 1):
        next_ = one % tasks + 1
        recorder.enter_started(200_000_000 + one, tasks + one, one, one, 1, next_, next_)
    recorder.close()
    return path


def stacked(path: Path, acquisitions: int) -> Path:
    """One exit stack: a task enters all of the locks, one in the other, and exits them in order."""
    recorder = new_recorder(path, tasks=1, locks=acquisitions)
    now = 1_000
    for one in range(1, acquisitions + 1):
        recorder.enter_started(now, one, one - 1, 1, 1, one, one)
        recorder.enter_ended(now + 10, one, 1, None)
        now += 100
    for one in range(acquisitions, 0, -1):
        recorder.exit_started(now, one, 1, 1, None)
        recorder.exit_ended(now + 10, one, 1, False, None)
        now += 100
    recorder.close()
    return path
