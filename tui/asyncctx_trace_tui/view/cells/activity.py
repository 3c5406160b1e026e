"""The time that all tasks together waited and held, for each slice of a whole run."""

from __future__ import annotations

from collections.abc import Iterator

from asyncctx_trace_tui.view.lanes.kernels import numpy_for
from asyncctx_trace_tui.view.lanes.lane_set import LaneSet
from asyncctx_trace_tui.view.viewport import Viewport

__all__ = ["Overview"]

_AT_ONCE = 10_000
"""Rows summed up in one step by numpy."""


class Overview:
    """Time per column, summed up in steps because the sum takes longer than a frame.

    Only outermost acquisitions count, so that a task is not counted twice.
    """

    def __init__(self, viewport: Viewport, now: int) -> None:
        self.viewport = viewport
        self._now = now
        self.waits = [0] * viewport.width
        """Time spent waiting, per column in ns."""
        self.holds = [0] * viewport.width
        """Time spent holding or cleaning up, per column in ns."""

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
            return
        for lane in list(tracks.lanes.values()):
            for run in lane.tracks[0].runs(self.viewport, self._now):
                for column in range(run.column, run.column + run.length):
                    self.waits[column] += run.shares.wait
                    self.holds[column] += run.shares.hold + run.shares.cleanup
            yield
