"""The chain of holds and waits that determined when a run, or one task, ended."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

from asyncctx_trace.analysis.contention.wakers import waker_of
from asyncctx_trace.analysis.contention.wakeups import wakeups
from asyncctx_trace.analysis.kernels.path_steps import Link, Segment, Step
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.row_lookup import innermost_at, pick
from asyncctx_trace.analysis.timeline.table import NOT_YET, Phase
from asyncctx_trace.model.outcomes import Outcome

__all__ = ["Activity", "CriticalPath", "critical_path"]

Activity: TypeAlias = tuple[Phase | None, int | None, int | None]
"""Phase, resource and site; all ``None`` for a task that was in no acquisition."""

_LOOK_BACK = 64
"""How many of a task's children that ended last are looked at."""


@dataclass(frozen=True, slots=True)
class CriticalPath:
    """Steps from the start to the end, without gaps: to shorten one makes the run end earlier."""

    steps: tuple[Step, ...] = ()

    @property
    def length(self) -> int:
        """The time from its start to its end, in ns."""
        return self.steps[-1].end - self.steps[0].start if self.steps else 0

    def shares(self, snapshot: Snapshot) -> list[tuple[Activity, int]]:
        """Return the ns of the path by activity, the longest first."""
        timeline = snapshot.timeline
        spent: dict[Activity, int] = defaultdict(int)
        for step in self.steps:
            if step.row is None:
                spent[None, None, None] += step.end - step.start
            else:
                activity = step.phase, timeline.resource[step.row], timeline.site[step.row]
                spent[activity] += step.end - step.start
        return sorted(spent.items(), key=lambda item: -item[1])


def critical_path(snapshot: Snapshot, task: int | None = None) -> CriticalPath:
    """Return the path to the end of ``task``, or to that of the last of all tasks.

    It is followed backwards: a task that had to wait for a holder could go on when that one
    released, so the path goes on in the holder's task; where it waited for something else, in the
    task that ended the wait; at the start of a task it goes on in its creator; where a task left a
    task group, or was idle, while its children ended, in the last of these.
    """
    return CriticalPath(tuple(_Walk(snapshot).back_from(task)))


class _Walk:
    """From an end back to the start."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.timeline = snapshot.timeline
        self.wakeups = snapshot.once(wakeups)
        self._events_of: dict[int, array[int]] = {}
        self._waits_of: dict[int, tuple[array[int], array[int]]] = {}
        self._followed: set[int] = set()
        """Acquisitions that the path contains: none twice, even if all events have the same
        time."""
        self._followed_waits: set[int] = set()
        """The same of waits for something else."""

    def back_from(self, task: int | None) -> list[Step]:
        """Return the steps of the path to the end of ``task``, in order of time."""
        if task is None:
            task = max(self._last, key=lambda each: (self._last[each], each), default=None)
        if task is None or task not in self._last:
            return []
        at = self._last[task]
        segments: list[Segment] = []  # the last first
        while task is not None:
            since, before, link, by = self._came_from(task, at)
            segments.append((task, since, at, link, by))
            task, at = before, since
        segments.reverse()
        # The link to the segment before was found while looking back from the segment's start.
        kernels = self.snapshot.kernels.for_rows(segments)
        parents = self.snapshot.parents
        steps = kernels.path_steps(self.timeline, parents, segments, self._events)
        return list(self._split_at_waits(steps) if len(self.timeline.waits) else steps)

    def _came_from(self, task: int, at: int) -> tuple[int, int | None, Link, int | None]:
        """Return start, task before, link and releaser of the segment of ``task`` up to ``at``."""
        woken = self._woken(task, at)
        joined = self._joined(task, at)
        latest = max((each[1] for each in (woken, joined) if each is not None), default=0)
        resumed = self._resumed(task, at, latest)
        if resumed is not None:
            wait, waker = resumed
            self._followed_waits.add(wait)
            link: Link = "joined" if self._is_join(wait, waker) else "woken"
            return self.timeline.waits.ended[wait], waker, link, None
        if woken is not None and (joined is None or woken[1] >= joined[1]):
            row, since = woken
            self._followed.add(row)
            by = self.wakeups[row]
            return since, self.timeline.exit_task[by], "released", by
        if joined is not None:
            child, since = joined
            return since, child, "joined", None
        started = self._started(task)
        definition = self.timeline.tasks.get(task)
        parent = definition.parent if definition else None
        if parent is not None and parent in self._last and started < at:
            return started, parent, "created", None
        return min(started, at), None, "start", None

    def _woken(self, task: int, at: int) -> tuple[int, int] | None:
        """Return the last wait of ``task`` that an exit had ended by ``at``, and its release."""
        ends, rows = self._waits(task)
        for index in range(bisect_right(ends, at) - 1, -1, -1):
            row = rows[index]
            if row not in self._followed:
                released = self.timeline.exit_ended[self.wakeups[row]]
                return row, ends[index] if released == NOT_YET else min(released, ends[index])
        return None

    def _resumed(self, task: int, at: int, since: int) -> tuple[int, int] | None:
        """Return the last wait ended by another task from ``since`` up to ``at``, and the task."""
        waits = self.timeline.waits
        rows = waits.rows_of_task.get(task)
        if rows is None:
            return None
        # Only the last one can be open, and the others end in order.
        last = len(rows) - (waits.ended[rows[-1]] == NOT_YET)
        for index in range(
            bisect_right(rows, at, 0, last, key=waits.ended.__getitem__) - 1, -1, -1
        ):
            row = rows[index]
            if waits.ended[row] < since:
                return None
            if row in self._followed_waits:
                continue
            waker = waker_of(self.timeline, row)
            if waker is not None and waker != task and self._is_known(waker):
                return row, waker
        return None

    def _is_join(self, wait: int, waker: int) -> bool:
        return waker in self.timeline.waits.tasks_awaited(wait)

    def _is_known(self, task: int) -> bool:
        return task in self.timeline.tasks or task in self._last

    def _joined(self, task: int, at: int) -> tuple[int, int] | None:
        """Return the child that ended last before ``at`` while ``task`` awaited it, and when."""
        children = self._children.get(task, [])
        index = bisect_left(children, (at, 0))
        for ended, child in reversed(children[max(0, index - _LOOK_BACK) : index]):
            if self._awaited(task, child, ended):
                return child, ended
        return None

    def _awaited(self, task: int, child: int, ended: int) -> bool:
        """Return whether ``task`` left a task group then, or was idle since ``child`` started.

        Recorded waits say it themselves; the exit of a task group is not one of them.
        """
        if self.timeline.waits.at(task, ended - 1) is not None:
            return False
        events = self._events(task)
        silent_since = bisect_right(events, self._started(child))
        if silent_since == len(events) or events[silent_since] > ended:
            return True
        row = innermost_at(self.timeline, self.snapshot.parents, task, ended)
        if row is None or self.timeline.phase_at(row, ended) != "exit":
            return False
        return self.timeline.is_group(self.timeline.resource[row])

    def _started(self, task: int) -> int:
        """Return when a task was first seen."""
        known, events = self.timeline.tasks.get(task), self._events(task)
        if known is None or (events and events[0] < known.at):
            return events[0]
        return known.at

    def _events(self, task: int) -> array[int]:
        """Return the times of the events of ``task``, in order."""
        events = self._events_of.get(task)
        if events is None:
            timeline, now = self.timeline, self.snapshot.now
            rows = timeline.rows_of_task.get(task, array("q"))
            for_others = array("q", self.snapshot.ended_for_others.get(task, ()))
            kernels = self.snapshot.kernels.for_rows(rows)
            events = kernels.event_times(timeline, rows, for_others, now)
            if task in timeline.waits.rows_of_task:
                events = array("q", sorted([*events, *self._wait_times(task)]))
            self._events_of[task] = events
        return events

    def _wait_times(self, task: int) -> Iterator[int]:
        """Yield the times at which waits of ``task`` started and ended."""
        waits, now = self.timeline.waits, self.snapshot.now
        for row in waits.rows_of_task[task]:
            if waits.started[row] <= now:
                yield waits.started[row]
            if NOT_YET < waits.ended[row] <= now:
                yield waits.ended[row]

    def _split_at_waits(self, steps: Iterable[Step]) -> Iterator[Step]:
        """Cut each of ``steps`` where a wait for something else starts or ends."""
        waits, nothing = self.timeline.waits, array("q")
        for step in steps:
            rows = waits.rows_of_task.get(step.task, nothing)
            first = bisect_right(rows, step.start, key=waits.started.__getitem__) - 1
            since, link, by = step.start, step.link, step.by
            for index in range(max(0, first), len(rows)):
                start, end = waits.started[rows[index]], waits.ended[rows[index]]
                if start >= step.end:
                    break
                end = step.end if end == NOT_YET else min(end, step.end)
                if end <= since:
                    continue
                if start > since:
                    yield replace(step, start=since, end=start, link=link, by=by)
                    since, link, by = start, "same task", None
                yield replace(step, start=since, end=end, link=link, by=by, wait=rows[index])
                since, link, by = end, "same task", None
            if since < step.end or since == step.start:
                yield replace(step, start=since, link=link, by=by)

    def _waits(self, task: int) -> tuple[array[int], array[int]]:
        """Return the waits of ``task`` that an exit ended: their ends in order, and rows."""
        result = self._waits_of.get(task)
        if result is None:
            ends = self.timeline.enter_ended
            rows = filter(self.wakeups.__contains__, self.timeline.rows_of_task.get(task, ()))
            in_order = array("q", sorted(rows, key=ends.__getitem__))
            result = self._waits_of[task] = array("q", pick(ends, in_order)), in_order
        return result

    @cached_property
    def _last(self) -> dict[int, int]:
        """Task -> its last event; one that is still in an acquisition ends now."""
        last = self.snapshot.kernels.whole.last_event_times(self.timeline)
        waits = self.timeline.waits
        for task, rows in waits.rows_of_task.items():
            # A worker that waits for work until it is cancelled does not make a run longer.
            row = rows[-1]
            at = max(waits.started[row], waits.ended[row])
            if waits.ended[row] == NOT_YET or waits.outcome[row] == Outcome.CANCELLED:
                at = waits.started[row]
            last[task] = max(last.get(task, NOT_YET), at)
        for task, at in list(last.items()):
            if at > self.snapshot.now:
                del last[task]
                if events := self._events(task):  # none of a task that starts after now
                    last[task] = events[-1]
        for row in self.timeline.in_flight:
            if self.timeline.enter_started[row] <= self.snapshot.now:
                last[self.timeline.task[row]] = self.snapshot.now
        return last

    @cached_property
    def _children(self) -> dict[int, list[tuple[int, int]]]:
        """Task -> its children, as (last event, task), in order of their ends."""
        children: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for task, ended in self._last.items():
            definition = self.timeline.tasks.get(task)
            if definition is not None and definition.parent is not None:
                children[definition.parent].append((ended, task))
        return {parent: sorted(ends) for parent, ends in children.items()}
