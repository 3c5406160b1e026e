"""Recordings with given times, written by the real writer."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from operator import itemgetter
from pathlib import Path

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.waits import WaitKind
from asyncctx_trace.recording.reading.reader import read
from asyncctx_trace.recording.writing.segments import create
from asyncctx_trace.recording.writing.writer import Recorder, TextWriter

__all__ = ["MS", "START", "RecordingBuilder", "queue_and_stall", "three_workers"]

MS = 1_000_000
START = 5_000 * MS
"""The monotonic time that the times of a builder count from, in ns."""


class RecordingBuilder:
    """Builds a recording, with times in ms since START; ids start at 1."""

    def __init__(self, path: Path, *, file: str = "app.py", line: int = 12) -> None:
        create(path)
        self.path = path
        self.writer = Recorder(path)
        self.writer.manager_defined(1, "asyncio.locks.Lock")
        self.writer.site_defined(1, file, line, "worker", "db_lock")
        self._events: list[tuple[float, Callable[[], None]]] = []
        self._acquisitions = self._waits = 0
        self._acquisitions_of: dict[int, list[tuple[int, tuple[float, ...]]]] = {}
        """Task -> its acquisitions with their times, to find the parent of the next one."""

    def task(self, id: int, name: str, at: float = 0, coroutine: str = "") -> RecordingBuilder:
        """Define a task."""
        begun = START + int(at * MS)
        self.writer.task_defined(begun, id, name, "asyncio", 0, "MainThread", coroutine)
        return self

    def task_end(self, id: int, at: float) -> RecordingBuilder:
        """Add the end of a task."""
        self._events.append((at, partial(self.writer.task_ended, START + round(at * MS), id)))
        return self

    def resource(
        self, id: int, name: str, kind: str = "lock", capacity: int | None = 1
    ) -> RecordingBuilder:
        """Define a resource."""
        self.writer.resource_defined(id, kind, name, capacity)
        return self

    def acquisition(
        self,
        task: int,
        resource: int,
        *times: float,
        outcomes: tuple[Outcome, ...] = (),
        error: BaseException | None = None,
    ) -> RecordingBuilder:
        """Add an acquisition with as many events as there are ``times``."""
        self._acquisitions += 1
        id, writer = self._acquisitions, self.writer
        inside = [
            outer
            for outer, its in self._acquisitions_of.get(task, [])
            if its[0] <= times[0] and (len(its) < 4 or times[0] < its[-1])
        ]
        parent = inside[-1] if inside else 0
        self._acquisitions_of.setdefault(task, []).append((id, times))
        enter, body, exit = (
            (each, None if each == Outcome.OK else error)
            for each in (*outcomes, *[Outcome.OK] * 3)[:3]
        )
        senders = (
            lambda at: writer.enter_started(at, id, parent, task, 1, resource, 1),
            lambda at: writer.enter_ended(at, id, *enter),
            lambda at: writer.exit_started(at, id, task, *body),
            lambda at: writer.exit_ended(at, id, exit[0], False, exit[1]),
        )
        for send, time in zip(senders, times, strict=False):
            self._events.append((time, partial(send, START + round(time * MS))))
        return self

    def wait(
        self, task: int, kind: WaitKind, *times: float, subject: int = 0, woken_by: int = 0
    ) -> RecordingBuilder:
        """Add a wait for something other than a manager, with its end if there are two times."""
        self._waits += 1
        id, writer = 10_000 + self._waits, self.writer
        senders = (
            lambda at: writer.wait_started(at, id, task, subject, 1, kind),
            lambda at: writer.wait_ended(at, id, Outcome.OK, woken_by),
        )
        for send, time in zip(senders, times, strict=False):
            self._events.append((time, partial(send, START + round(time * MS))))
        return self

    def printed(self, at: float, text: str, stream: str = "stdout") -> RecordingBuilder:
        """Add a line of output."""
        self.writer.printed(START + round(at * MS), stream, text)
        return self

    def write(self) -> RecordingBuilder:
        """Write the events added so far, in order of time."""
        for _, write_event in sorted(self._events, key=itemgetter(0)):
            write_event()
        self._events.clear()
        return self

    def end(self, at: float, exit_code: int | None = 0) -> Path:
        """Record the end of the program, and return the path of the recording."""
        self.write()
        self.writer.process_ended(START + round(at * MS), os.getpid(), exit_code)
        TextWriter.close(self.writer)  # without the end that the recorder itself would add
        return self.path

    def timeline(self, at: float = 0) -> Timeline:
        """Return the timeline of the recording, which ends at ``at``."""
        return Timeline(read(self.end(at)))


def three_workers(path: Path) -> RecordingBuilder:
    """Three workers hold a lock for 100 ms each while the others queue."""
    builder = RecordingBuilder(path).resource(1, "db lock")
    for number in (1, 2, 3):
        builder.task(number, f"worker-{number}")
    builder.acquisition(1, 1, 0, 0, 100, 101)
    builder.acquisition(2, 1, 10, 101, 200, 201)
    builder.acquisition(3, 1, 20, 201, 300, 301)
    return builder.printed(50, "first line").printed(250, "second line", "stderr")


def queue_and_stall(path: Path) -> RecordingBuilder:
    """A worker gets an item from a producer while a task group is left, then blocks the loop."""
    builder = RecordingBuilder(path).resource(1, "lock").resource(2, "jobs", "queue", None)
    builder.resource(3, "TaskGroup", "task group", None)
    builder.task(1, "parent").task(2, "worker").task(3, "producer")
    builder.acquisition(1, 3, 0, 0, 20, 300)
    builder.wait(2, WaitKind.QUEUE_GET, 10, 60, subject=2, woken_by=3)
    builder.acquisition(2, 1, 65, 70, 250, 251)
    builder.wait(2, WaitKind.SLEEP, 75, 95)
    builder.wait(3, WaitKind.SLEEP, 0, 58)
    builder.wait(3, WaitKind.EVENT, 120, subject=0)
    builder.writer.stall_started(
        START + 110 * MS, START + 210 * MS, 1, 2, 1, [("app.py", 12, "worker")]
    )
    builder.writer.stall_ended(START + 240 * MS, 1, 0, 0)
    return builder
