"""What a critical path needs to know of its tasks."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, pairwise

from asyncctx_trace.analysis.kernels.path_steps import Segment, Step
from asyncctx_trace.analysis.timeline.lookups import innermost_at, pick
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
    for task, start, end, link, by in segments:
        events = event_times(task)
        first, last = bisect_right(events, start), bisect_left(events, end)
        bounds = [start, *dict.fromkeys(events[first:last]), end]
        merged: list[Step] = []
        for since, until in pairwise(bounds):
            row = innermost_at(timeline, parents, task, since)
            phase = None if row is None else timeline.phase_at(row, since)
            if not merged:
                merged.append(Step(since, until, task, phase, row, link, by))
            elif (merged[-1].row, merged[-1].phase) == (row, phase):
                merged[-1] = replace(merged[-1], end=until)
            else:
                merged.append(Step(since, until, task, phase, row, "same task", None))
        yield from merged
