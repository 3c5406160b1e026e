"""The order of lanes: sorted, filtered, pinned, folded."""

from __future__ import annotations

from asyncctx_trace_tui.view.filters import Predicate, parse, parse_waits
from asyncctx_trace_tui.view.lanes.lane_set import Lane, LaneSet

__all__ = ["SORTS", "LaneOrder"]

SORTS = ("first seen", "total wait", "total hold")
_AT_ONCE = 10_000
"""Rows that are filtered within one frame."""
_SORT_INTERVAL = 500_000_000
"""The interval at which lanes are sorted again while their sums grow, in ns."""


class LaneOrder:
    """The order and the selection of lanes that the user has chosen."""

    def __init__(self) -> None:
        self.sort = SORTS[0]
        self.pinned: set[int] = set()
        self.folded: set[int] = set()
        """Tasks whose nested acquisitions are hidden."""
        self.expression = ""
        self._filter: Predicate | None = None
        self._wait_filter: Predicate | None = None
        self._filtered = self._filtered_waits = 0
        """Number of acquisitions, and of waits for other things, that were filtered."""
        self._open_rows: list[int] = []
        """Rows that were open when they were filtered, to be filtered again."""
        self._matching: set[int] = set()
        self.revision = 0
        """Increases with every change."""
        self._arranged: tuple[object, list[Lane]] = (None, [])

    def next_sort(self) -> str:
        """Switch to the next sort key, and return it."""
        self.sort = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]
        self.revision += 1
        return self.sort

    def pin(self, task: int) -> None:
        """Pin a task's lane to the top, or unpin it."""
        self.pinned ^= {task}
        self.revision += 1

    def fold(self, task: int) -> None:
        """Fold a task's nested acquisitions, or unfold them."""
        self.folded ^= {task}
        self.revision += 1

    def filter(self, expression: str) -> None:
        """Show only tasks with an acquisition or a wait that matches; raises FilterError."""
        self._filter, self._wait_filter = parse(expression), parse_waits(expression)
        self.expression = expression.strip()
        self.start_again()

    def start_again(self) -> None:
        """Filter all rows again: they are others."""
        self._filtered = self._filtered_waits = 0
        self._open_rows.clear()
        self._matching.clear()
        self.revision += 1

    def arrange(self, tracks: LaneSet, now: int) -> list[Lane]:
        """Return the lanes to show from top to bottom: the same list until something changes."""
        if self._filter is not None:
            self._match(tracks, now)
        # Sums may change with every event, but lanes should not move all the time.
        sums = now // _SORT_INTERVAL if self.sort != SORTS[0] else 0
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
        """Filter some of the remaining rows, and those that were open before."""
        timeline, filter, known = tracks.timeline, self._filter, len(self._matching)
        assert filter is not None
        until = min(self._filtered + _AT_ONCE, len(timeline))
        # An open acquisition may match later; one that has ended is filtered once.
        asked = [*self._open_rows, *range(self._filtered, until)]
        for row in asked:
            if timeline.task[row] not in self._matching and filter(timeline, row, now):
                self._matching.add(timeline.task[row])
        self._filtered = until
        self._match_waits(tracks, now)
        in_flight = set(timeline.in_flight)
        self._open_rows = [row for row in asked if row in in_flight]
        if len(self._matching) > known:
            self.revision += 1

    def _match_waits(self, tracks: LaneSet, now: int) -> None:
        """Filter some of the remaining waits; what they match does not change when they end."""
        timeline, filter = tracks.timeline, self._wait_filter
        assert filter is not None
        waits, matching = timeline.waits, self._matching
        until = min(self._filtered_waits + _AT_ONCE, len(waits))
        for wait in range(self._filtered_waits, until):
            if waits.task[wait] not in matching and filter(timeline, wait, now):
                matching.add(waits.task[wait])
        self._filtered_waits = until
