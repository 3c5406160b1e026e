"""The order of lanes: grouped, sorted, filtered, pinned, folded."""

from __future__ import annotations

from asyncctx_trace_tui.view.filters import Predicate, parse, parse_waits
from asyncctx_trace_tui.view.lanes.arrangement import Arrangement, arrange
from asyncctx_trace_tui.view.lanes.lane_set import LaneSet
from asyncctx_trace_tui.view.lanes.task_groups import GroupKey, TaskGroups

__all__ = ["SORTS", "LaneOrder"]

SORTS = ("first seen", "time lost waiting", "time held")
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
        self.opened: set[GroupKey] = set()
        """Groups whose tasks have lanes of their own."""
        self.complete: set[GroupKey] = set()
        """Packed groups of which all rows are shown, whether there is room or not."""
        self.unfolded: set[GroupKey] = set()
        """Packed groups whose nested acquisitions have lines of their own."""
        self.expression = ""
        self._filter: Predicate | None = None
        self._wait_filter: Predicate | None = None
        self._filtered = self._filtered_waits = 0
        """Number of acquisitions, and of waits for other things, that were filtered."""
        self._open_rows: list[int] = []
        """Rows that were open when they were filtered, to be filtered again."""
        self._open_waits: list[int] = []
        """The same for waits."""
        self._matching: set[int] = set()
        self.revision = 0
        """Increases with every change."""
        self._groups: tuple[object, TaskGroups | None] = (None, None)
        """The groups, and what they were made for."""
        self._arranged: tuple[object, Arrangement] = (None, Arrangement([], 0))

    def next_sort(self) -> str:
        """Switch to the next sort key, and return it."""
        self.sort = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]
        self.revision += 1
        return self.sort

    def pin(self, task: int) -> None:
        """Pin a task's lane to the top, or unpin it."""
        self.pinned ^= {task}
        self.revision += 1

    def fold(self, task: int, group: GroupKey | None = None) -> None:
        """Fold a task's nested acquisitions, or unfold them; of its packed group, all of them."""
        if group is None:
            self.folded ^= {task}
        else:
            self.unfolded ^= {group}
        self.revision += 1

    def open(self, group: GroupKey, *, has_hidden_rows: bool) -> None:
        """Show all rows of a group, then each task on a lane of its own, then close it again."""
        if group in self.opened:
            self.opened.discard(group)
            self.complete.discard(group)
        elif has_hidden_rows:
            self.complete.add(group)
        else:
            self.opened.add(group)
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
        self._open_waits.clear()
        self._matching.clear()
        self.revision += 1

    def arrange(self, tracks: LaneSet, now: int) -> Arrangement:
        """Return the lanes to show from top to bottom: the same until something changes."""
        if self._filter is not None:
            self._match(tracks, now)
        # Sums may change with every event, but lanes should not move all the time.
        sums = now // _SORT_INTERVAL if self.sort != SORTS[0] else 0
        matching = None if self._filter is None else len(self._matching)
        key = id(tracks), self.revision, len(tracks.lanes), matching, sums
        if key != self._arranged[0]:
            spent = (
                tracks.totals(SORTS.index(self.sort) - 1, now) if self.sort != SORTS[0] else None
            )
            groups = self._grouped(tracks, matching)
            self._arranged = key, arrange(groups, self.opened, spent)
        return self._arranged[1]

    def _grouped(self, tracks: LaneSet, matching: int | None) -> TaskGroups:
        """Return the groups of the tasks to show; they grow with the recording."""
        key = id(tracks), matching, frozenset(self.pinned)
        groups = self._groups[1]
        if groups is None or key != self._groups[0]:
            only = None if matching is None else frozenset(self._matching)
            groups = TaskGroups(tracks, only=only, alone=frozenset(self.pinned))
            self._groups = key, groups
        groups.update()
        return groups

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
        """Filter some of the remaining waits, and those that went on before."""
        timeline, filter = tracks.timeline, self._wait_filter
        assert filter is not None
        waits, matching = timeline.waits, self._matching
        until = min(self._filtered_waits + _AT_ONCE, len(waits))
        asked = [*self._open_waits, *range(self._filtered_waits, until)]
        for wait in asked:
            if waits.task[wait] not in matching and filter(timeline, wait, now):
                matching.add(waits.task[wait])
        self._filtered_waits = until
        going_on = set(waits.open.values())
        self._open_waits = [wait for wait in asked if wait in going_on]
