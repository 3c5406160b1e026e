"""Durations and orders of a resource's acquisitions, ranked with numpy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from asyncctx_trace.analysis.kernels.columns import (
    Integers,
    entered,
    holds_of,
    runs,
    spans_of,
    total,
    view,
    waits_of,
)
from asyncctx_trace.analysis.statistics import DurationStats
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline

__all__ = ["got_in", "overtaken", "duration_stats", "usage"]


def duration_stats(
    timeline: Timeline, rows: Sequence[int], now: int
) -> tuple[DurationStats, DurationStats, DurationStats]:
    """How long ``rows`` waited, held and cleaned up."""
    every = view(rows)
    inside = entered(timeline, every)
    leaving = every[view(timeline.exit_started)[every] != NOT_YET]
    return (
        _spread(spans_of(timeline.enter_started, timeline.enter_ended, every, now)),
        _spread(spans_of(timeline.enter_ended, timeline.exit_started, inside, now)),
        _spread(spans_of(timeline.exit_started, timeline.exit_ended, leaving, now)),
    )


def _spread(spans: tuple[Integers, Integers]) -> DurationStats:
    starts, ends = spans
    ranked = np.sort(ends - starts)
    return DurationStats.ranked(ranked, total(ranked))


def usage(timeline: Timeline, rows: Sequence[int], now: int) -> tuple[int, int] | None:
    """ns that ``rows`` held together, and from the first request to the last move."""
    asked, answered = waits_of(timeline, view(rows), now)
    came, left = holds_of(timeline, view(rows), now)
    if not len(came):
        return None
    return total(left - came), max(int(answered.max()), int(left.max())) - int(asked[0])


def got_in(timeline: Timeline, rows: Sequence[int]) -> list[int]:
    """Those of ``rows`` that got in, in that order."""
    inside = entered(timeline, view(rows))
    order = np.argsort(view(timeline.enter_ended)[inside], kind="stable")
    ranked: list[int] = inside[order].tolist()
    return ranked


def overtaken(timeline: Timeline, rows: Sequence[int]) -> int:
    """How many of ``rows`` got in after somebody who asked later."""
    inside = entered(timeline, view(rows))
    asked, came = view(timeline.enter_started)[inside], view(timeline.enter_ended)[inside]
    order = np.argsort(asked, kind="stable")
    asked, came = asked[order], came[order]
    # The earliest entry from each on; who asked at the same time does not count as later.
    earliest = np.minimum.accumulate(came[::-1])[::-1]
    bounds = np.append(runs(asked), len(asked))
    later = np.repeat(bounds[1:], np.diff(bounds))
    known = later < len(asked)
    return int(np.count_nonzero(came[known] > earliest[later[known]]))
