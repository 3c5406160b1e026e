"""Recordings with times that are told, not measured, made by the real writer."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from operator import itemgetter
from pathlib import Path

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.recording.reader import read
from asyncctx_trace.recording.segments import create
from asyncctx_trace.recording.writer import Recorder, TextWriter

__all__ = ["MS", "START", "Story", "three_workers"]

MS = 1_000_000
START = 5_000 * MS
"""The monotonic time that the stories' times count from."""


class Story:
    """A recording that is told in ms since START; ids count from 1."""

    def __init__(self, path: Path, *, file: str = "app.py", line: int = 12) -> None:
        create(path)
        self.path = path
        self.writer = Recorder(path)
        self.writer.manager_defined(1, "asyncio.locks.Lock")
        self.writer.site_defined(1, file, line, "worker", "db_lock")
        self._facts: list[tuple[float, Callable[[], None]]] = []
        self._acquisitions = 0
        self._last_drawn: dict[int, list[tuple[int, tuple[float, ...]]]] = {}
        """By task: its acquisitions, to tell which one another lies in."""

    def task(self, id: int, name: str, at: float = 0) -> Story:
        """A task that takes part."""
        self.writer.task_defined(START + int(at * MS), id, name, "asyncio", 0, "MainThread")
        return self

    def resource(self, id: int, name: str, kind: str = "lock", capacity: int | None = 1) -> Story:
        """Something to contend for."""
        self.writer.resource_defined(id, kind, name, capacity)
        return self

    def pass_(
        self,
        task: int,
        resource: int,
        *times: float,
        outcomes: tuple[Outcome, ...] = (),
        error: BaseException | None = None,
    ) -> Story:
        """One acquisition as far as the ``times`` of its facts go."""
        self._acquisitions += 1
        id, writer = self._acquisitions, self.writer
        inside = [
            outer
            for outer, its in self._last_drawn.get(task, [])
            if its[0] <= times[0] and (len(its) < 4 or times[0] < its[-1])
        ]
        parent = inside[-1] if inside else 0
        self._last_drawn.setdefault(task, []).append((id, times))
        enter, body, exit = (
            (each, None if each == Outcome.OK else error)
            for each in (*outcomes, *[Outcome.OK] * 3)[:3]
        )
        told = (
            lambda at: writer.enter_started(at, id, parent, task, 1, resource, 1),
            lambda at: writer.enter_ended(at, id, *enter),
            lambda at: writer.exit_started(at, id, task, *body),
            lambda at: writer.exit_ended(at, id, exit[0], False, exit[1]),
        )
        for send, time in zip(told, times, strict=False):
            self._facts.append((time, partial(send, START + round(time * MS))))
        return self

    def printed(self, at: float, text: str, stream: str = "stdout") -> Story:
        """A line of output."""
        self.writer.printed(START + round(at * MS), stream, text)
        return self

    def tell(self) -> Story:
        """Write the facts told so far, in order of time."""
        for _, write in sorted(self._facts, key=itemgetter(0)):
            write()
        self._facts.clear()
        return self

    def end(self, at: float, exit_code: int | None = 0) -> Path:
        """The program is over; gives the recording."""
        self.tell()
        self.writer.process_ended(START + round(at * MS), os.getpid(), exit_code)
        TextWriter.close(self.writer)  # without the end that the recorder itself would add
        return self.path

    def timeline(self, at: float = 0) -> Timeline:
        """What a reader makes of it, ended at ``at``."""
        return Timeline(read(self.end(at)))


def three_workers(path: Path) -> Story:
    """The classic: one holds the lock while the others wait in line, 100 ms each."""
    story = Story(path).resource(1, "db lock")
    for number in (1, 2, 3):
        story.task(number, f"worker-{number}")
    story.pass_(1, 1, 0, 0, 100, 101)
    story.pass_(2, 1, 10, 101, 200, 201)
    story.pass_(3, 1, 20, 201, 300, 301)
    return story.printed(50, "first line").printed(250, "second line", "stderr")
