"""The lanes of a timeline, one per task."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import compress, islice

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace_tui.view.lanes.interval_index import IntervalIndex
from asyncctx_trace_tui.view.lanes.lane import Lane
from asyncctx_trace_tui.view.tracks.kernels import numpy_for
from asyncctx_trace_tui.view.tracks.shares import NEVER

__all__ = ["LaneSet"]


class LaneSet:
    """The lanes of a timeline, in order of first appearance of their tasks."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.lanes: dict[int, Lane] = {}
        self.revision = 0
        """Increases when a lane or a track is added."""
        self.groups: set[int] = set()
        """The resources whose exit waits for tasks: task groups and nurseries."""
        self.group_rows: dict[int, list[int]] = {}
        """Task -> its acquisitions of these."""
        self._known = 0
        self._known_waits = 0
        self._acquiring = self._waiting = 0
        """Number of tasks seen among those that acquire, and among those that wait."""
        self._resources = 0
        self._nested: set[int] = set()
        """Tasks with nested acquisitions."""
        self._intervals = IntervalIndex(timeline)

    def update(self) -> None:
        """Add the acquisitions and waits that the timeline got since the last call."""
        timeline, lanes, known = self.timeline, self.lanes, self._known
        if known == len(timeline) and self._known_waits == len(timeline.waits):
            return
        self._find_groups()
        self._add_lanes()
        tasks = timeline.task[known:]
        self._nested.update(compress(tasks, timeline.depth[known:]))
        for task in self._nested.intersection(tasks):
            before = len(lanes[task].tracks)
            lanes[task].assign_by_depth()
            self.revision += len(lanes[task].tracks) > before
        if self.groups:
            is_group = map(self.groups.__contains__, timeline.resource[known:])
            for row in compress(range(known, len(timeline)), is_group):
                self.group_rows.setdefault(timeline.task[row], []).append(row)
        self._known, self._known_waits = len(timeline), len(timeline.waits)

    def _find_groups(self) -> None:
        resources = self.timeline.resources
        for resource, known in islice(resources.items(), self._resources, None):
            if known.kind == "task group":
                self.groups.add(resource)
        self._resources = len(resources)

    def _add_lanes(self) -> None:
        """Add the lanes of new tasks, those first that did something first."""
        timeline, lanes, waits = self.timeline, self.lanes, self.timeline.waits
        new: list[tuple[int, int]] = []
        for task, rows in islice(timeline.rows_of_task.items(), self._acquiring, None):
            if task in lanes:
                lanes[task].adopt_rows()
                self.revision += 1
            else:
                new.append((timeline.enter_started[rows[0]], task))
        for task, rows in islice(waits.rows_of_task.items(), self._waiting, None):
            if task not in lanes:
                new.append((waits.started[rows[0]], task))
        self._acquiring, self._waiting = len(timeline.rows_of_task), len(waits.rows_of_task)
        for started, task in sorted(new):
            if task not in lanes:
                lanes[task] = Lane(timeline, task, len(lanes), self.groups, started)
        self.revision += bool(new)

    def totals(self, phase: int, now: int) -> list[int]:
        """Return the time per lane spent in a phase (0, 1, 2) until ``now``, in ns."""
        fast = numpy_for(len(self.timeline))
        if fast is not None:
            spent = fast.totals(self.timeline, phase, now, self.groups)
            found = dict(zip(self.timeline.rows_of_task, spent, strict=True))
            return [found.get(task, 0) for task in self.lanes]
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
