"""What each task waited for over time, be it a limited resource or anything else."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Literal, NamedTuple, TypeAlias

from asyncctx_trace.analysis.contention.wakers import waker_of
from asyncctx_trace.analysis.kernels.columns import Span, innermost_spans
from asyncctx_trace.analysis.occupancy import Occupancy
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET

__all__ = ["TaskWait", "TaskWaits", "WaitedFor", "holds_that_block", "without"]

WaitedFor: TypeAlias = Literal["enter", "wait", "group"]


class TaskWait(NamedTuple):
    """A time in which a task waited."""

    start: int
    end: int
    what: WaitedFor
    row: int
    """The acquisition of a limited resource that the task entered, its wait for something else, or
    the task group that it left."""


def holds_that_block(snapshot: Snapshot) -> Iterator[tuple[int, int, int, int]]:
    """Yield task, start, end and row of each hold during which somebody was kept waiting."""
    for resource in snapshot.limited:
        occupancy = snapshot.occupancy(resource)
        if not occupancy.crowded:
            continue
        holds = occupancy.holds
        for index in holds.during(_blocked(occupancy)):
            yield holds.tasks[index], holds.starts[index], holds.ends[index], holds.rows[index]


def _blocked(occupancy: Occupancy) -> Iterator[tuple[int, int]]:
    for index, waiters in enumerate(occupancy.blocked_waiters[:-1]):
        if waiters:
            yield occupancy.times[index], occupancy.times[index + 1]


class TaskWaits:
    """The waits of tasks, without overlaps: entering a limited resource counts alone."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._timeline = snapshot.timeline
        self._of_task: dict[int, tuple[list[int], list[TaskWait]]] = {}
        """Task -> the ends of its waits, and these."""

    def within(self, task: int, start: int, end: int) -> Iterator[TaskWait]:
        """Yield the parts of the waits of ``task`` that lie between two times, in order."""
        known = self._of_task.get(task)
        if known is None:
            found = self._waits(task)
            known = self._of_task[task] = [wait.end for wait in found], found
        ends, waits = known
        for index in range(bisect_right(ends, start), len(waits)):
            wait = waits[index]
            if wait.start >= end:
                break
            if start <= wait.start and wait.end <= end:
                yield wait
            else:
                yield TaskWait(max(wait.start, start), min(wait.end, end), wait.what, wait.row)

    @cached_property
    def while_holding(self) -> list[tuple[int, TaskWait]]:
        """The holds that kept somebody waiting, with each wait that was made meanwhile.

        Enters of limited resources are left out.
        """
        if not len(self._timeline.waits):
            return []
        return [
            (hold, wait)
            for task, start, end, hold in holds_that_block(self._snapshot)
            for wait in self.within(task, start, end)
            if wait.what != "enter"
        ]

    def waker(self, wait: TaskWait) -> int | None:
        """Return the task that ended ``wait``, or, if it goes on, that is to end it.

        ``None`` if the recording does not say that a task did.
        """
        timeline, row = self._timeline, wait.row
        if wait.what == "wait":
            return waker_of(timeline, row)
        started, ended = timeline.exit_started[row], timeline.exit_ended[row]
        children = self._children.get(timeline.task[row], [])
        over = [(timeline.task_ended.get(task, NOT_YET), task) for task in children]
        if ended == NOT_YET:
            return next((task for at, task in over if at == NOT_YET), None)
        during = (each for each in over if started <= each[0] <= ended)
        return max(during, default=(NOT_YET, None))[1]

    def site(self, wait: TaskWait) -> int:
        """Return the line at which the task waited."""
        sites = self._timeline.waits.site if wait.what == "wait" else self._timeline.site
        return sites[wait.row]

    @cached_property
    def _children(self) -> dict[int, list[int]]:
        children: dict[int, list[int]] = defaultdict(list)
        for known in self._timeline.tasks.values():
            if known.parent is not None:
                children[known.parent].append(known.task)
        return children

    def _waits(self, task: int) -> list[TaskWait]:
        timeline, now = self._timeline, self._snapshot.now
        waits = timeline.waits
        others: list[Span] = []
        for row in waits.rows_of_task.get(task, ()):
            ended = waits.ended[row]
            end = now + 1 if ended == NOT_YET or ended > now else ended
            if waits.started[row] < end:
                others.append((waits.started[row], end, row))
        for group in self._groups.get(task, ()):
            ended = timeline.exit_ended[group]
            end = now + 1 if ended == NOT_YET or ended > now else ended
            if timeline.exit_started[group] < end:
                others.append((timeline.exit_started[group], end, ~group))
        spans = innermost_spans(others) if task in self._groups else iter(others)
        entering = self._snapshot.waits
        first, last = entering.ranges.get(task, (0, 0))
        enters = list(
            zip(
                entering.starts[first:last],
                entering.ends[first:last],
                entering.rows[first:last],
                strict=True,
            )
        )
        found = [TaskWait(start, end, "enter", row) for start, end, row in enters]
        for start, end, row in without(spans, enters):
            found.append(
                TaskWait(start, end, "wait", row)
                if row >= 0
                else TaskWait(start, end, "group", ~row)
            )
        return sorted(found)

    @cached_property
    def _groups(self) -> dict[int, list[int]]:
        """Task -> the task groups that it left."""
        timeline = self._timeline
        groups: dict[int, list[int]] = defaultdict(list)
        for resource, rows in timeline.rows_of_resource.items():
            if timeline.is_group(resource):
                for row in rows:
                    if timeline.exit_started[row] != NOT_YET:
                        groups[timeline.exit_task[row]].append(row)
        return groups


def without(spans: Iterable[Span], taken: list[Span]) -> Iterator[Span]:
    """Yield the parts of ``spans`` that are in none of ``taken``; both are in order."""
    first = 0
    for start, end, row in spans:
        while first < len(taken) and taken[first][1] <= start:
            first += 1
        index = first
        while index < len(taken) and taken[index][0] < end:
            if taken[index][0] > start:
                yield start, taken[index][0], row
            start = max(start, taken[index][1])
            index += 1
        if start < end:
            yield start, end, row
