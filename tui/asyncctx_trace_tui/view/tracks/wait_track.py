"""The waits of one task for other things than managers, for any slice of time."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator

from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace_tui.view.time_axis.viewport import Viewport
from asyncctx_trace_tui.view.tracks.kernels import numpy_for
from asyncctx_trace_tui.view.tracks.shares import NEVER, WaitRun

__all__ = ["WaitTrack"]


class WaitTrack:
    """Waits that follow each other without overlap.

    A wait ends, at the latest, when the next one of its task starts: the end of it may be missing.
    As in :class:`~asyncctx_trace_tui.view.tracks.track.Track`, the sums of all but the last are
    final, and a query is a binary search.
    """

    def __init__(self, timeline: Timeline, task: int | None = None) -> None:
        """``task``: whose waits they are; ``None`` if the owner appends to :attr:`rows`."""
        self.columns = timeline.waits
        self.task = task
        self.rows: array[int] = array("q")
        """The rows of ``timeline.waits``, in order; empty until the task waits."""
        self.starts: array[int] = array("q")
        """The start of each row that has been summed up, in ns."""
        self.before: array[int] = array("q")
        """The time spent waiting before each of them, in ns."""

    def sum_up(self) -> None:
        """Add the waits that were recorded since the last call."""
        if not self.rows and self.task is not None:
            self.rows = self.columns.rows_of_task.get(self.task, self.rows)
        rows, known = self.rows, len(self.starts)
        if known == len(rows):
            return
        fast = numpy_for(len(rows) - known)
        if fast is not None:
            fast.sum_up_waits(self)
            return
        started = self.columns.started
        for index in range(known, len(rows)):
            self.starts.append(started[rows[index]])
            self.before.append(self._elapsed(index - 1, NEVER, NEVER))

    def index_at(self, at: int) -> int:
        """Return the index of the last wait that started by ``at``, -1 if none has."""
        self.sum_up()
        return bisect_right(self.starts, at) - 1

    def row_at(self, at: int) -> int | None:
        """Return the row of the wait that goes on at ``at``, if any."""
        index = self.index_at(at)
        return self.rows[index] if index >= 0 and at < self.until(index, NEVER) else None

    def until(self, index: int, now: int) -> int:
        """Return when a wait ends, in ns; ``now`` for one that has not ended."""
        following = self.starts[index + 1] if index + 1 < len(self.starts) else now
        ended = self.columns.ended[self.rows[index]]
        return min(following if ended == NOT_YET else ended, following, now)

    def elapsed(self, at: int, now: int) -> int:
        """Return the time spent waiting until ``at``; a wait that goes on lasts until ``now``."""
        self.sum_up()
        return self._until(min(at, now), now)

    def runs(self, viewport: Viewport, now: int) -> list[WaitRun]:
        """Return the columns of ``viewport`` in which the task waits, from left to right."""
        return self._runs_of(viewport, now, merged=False)

    def merged_runs(self, viewport: Viewport, now: int) -> list[WaitRun]:
        """Return :meth:`runs` with neighbors that look the same as one run.

        These are columns that are not filled, of one kind of wait, in which it takes more, or less,
        than half of the time. The row and the share are those of the first column.
        """
        return self._runs_of(viewport, now, merged=True)

    def _runs_of(self, viewport: Viewport, now: int, *, merged: bool) -> list[WaitRun]:
        first, last = self.index_at(viewport.start), self.index_at(viewport.end)
        fast = numpy_for(last - first)
        if fast is not None:
            found: list[WaitRun] = fast.wait_runs(self, viewport, now, merged)
            return found
        runs = self._runs(viewport, now, first)
        return list(self._merged(runs, viewport.per_column) if merged else runs)

    def _merged(self, runs: Iterator[WaitRun], step: int) -> Iterator[WaitRun]:
        kinds = self.columns.kind
        before: WaitRun | None = None
        for run in runs:
            if (
                before is not None
                and before.share < step > run.share
                and before.column + before.length == run.column
                and kinds[before.row] == kinds[run.row]
                and (2 * before.share >= step) == (2 * run.share >= step)
            ):
                before = before._replace(length=before.length + 1)
                continue
            if before is not None:
                yield before
            before = run
        if before is not None:
            yield before

    def render_key(self, now: int) -> tuple[int, ...]:
        """Return a value that changes whenever the waits look different; ``now`` is in ns."""
        self.sum_up()
        if not self.rows:
            return ()
        ended = self.columns.ended[self.rows[-1]]
        return len(self.rows), ended, now if ended == NOT_YET else 0

    def _runs(self, viewport: Viewport, now: int, index: int) -> Iterator[WaitRun]:
        column, width, step = 0, viewport.width, viewport.per_column
        starts = self.starts
        while column < width:
            at = viewport.time_of(column)
            index = bisect_right(starts, at, lo=max(0, index)) - 1
            until = self.until(index, now) if index >= 0 else at
            if until > at:
                same = min((until - at) // step, width - column)
                if same:
                    yield WaitRun(column, same, self.rows[index], step)
                    column += same
                    continue
            else:
                if index + 1 == len(starts):
                    return
                apart = (starts[index + 1] - at) // step
                if apart:
                    column += apart
                    continue
            share = self._until(at + step, now) - self._elapsed(index, at, now)
            if share:
                yield WaitRun(column, 1, self._row_in(at, step, now), share)
            column += 1

    def _row_in(self, at: int, step: int, now: int) -> int:
        """Return the wait in the middle of a column, or else the last one that starts in it."""
        index = bisect_right(self.starts, at + step // 2) - 1
        if index < 0 or self.until(index, now) <= at + step // 2:
            index = max(0, bisect_right(self.starts, at + step - 1) - 1)
        return self.rows[index]

    def _until(self, at: int, now: int) -> int:
        return self._elapsed(bisect_right(self.starts, at) - 1, at, now)

    def _elapsed(self, index: int, at: int, now: int) -> int:
        """Return the time spent waiting until ``at``."""
        if index < 0:
            return 0
        return self.before[index] + max(0, min(at, self.until(index, now)) - self.starts[index])
