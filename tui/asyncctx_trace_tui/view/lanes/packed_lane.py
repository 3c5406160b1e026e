"""A row of a group: tasks that run one after the other."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence, Set

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace_tui.view.lanes.lane import TrackStack
from asyncctx_trace_tui.view.time_axis.viewport import Viewport
from asyncctx_trace_tui.view.tracks.flat_track import FlatTrack
from asyncctx_trace_tui.view.tracks.kernels import numpy_for
from asyncctx_trace_tui.view.tracks.track import Track
from asyncctx_trace_tui.view.tracks.wait_track import WaitTrack

__all__ = ["PackedLane", "merge_lives"]


class PackedLane(TrackStack):
    """The acquisitions and waits of tasks that do not overlap in time.

    They are collected when they are first needed, because most rows of a large recording are never
    shown. Only the last task may still add some.
    """

    def __init__(self, timeline: Timeline, groups: Set[int], number: int) -> None:
        """``groups``: the resources whose exit waits for tasks; ``number``: of the row, from 0."""
        super().__init__(timeline, [Track(timeline, groups=groups)], WaitTrack(timeline))
        self.number = number
        self.tasks = array("q")
        """In order of time."""
        self.flat = FlatTrack(self.tracks)
        self._groups = groups
        self._starts = array("q")
        self._ends = array("q")
        """Of the first tasks: when they ended."""
        self._complete = 0
        """The number of tasks that are collected and cannot add anything any more."""
        self._acquired = self._waited = 0
        """Of the task after these: the number of acquisitions and waits that were collected."""

    def add(self, task: int, start: int) -> None:
        """Append a task that starts at ``start``, after the end of the last one."""
        self.tasks.append(task)
        self._starts.append(start)

    def task_at(self, at: int) -> int:
        """Return the task that runs at ``at``, or else the last one before, or else the first."""
        return self.tasks[max(0, bisect_right(self._starts, at) - 1)]

    def tasks_in(self, viewport: Viewport) -> Iterator[int]:
        """Yield the tasks that may be visible, at most about one for each column."""
        starts = self._starts
        index = max(0, bisect_right(starts, viewport.start) - 1)
        while index < len(starts) and starts[index] < viewport.end:
            yield self.tasks[index]
            column = viewport.column_of(max(starts[index], viewport.start))
            # The last task that starts in a column reaches farthest.
            following = bisect_right(starts, viewport.time_of(column + 1) - 1) - 1
            index = following if following > index else index + 1

    def lives_in(self, viewport: Viewport, now: int) -> list[tuple[int, int]]:
        """Return start and end of the visible lives of tasks; those that go on end ``now``.

        Lives without a column between them are one.
        """
        starts, begin = self._starts, viewport.start
        first = max(0, bisect_right(starts, begin) - 1)
        last = bisect_left(starts, viewport.end)
        if first >= last:
            return []
        visible, ends = starts[first:last], self._ends_until(last, now)[first:]
        fast = numpy_for(last - first)
        merge = merge_lives if fast is None else fast.merge_lives
        return merge(visible, ends, viewport)

    def _ends_until(self, count: int, now: int) -> array[int]:
        """Return when each of the first ``count`` tasks ended; only the last may go on."""
        ended, tasks = self.timeline.task_ended, self.tasks
        self._ends.extend(ended[task] for task in tasks[len(self._ends) : len(tasks) - 1])
        ends = self._ends[:count]
        if count == len(tasks):
            ends.append(ended.get(tasks[-1], now))
        return ends

    def collect(self) -> None:
        """Collect what the tasks have added since the last call."""
        timeline, tasks = self.timeline, self.tasks
        depths = timeline.depth
        while True:
            task = tasks[self._complete]
            rows = timeline.rows_of_task.get(task, ())
            for row in rows[self._acquired :]:
                self.track_at(depths[row], self._groups).rows.append(row)
            waits = timeline.waits.rows_of_task.get(task, ())
            self.waits.rows.extend(waits[self._waited :])
            if self._complete + 1 == len(tasks):
                self._acquired, self._waited = len(rows), len(waits)
                return
            self._complete += 1
            self._acquired = self._waited = 0


def merge_lives(
    starts: Sequence[int], ends: Sequence[int], viewport: Viewport
) -> list[tuple[int, int]]:
    """Return start and end of lives that follow each other; those without a gap are one.

    A gap is at least one column wide.
    """
    found: list[tuple[int, int]] = []
    for start, end in zip(starts, ends, strict=True):
        if found and viewport.column_of(start) <= viewport.column_of(found[-1][1]) + 1:
            found[-1] = found[-1][0], end
        else:
            found.append((start, end))
    return found
