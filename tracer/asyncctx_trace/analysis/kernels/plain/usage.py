"""How long the acquisitions of a resource took, and in which order they entered."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import sub

from asyncctx_trace.analysis.statistics import DurationStats
from asyncctx_trace.analysis.timeline.row_lookup import (
    ascending,
    entered,
    holds_of,
    pick,
    spans_of,
    waits_of,
)
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline

__all__ = ["duration_stats", "held_and_lifetime", "overtaken", "rows_by_entry"]


def duration_stats(
    timeline: Timeline, rows: Sequence[int], now: int
) -> tuple[DurationStats, DurationStats, DurationStats]:
    """Return how long ``rows`` waited, held and cleaned up."""
    inside = entered(timeline, rows)
    leaving = [row for row in rows if timeline.exit_started[row] != NOT_YET]
    return (
        _stats(spans_of(timeline.enter_started, timeline.enter_ended, rows, now)),
        _stats(spans_of(timeline.enter_ended, timeline.exit_started, inside, now)),
        _stats(spans_of(timeline.exit_started, timeline.exit_ended, leaving, now)),
    )


def _stats(spans: tuple[list[int], list[int]]) -> DurationStats:
    starts, ends = spans
    return DurationStats.of(map(sub, ends, starts))


def held_and_lifetime(timeline: Timeline, rows: Sequence[int], now: int) -> tuple[int, int] | None:
    """Return for how many ns ``rows`` held in total, and from the first request to the end."""
    asked, answered = waits_of(timeline, rows, now)
    came, left = holds_of(timeline, rows, now)
    if not came:
        return None
    return sum(left) - sum(came), max(max(answered), max(left)) - asked[0]


def rows_by_entry(timeline: Timeline, rows: Sequence[int]) -> list[int]:
    """Return those of ``rows`` that entered, in order of entering."""
    return sorted(entered(timeline, rows), key=timeline.enter_ended.__getitem__)


def overtaken(timeline: Timeline, rows: Sequence[int]) -> int:
    """Return how many of ``rows`` entered after one that asked later."""
    inside = entered(timeline, rows)
    if all(
        ascending(pick(times, inside)) for times in (timeline.enter_started, timeline.enter_ended)
    ):
        return 0
    # Backwards in the order of asking: a row was overtaken if it entered after the earliest entry
    # of all that asked later.
    count, earliest = 0, None
    asked = timeline.enter_started.__getitem__
    for _, together in groupby(sorted(inside, key=asked, reverse=True), key=asked):
        ends = [timeline.enter_ended[row] for row in together]
        if earliest is not None:
            count += sum(end > earliest for end in ends)
        earliest = min(ends) if earliest is None else min(earliest, *ends)
    return count
