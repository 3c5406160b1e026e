"""The lanes of a timeline, one per task."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import compress, islice

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace_tui.view.lanes.interval_index import IntervalIndex
from asyncctx_trace_tui.view.lanes.kernels import numpy_for
from asyncctx_trace_tui.view.lanes.shares import NEVER
from asyncctx_trace_tui.view.lanes.tracks import Track

__all__ = ["Lane", "LaneSet"]


class Lane:
    """The tracks of one task: one per nesting depth, the outermost first."""

    def __init__(self, timeline: Timeline, task: int, order: int) -> None:
        self.task = task
        self.order = order
        """The index of the lane, in order of first appearance of tasks."""
        self._timeline = timeline
        self._rows = timeline.rows_of_task[task]
        self._assigned = 0
        """Number of rows assigned to tracks by depth; 0 while one track has all rows."""
        self.tracks = [Track(timeline, self._rows)]

    def assign_by_depth(self) -> None:
        """Assign each new row to the track of its depth."""
        if not self._assigned:
            self.tracks = [Track(self._timeline)]
        tracks, depths = self.tracks, self._timeline.depth
        for row in self._rows[self._assigned :]:
            depth = depths[row]
            while len(tracks) <= depth:
                tracks.append(Track(self._timeline))
            tracks[depth].rows.append(row)
        self._assigned = len(self._rows)


class LaneSet:
    """The lanes of a timeline, in order of first appearance of their tasks."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.lanes: dict[int, Lane] = {}
        self.revision = 0
        """Increases when a lane or a track is added."""
        self._known = 0
        self._nested: set[int] = set()
        """Tasks with nested acquisitions."""
        self._intervals = IntervalIndex(timeline)

    def update(self) -> None:
        """Add the acquisitions that the timeline got since the last call."""
        timeline, lanes, known = self.timeline, self.lanes, self._known
        if known == len(timeline):
            return
        if len(lanes) < len(timeline.rows_of_task):
            for task in islice(timeline.rows_of_task, len(lanes), None):
                lanes[task] = Lane(timeline, task, len(lanes))
            self.revision += 1
        tasks = timeline.task[known:]
        self._nested.update(compress(tasks, timeline.depth[known:]))
        for task in self._nested.intersection(tasks):
            before = len(lanes[task].tracks)
            lanes[task].assign_by_depth()
            self.revision += len(lanes[task].tracks) > before
        self._known = len(timeline)

    def totals(self, phase: int, now: int) -> list[int]:
        """Return the time per lane spent in a phase (0, 1, 2) until ``now``, in ns."""
        fast = numpy_for(len(self.timeline))
        if fast is not None:
            found: list[int] = fast.totals(self.timeline, phase, now)
            return found
        return [
            sum(track.elapsed(NEVER, now)[phase] for track in lane.tracks)
            for lane in self.lanes.values()
        ]

    def rows_at(self, at: int) -> list[int]:
        """Return the rows that started by ``at`` and did not end before it, in order."""
        return self._intervals.rows_at(at)

    def open_at(self, at: int) -> Iterator[int]:
        """Yield the rows of all acquisitions that are open at ``at``, in order."""
        return (row for row in self.rows_at(at) if self.timeline.phase_at(row, at) is not None)
