"""The time that all tasks together waited and held, for each slice of a whole run.

A task that waits for a lock while it holds another one waits.
"""

from __future__ import annotations

from collections.abc import Iterator

from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.analysis.timeline.wait_columns import WaitColumns
from asyncctx_trace_tui.view.descriptions.wait_text import BY_THEMSELVES
from asyncctx_trace_tui.view.lanes.lane import Lane
from asyncctx_trace_tui.view.lanes.lane_set import LaneSet
from asyncctx_trace_tui.view.time_axis.viewport import Viewport
from asyncctx_trace_tui.view.tracks.kernels import numpy_for

__all__ = ["Overview"]

_AT_ONCE = 10_000
"""Rows summed up in one step by numpy."""


class Overview:
    """Time per column, summed up in steps because the sum takes longer than a frame.

    A task is not counted twice: of nested acquisitions, only what is innermost counts.
    """

    def __init__(self, viewport: Viewport, now: int) -> None:
        self.viewport = viewport
        self._now = now
        self.waits = [0] * viewport.width
        """Time spent waiting, per column in ns."""
        self.holds = [0] * viewport.width
        """Time spent holding or cleaning up, per column in ns."""
        self.awaits = [0] * viewport.width
        """Time spent waiting for other tasks, queues and the like, per column in ns."""

    def sum_up(self, tracks: LaneSet) -> Iterator[None]:
        """Yield after each step; the sums are complete after the last one."""
        timeline = tracks.timeline
        fast = numpy_for(len(timeline))
        if fast is not None:
            sums = fast.ColumnSums(self.viewport, self._now)
            for first in range(0, len(timeline), _AT_ONCE):
                sums.add(timeline, first, first + _AT_ONCE)
                yield
            self.waits, self.holds = sums.waits, sums.holds
        else:
            for lane in list(tracks.lanes.values()):
                self._add_lane(lane)
                yield
            self.holds = [max(0, held) for held in self.holds]
        waits = timeline.waits
        fast = numpy_for(len(waits))
        sums = None if fast is None else fast.ColumnSums(self.viewport, self._now)
        for first in range(0, len(waits), _AT_ONCE):
            if sums is not None:
                sums.add_awaits(waits, first, first + _AT_ONCE, BY_THEMSELVES)
            else:
                self._add_awaits(waits, range(first, min(first + _AT_ONCE, len(waits))))
            yield
        if sums is not None:
            self.awaits = sums.awaits

    def _add_lane(self, lane: Lane) -> None:
        for depth, track in enumerate(lane.tracks):
            for run in track.runs(self.viewport, self._now):
                for column in range(run.column, run.column + run.length):
                    self.waits[column] += run.shares.wait
                    if depth:  # the acquisition around it holds meanwhile
                        self.holds[column] -= run.shares.wait
                    else:
                        self.holds[column] += run.shares.hold + run.shares.cleanup

    def _add_awaits(self, waits: WaitColumns, rows: range) -> None:
        viewport = self.viewport
        for row in rows:
            if waits.kind[row] in BY_THEMSELVES:
                continue
            ended = waits.ended[row]
            at = max(waits.started[row], viewport.start)
            until = min(self._now if ended == NOT_YET else ended, self._now, viewport.end)
            while at < until:
                column = viewport.column_of(at)
                end = min(until, viewport.time_of(column + 1))
                self.awaits[column] += end - at
                at = end
