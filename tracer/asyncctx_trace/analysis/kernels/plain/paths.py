"""What a critical path needs to know of its tasks."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, pairwise

from asyncctx_trace.analysis.kernels.path_steps import Segment, Step
from asyncctx_trace.analysis.timeline.row_lookup import pick
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline

__all__ = ["event_times", "last_event_times", "path_steps"]


def event_times(
    timeline: Timeline, rows: Sequence[int], for_others: Sequence[int], now: int
) -> array[int]:
    """Return the times up to ``now`` of the events of one task, in order."""
    asked, got_in, left, over = timeline.times
    exited = [row for row in rows if timeline.exit_task[row] == timeline.task[row]]
    exited += for_others
    times = chain(pick(asked, rows), pick(got_in, rows), pick(left, exited), pick(over, exited))
    return array("q", sorted(at for at in times if NOT_YET < at <= now))


def last_event_times(timeline: Timeline) -> dict[int, int]:
    """Return task -> the time of its last event."""
    last: dict[int, int] = {}
    asked, got_in, left, over = timeline.times
    for task, exit_task, *times in zip(
        timeline.task, timeline.exit_task, asked, got_in, left, over, strict=True
    ):
        last[task] = max(last.get(task, NOT_YET), *times[:2])
        last[exit_task] = max(last.get(exit_task, NOT_YET), *times[2:])
    return last


def path_steps(
    timeline: Timeline,
    parents: array[int],
    segments: Sequence[Segment],
    event_times: Callable[[int], array[int]],
) -> Iterator[Step]:
    """Yield the segments of a path, each cut where the activity of its task changed."""
    innermost = _Innermost(timeline, parents)
    for task, start, end, link, by in segments:
        events = event_times(task)
        first, last = bisect_right(events, start), bisect_left(events, end)
        bounds = [start, *dict.fromkeys(events[first:last]), end]
        merged: list[Step] = []
        for since, until in pairwise(bounds):
            row = innermost.at(task, since)
            phase = None if row is None else timeline.phase_at(row, since)
            if not merged:
                merged.append(Step(since, until, task, phase, row, link, by))
            elif (merged[-1].row, merged[-1].phase) == (row, phase):
                merged[-1] = replace(merged[-1], end=until)
            else:
                merged.append(Step(since, until, task, phase, row, "same task", None))
        yield from merged


class _Innermost:
    """The innermost acquisition of a task, at times that ascend.

    What ``innermost_at`` returns. It does not visit an acquisition that has ended again: of a stack
    of n, all exits together cost O(n log n), not O(n²).
    """

    def __init__(self, timeline: Timeline, parents: array[int]) -> None:
        self._timeline = timeline
        self._parents = parents
        self._latest = NOT_YET
        self._outside: dict[int, int] = {}
        """Row that has ended -> the next one around it that may not have."""

    def at(self, task: int, at: int) -> int | None:
        """Return the row in which ``task`` was at time ``at``, ``None`` for none."""
        timeline, outside = self._timeline, self._outside
        if at < self._latest:
            outside.clear()
        self._latest = at
        rows = timeline.rows_of_task.get(task, ())
        index = bisect_right(rows, at, key=timeline.enter_started.__getitem__) - 1
        row = rows[index] if index >= 0 else -1
        ended: list[int] = []
        while row >= 0 and timeline.phase_at(row, at) is None:
            ended.append(row)
            if at < timeline.enter_started[row]:  # not ended: its time is out of order
                ended.clear()
            row = outside.get(row, self._parents[row])
        outside.update(dict.fromkeys(ended, row))
        return row if row >= 0 else None
