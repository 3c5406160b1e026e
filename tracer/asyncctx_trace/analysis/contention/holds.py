"""Which task held a resource from when to when."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

from asyncctx_trace.analysis import kernels
from asyncctx_trace.analysis.timeline.lookups import entered, holds_of
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline

__all__ = ["Holds"]


class Holds:
    """The holds of one resource in columns, in the order of getting in.

    Where another task cleans up than the one that got in, each has its part of the hold.
    """

    def __init__(self, timeline: Timeline, rows: array[int], now: int) -> None:
        """Of the ``rows`` of ``timeline``."""
        if kernels.pays(timeline, rows):
            from asyncctx_trace.analysis.kernels.holds import parts
        else:
            parts = _parts
        self.starts, self.ends, self.tasks, self.rows = parts(timeline, rows, now)
        self.reach: array[int] = array("q", accumulate(self.ends, max))
        """The latest end up to each hold."""

    def during(self, stretches: Iterator[tuple[int, int]]) -> Iterator[int]:
        """Which may lie in one of ``stretches`` of time, which are in order and apart."""
        done = 0
        for start, end in stretches:
            first = max(done, bisect_right(self.reach, start))
            done = max(done, bisect_left(self.starts, end))
            yield from range(first, done)


def _parts(
    timeline: Timeline, rows: Sequence[int], now: int
) -> tuple[array[int], array[int], array[int], array[int]]:
    found: list[tuple[int, int, int, int]] = []
    inside = entered(timeline, rows)
    for row, start, end in zip(inside, *holds_of(timeline, inside, now), strict=True):
        task, cleaner = timeline.task[row], timeline.exit_task[row]
        handed_over = timeline.exit_started[row]
        if cleaner == task or handed_over == NOT_YET:
            found.append((start, row, end, task))
        else:
            found.append((start, row, handed_over, task))
            found.append((handed_over, row, end, cleaner))
    found = sorted(part for part in found if part[0] < part[2])
    columns = zip(*found, strict=True) if found else ((), (), (), ())
    starts, of_rows, ends, tasks = (array("q", column) for column in columns)
    return starts, ends, tasks, of_rows
