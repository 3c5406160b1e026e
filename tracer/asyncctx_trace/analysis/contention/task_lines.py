"""The line at which a task was last seen, at any time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET

__all__ = ["Doing", "LastSeen", "TaskLines"]

Doing: TypeAlias = Literal["ran", "entered", "left"]
"""``ran``: the task ran after that line, or was ready to; ``entered``, ``left``: it entered or left
a manager there."""


class LastSeen(NamedTuple):
    """Where a task was from ``start`` to ``end`` (monotonic ns)."""

    start: int
    end: int
    site: int
    """0 before the first event of the task."""
    doing: Doing
    resource: int
    """What it entered or left; 0 if it ran."""


class TaskLines:
    """The events of tasks with their lines, built for each task when it is asked for."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._timeline = snapshot.timeline
        self._for_others = snapshot.ended_for_others
        self._of_task: dict[int, list[tuple[int, int, Doing, int]]] = {}
        """Task -> time, site, what it did from then on, and the resource, in order of time."""

    def within(self, task: int, start: int, end: int) -> Iterator[LastSeen]:
        """Yield where ``task`` was between two times, without gaps. O(log n + results)."""
        events = self._of_task.get(task)
        if events is None:
            events = self._of_task[task] = sorted(self._events(task), key=lambda each: each[0])
        index = bisect_right(events, start, key=lambda each: each[0])
        site, doing, resource = events[index - 1][1:] if index else (0, "ran", 0)
        while index < len(events) and events[index][0] < end:
            at = events[index][0]
            if start < at:
                yield LastSeen(start, at, site, doing, resource)
                start = at
            site, doing, resource = events[index][1:]
            index += 1
        if start < end:
            yield LastSeen(start, end, site, doing, resource)

    def starts_at(self, task: int) -> int | None:
        """Return when ``task`` was first seen, ``None`` if nothing is known of it."""
        known = self._timeline.tasks.get(task)
        return None if known is None else known.at

    def _events(self, task: int) -> Iterator[tuple[int, int, Doing, int]]:
        timeline = self._timeline
        for row in timeline.rows_of_task.get(task, ()):
            site, resource = timeline.site[row], timeline.resource[row]
            yield timeline.enter_started[row], site, "entered", resource
            if timeline.enter_ended[row] != NOT_YET:
                yield timeline.enter_ended[row], site, "ran", 0
            if timeline.exit_task[row] == task:
                yield from self._exit(row)
        for row in self._for_others.get(task, ()):
            yield from self._exit(row)
        waits = timeline.waits
        for row in waits.rows_of_task.get(task, ()):
            yield waits.started[row], waits.site[row], "ran", 0
            if waits.ended[row] != NOT_YET:
                yield waits.ended[row], waits.site[row], "ran", 0

    def _exit(self, row: int) -> Iterator[tuple[int, int, Doing, int]]:
        timeline = self._timeline
        site, resource = timeline.exit_site[row] or timeline.site[row], timeline.resource[row]
        if timeline.exit_started[row] != NOT_YET:
            yield timeline.exit_started[row], site, "left", resource
        if timeline.exit_ended[row] != NOT_YET:
            yield timeline.exit_ended[row], site, "ran", 0
