"""What happened between two marks, summed up."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from asyncctx_trace.model.text import duration
from asyncctx_trace_tui.view.lanes.lane_set import LaneSet
from asyncctx_trace_tui.view.lanes.shares import Shares

__all__ = ["between"]


def between(tracks: LaneSet, first: int, last: int, now: int) -> str:
    """How long it is from ``first`` to ``last``, how many facts fell in it, who did what in sum."""
    first, last = min(first, last), max(first, last)
    total = Shares(0, 0, 0)
    for lane in tracks.lanes.values():
        for track in lane.tracks:
            spent = track.elapsed(last, now).minus(track.elapsed(first, now))
            total = Shares(*(a + b for a, b in zip(total, spent, strict=True)))
    facts = tracks.timeline.facts
    count = bisect_right(facts, last) - bisect_left(facts, first)
    noun = "fact" if count == 1 else "facts"
    return (
        f"A to B: {duration(last - first)} · {count} {noun} · waiting {duration(total.wait)}, "
        f"holding {duration(total.hold)}, cleaning up {duration(total.cleanup)} over all tasks"
    )
