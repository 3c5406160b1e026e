"""A summary of the time between two marks."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from asyncctx_trace.model.durations import format_duration
from asyncctx_trace_tui.view.lanes.lane_set import LaneSet
from asyncctx_trace_tui.view.tracks.shares import Shares

__all__ = ["between"]


def between(tracks: LaneSet, first: int, last: int, now: int) -> str:
    """Describe the time between two marks: its length, the events, the time per phase."""
    first, last = min(first, last), max(first, last)
    total, others = Shares(0, 0, 0), 0
    for lane in tracks.lanes.values():
        others += lane.waits.elapsed(last, now) - lane.waits.elapsed(first, now)
        for track in lane.tracks:
            spent = track.elapsed(last, now).minus(track.elapsed(first, now))
            total = Shares(*(a + b for a, b in zip(total, spent, strict=True)))
    times = tracks.timeline.facts
    count = bisect_right(times, last) - bisect_left(times, first)
    noun = "event" if count == 1 else "events"
    return (
        f"A to B: {format_duration(last - first)} · {count} {noun} "
        f"· waiting {format_duration(total.wait)}, holding {format_duration(total.hold)}, "
        f"cleaning up {format_duration(total.cleanup)}, "
        f"waiting for other things {format_duration(others)} over all tasks"
    )
