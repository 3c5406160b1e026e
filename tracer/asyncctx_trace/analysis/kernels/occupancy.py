"""Steps of an occupancy, counted with numpy."""

from __future__ import annotations

from array import array

import numpy as np

from asyncctx_trace.analysis.kernels.columns import (
    Integers,
    column,
    distinct,
    holds_of,
    total,
    view,
    waits_of,
)
from asyncctx_trace.analysis.timeline.table import Timeline

__all__ = ["integral", "kept_out", "met", "steps"]


def steps(
    timeline: Timeline, rows: array[int], now: int
) -> tuple[array[int], array[int], array[int]]:
    """Times at which a step begins, waiters and holders in each."""
    asked, answered = waits_of(timeline, view(rows), now)
    got_in, left = holds_of(timeline, view(rows), now)
    times = distinct(asked, answered, left)
    waiters = _there(asked, answered, times)
    holders = _there(got_in, left, times)
    return column(times), column(waiters, "i"), column(holders, "i")


def _there(arrivals: Integers, departures: Integers, times: Integers) -> Integers:
    come = np.searchsorted(np.sort(arrivals), times, side="right")
    return come - np.searchsorted(np.sort(departures), times, side="right")


def kept_out(waiters: array[int], holders: array[int], limit: int) -> array[int]:
    """Waiters of each step while at least ``limit`` held the resource."""
    return column(np.where(view(holders) >= limit, view(waiters), 0), "i")


def integral(times: array[int], values: array[int]) -> int:
    """The sum of values, each as often as its step has ns."""
    return total(np.diff(view(times)) * view(values)[:-1])


def met(
    timeline: Timeline, rows: array[int], now: int, times: array[int], full: array[int]
) -> array[int]:
    """How many ns the wait in each of ``rows`` met the full resource.

    ``full``: for each step, whether it was.
    """
    at = view(times)
    before = np.zeros(len(at), np.int64)
    np.cumsum(np.diff(at) * view(full)[:-1], out=before[1:])
    starts, ends = waits_of(timeline, view(rows), now)
    return column(before[np.searchsorted(at, ends)] - before[np.searchsorted(at, starts)])
