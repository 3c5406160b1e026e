"""Holders and waiters of one resource over time."""

from __future__ import annotations

from array import array

import numpy as np

from asyncctx_trace.analysis.kernels.columns import Holds
from asyncctx_trace.analysis.kernels.vectorized.arrays import (
    Integers,
    column,
    distinct,
    entered,
    exact_sum,
    holds_of,
    view,
    waits_of,
)
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
    asked, answered = waits_of(timeline, view(rows), now)
    got_in, left = holds_of(timeline, view(rows), now)
    times = distinct(asked, answered, left)
    waiters = _present(asked, answered, times)
    holders = _present(got_in, left, times)
    return column(times), column(waiters, "i"), column(holders, "i")


def _present(arrivals: Integers, departures: Integers, times: Integers) -> Integers:
    come = np.searchsorted(np.sort(arrivals), times, side="right")
    return come - np.searchsorted(np.sort(departures), times, side="right")


def blocked_waiters(waiters: array[int], holders: array[int], limit: int) -> array[int]:
    """Return the waiters of each step in which there are at least ``limit`` holders."""
    return column(np.where(view(holders) >= limit, view(waiters), 0), "i")


def integral(times: array[int], values: array[int]) -> int:
    """Return the sum of the values of all steps, each multiplied by its duration."""
    return exact_sum(np.diff(view(times)) * view(values)[:-1])


def hand_over_time(times: array[int], waiters: array[int], holders: array[int], limit: int) -> int:
    """Return the waiting time, in ns, between a release and the next enter."""
    waiting, full = view(waiters)[:-1], view(holders)[:-1] >= limit
    step = np.arange(len(full))
    last_full = np.maximum.accumulate(np.where(full, step, -1))
    last_idle = np.maximum.accumulate(np.where(~full & (waiting == 0), step, -1))
    counted = ~full & (last_full > last_idle)
    return exact_sum(np.diff(view(times))[counted] * waiting[counted])


def blocked_times(
    timeline: Timeline, rows: array[int], now: int, times: array[int], full: array[int]
) -> array[int]:
    """Return for how many ns each of ``rows`` waited while the resource was full."""
    at = view(times)
    before = np.zeros(len(at), np.int64)
    np.cumsum(np.diff(at) * view(full)[:-1], out=before[1:])
    starts, ends = waits_of(timeline, view(rows), now)
    return column(before[np.searchsorted(at, ends)] - before[np.searchsorted(at, starts)])


def holds(timeline: Timeline, rows: array[int], now: int) -> Holds:
    """Return which task held from when to when."""
    inside = entered(timeline, view(rows))
    starts, ends = holds_of(timeline, inside, now)
    tasks, exit_tasks = view(timeline.task)[inside], view(timeline.exit_task)[inside]
    handed_over = view(timeline.exit_started)[inside]
    other = (exit_tasks != tasks) & (handed_over != NOT_YET)
    held = np.stack(
        [
            np.concatenate([starts, handed_over[other]]),
            np.concatenate([np.where(other, handed_over, ends), ends[other]]),
            np.concatenate([tasks, exit_tasks[other]]),
            np.concatenate([inside, inside[other]]),
        ]
    )
    held = held[:, held[0] < held[1]]
    held = held[:, np.lexsort((held[3], held[0]))]
    return Holds(column(held[0]), column(held[1]), column(held[2]), column(held[3]))
