"""Holders and waiters of one resource over time."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from itertools import accumulate, pairwise, repeat
from operator import mul, sub

from asyncctx_trace.analysis.kernels.columns import Holds
from asyncctx_trace.analysis.timeline.row_lookup import entered, holds_of, waits_of
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline

__all__ = [
    "blocked_times",
    "blocked_waiters",
    "hand_over_time",
    "holds",
    "integral",
    "occupancy_steps",
]


def occupancy_steps(
    timeline: Timeline, rows: array[int], now: int
) -> tuple[array[int], array[int], array[int]]:
    """Return when each step starts, and its waiters and holders."""
    asked, answered = waits_of(timeline, rows, now)
    got_in, left = holds_of(timeline, rows, now)
    # Every start of a hold is the end of a wait.
    times: array[int] = array("q", sorted({*asked, *answered, *left}))
    return times, _present(asked, answered, times), _present(got_in, left, times)


def _present(arrivals: Iterable[int], departures: Iterable[int], times: array[int]) -> array[int]:
    """Return how many are present in each step, without those that leave when they arrive."""
    come, gone = Counter(arrivals), Counter(departures)
    changes = map(sub, map(come.get, times, repeat(0)), map(gone.get, times, repeat(0)))
    return array("i", accumulate(changes))


def blocked_waiters(waiters: array[int], holders: array[int], limit: int) -> array[int]:
    """Return the waiters of each step in which there are at least ``limit`` holders."""
    return array("i", map(mul, waiters, map(limit.__le__, holders)))


def integral(times: array[int], values: array[int]) -> int:
    """Return the sum of the values of all steps, each multiplied by its duration."""
    return sum(map(mul, map(sub, times[1:], times), values))


def hand_over_time(times: array[int], waiters: array[int], holders: array[int], limit: int) -> int:
    """Return the waiting time, in ns, between a release and the next enter."""
    total = 0
    released = False
    for (start, end), waiting, holding in zip(pairwise(times), waiters, holders, strict=False):
        if holding >= limit:
            released = True
        elif not waiting:
            released = False
        elif released:
            total += waiting * (end - start)
    return total


def blocked_times(
    timeline: Timeline, rows: array[int], now: int, times: array[int], full: array[int]
) -> array[int]:
    """Return for how many ns each of ``rows`` waited while the resource was full."""
    lengths = map(sub, times[1:], times)
    before = dict(zip(times, accumulate(map(mul, lengths, full), initial=0), strict=True))
    starts, ends = waits_of(timeline, rows, now)
    return array("q", map(sub, map(before.__getitem__, ends), map(before.__getitem__, starts)))


def holds(timeline: Timeline, rows: array[int], now: int) -> Holds:
    """Return which task held from when to when."""
    parts: list[tuple[int, int, int, int]] = []
    inside = entered(timeline, rows)
    for row, start, end in zip(inside, *holds_of(timeline, inside, now), strict=True):
        task, exit_task = timeline.task[row], timeline.exit_task[row]
        handed_over = timeline.exit_started[row]
        if exit_task == task or handed_over == NOT_YET:
            parts.append((start, row, end, task))
        else:
            parts.append((start, row, handed_over, task))
            parts.append((handed_over, row, end, exit_task))
    parts = sorted(part for part in parts if part[0] < part[2])
    columns = zip(*parts, strict=True) if parts else ((), (), (), ())
    starts, hold_rows, ends, tasks = (array("q", column) for column in columns)
    return Holds(starts, ends, tasks, hold_rows)
