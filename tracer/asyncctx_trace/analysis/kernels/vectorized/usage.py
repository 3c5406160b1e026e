"""How long the acquisitions of a resource took, and in which order they entered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from asyncctx_trace.analysis.kernels.vectorized.arrays import (
    Integers,
    entered,
    exact_sum,
    holds_of,
    runs,
    spans_of,
    view,
    waits_of,
)
from asyncctx_trace.analysis.statistics import DurationStats
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline

__all__ = ["duration_stats", "held_and_lifetime", "overtaken", "rows_by_entry"]


def duration_stats(
    timeline: Timeline, rows: Sequence[int], now: int
) -> tuple[DurationStats, DurationStats, DurationStats]:
    """Return how long ``rows`` waited, held and cleaned up."""
    every = view(rows)
    inside = entered(timeline, every)
    leaving = every[view(timeline.exit_started)[every] != NOT_YET]
    return (
        _stats(spans_of(timeline.enter_started, timeline.enter_ended, every, now)),
        _stats(spans_of(timeline.enter_ended, timeline.exit_started, inside, now)),
        _stats(spans_of(timeline.exit_started, timeline.exit_ended, leaving, now)),
    )


def _stats(spans: tuple[Integers, Integers]) -> DurationStats:
    starts, ends = spans
    in_order = np.sort(ends - starts)
    return DurationStats.of_sorted(in_order, exact_sum(in_order))


def held_and_lifetime(timeline: Timeline, rows: Sequence[int], now: int) -> tuple[int, int] | None:
    """Return for how many ns ``rows`` held in total, and from the first request to the end."""
    asked, answered = waits_of(timeline, view(rows), now)
    came, left = holds_of(timeline, view(rows), now)
    if not len(came):
        return None
    last = max(int(np.max(answered)), int(np.max(left)))
    return exact_sum(left - came), last - int(asked[0])


def rows_by_entry(timeline: Timeline, rows: Sequence[int]) -> list[int]:
    """Return those of ``rows`` that entered, in order of entering."""
    inside = entered(timeline, view(rows))
    order = np.argsort(view(timeline.enter_ended)[inside], kind="stable")
    in_order: list[int] = inside[order].tolist()
    return in_order


def overtaken(timeline: Timeline, rows: Sequence[int]) -> int:
    """Return how many of ``rows`` entered after one that asked later."""
    inside = entered(timeline, view(rows))
    asked, came = view(timeline.enter_started)[inside], view(timeline.enter_ended)[inside]
    order = np.argsort(asked, kind="stable")
    asked, came = asked[order], came[order]
    # The earliest entry from each on; one that asked at the same time does not count as later.
    earliest = np.minimum.accumulate(came[::-1])[::-1]
    bounds = np.append(runs(asked), len(asked))
    later = np.repeat(bounds[1:], np.diff(bounds))
    known = later < len(asked)
    return int(np.count_nonzero(came[known] > earliest[later[known]]))
