"""When each task waited for what others may hold."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from asyncctx_trace.analysis import kernels
from asyncctx_trace.analysis.timeline.lookups import waits_of
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline

__all__ = ["Span", "Waits", "innermost"]

Span: TypeAlias = tuple[int, int, int]
"""Start, end and row of a wait."""


class Waits:
    """The waits of all tasks for limited resources, in columns; those of one task never overlap.

    Of an enter within an enter the inner one counts. One that goes on lasts a tick beyond now.
    """

    def __init__(self, timeline: Timeline, limited: Iterable[int], now: int) -> None:
        """Of ``timeline``, for the resources ``limited``."""
        rows = array("q")
        for resource in limited:
            rows.extend(timeline.rows_of_resource[resource])
        if rows and kernels.pays(timeline):
            from asyncctx_trace.analysis.kernels.waits import gathered
        else:
            gathered = _gathered
        self.starts, self.ends, self.rows, self.places = gathered(timeline, rows, now)
        """Columns in the order of tasks and of time; ``places``: task -> its first, and the next
        one's first."""

    def at(self, task: int, at: int) -> int | None:
        """The row in which ``task`` waited at time ``at``."""
        first, end = self.places.get(task, (0, 0))
        index = bisect_right(self.starts, at, first, end) - 1
        return self.rows[index] if index >= first and self.ends[index] > at else None

    def within(self, task: int, start: int, end: int) -> Iterator[Span]:
        """What of the waits of ``task`` lies between two times."""
        first, last = self.places.get(task, (0, 0))
        for index in range(max(first, bisect_right(self.starts, start, first, last) - 1), last):
            since, until = self.starts[index], self.ends[index]
            if since >= end:
                break
            if until > start:
                yield max(since, start), min(until, end), self.rows[index]


def _gathered(
    timeline: Timeline, rows: Sequence[int], now: int
) -> tuple[array[int], array[int], array[int], dict[int, tuple[int, int]]]:
    of_task: dict[int, list[Span]] = {}
    for start, end, row in zip(*waits_of(timeline, rows, now), rows, strict=True):
        lasts = timeline.enter_ended[row] == NOT_YET  # it still waits at this very moment
        if start < end + lasts:
            of_task.setdefault(timeline.task[row], []).append((start, end + lasts, row))
    starts, ends, of_rows = array("q"), array("q"), array("q")
    places: dict[int, tuple[int, int]] = {}
    for task in sorted(of_task):
        first = len(starts)
        for start, end, row in innermost(of_task[task]):
            starts.append(start)
            ends.append(end)
            of_rows.append(row)
        places[task] = first, len(starts)
    return starts, ends, of_rows, places


def innermost(waits: Iterable[Span]) -> Iterator[Span]:
    """``waits`` of one task without what overlaps: at each time the one that began last."""
    marks = sorted(mark for start, end, row in waits for mark in ((start, 1, row), (end, 0, row)))
    open_: dict[int, None] = {}
    since = 0
    for at, begins, row in marks:
        inner = next(reversed(open_), None)
        if inner is not None and since < at:
            yield since, at, inner
        since = at
        if begins:
            open_[row] = None
        else:
            open_.pop(row, None)
