"""Which lanes are shown, and in which order."""

from __future__ import annotations

from asyncctx_trace_tui.view.filters import Predicate, parse
from asyncctx_trace_tui.view.lanes.lane_set import Lane, LaneSet

__all__ = ["SORTS", "LaneOrder"]

SORTS = ("first seen", "total wait", "total hold")
_AT_ONCE = 10_000
"""Rows that a filter is asked about within one frame."""
_SORTED = 500_000_000
"""How long lanes stay where they are while their sums grow, in ns."""


class LaneOrder:
    """How the viewer wants the lanes arranged."""

    def __init__(self) -> None:
        self.sort = SORTS[0]
        self.pinned: set[int] = set()
        self.folded: set[int] = set()
        """Tasks whose nested acquisitions are hidden."""
        self.expression = ""
        self._filter: Predicate | None = None
        self._seen = 0
        self._unsettled: list[int] = []
        """Rows that were in flight when the filter was asked about them."""
        self._matching: set[int] = set()
        self.revision = 0
        """Grows with every change of mind."""
        self._arranged: tuple[object, list[Lane]] = (None, [])

    def next_sort(self) -> str:
        """Sort by the next thing to sort by; says which."""
        self.sort = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]
        self.revision += 1
        return self.sort

    def pin(self, task: int) -> None:
        """Keep a task's lane on top, or let it go again."""
        self.pinned ^= {task}
        self.revision += 1

    def fold(self, task: int) -> None:
        """Hide a task's nested acquisitions, or show them again."""
        self.folded ^= {task}
        self.revision += 1

    def filter(self, expression: str) -> None:
        """Show only tasks with an acquisition that ``expression`` means; raises FilterError."""
        self._filter = parse(expression)
        self.expression = expression.strip()
        self._seen = 0
        self._unsettled.clear()
        self._matching.clear()
        self.revision += 1

    def arrange(self, tracks: LaneSet, now: int) -> list[Lane]:
        """The lanes to show, from the top; the same list as long as nothing has changed."""
        if self._filter is not None:
            self._match(tracks, now)
        # A sum may change with every fact, but the order of lanes need not jump.
        sums = now // _SORTED if self.sort != SORTS[0] else 0
        key = self.revision, len(tracks.lanes), len(self._matching), sums
        if key != self._arranged[0]:
            self._arranged = key, self._arrange(tracks, now)
        return self._arranged[1]

    def _arrange(self, tracks: LaneSet, now: int) -> list[Lane]:
        lanes = list(tracks.lanes.values())
        if self._filter is not None:
            lanes = [lane for lane in lanes if lane.task in self._matching]
        if self.sort != SORTS[0]:
            spent = tracks.totals(SORTS.index(self.sort) - 1, now)
            lanes.sort(key=lambda lane: -spent[lane.order])
        return sorted(lanes, key=lambda lane: lane.task not in self.pinned)

    def _match(self, tracks: LaneSet, now: int) -> None:
        """Ask about some of the rows that were not asked about yet, and what is in flight."""
        timeline, filter, known = tracks.timeline, self._filter, len(self._matching)
        assert filter is not None
        until = min(self._seen + _AT_ONCE, len(timeline))
        # What was in flight may have come to match since; what had ended is not asked again.
        asked = [*self._unsettled, *range(self._seen, until)]
        for row in asked:
            if timeline.task[row] not in self._matching and filter(timeline, row, now):
                self._matching.add(timeline.task[row])
        self._seen = until
        in_flight = set(timeline.in_flight)
        self._unsettled = [row for row in asked if row in in_flight]
        if len(self._matching) > known:
            self.revision += 1
