"""Which lanes are shown, and in which order."""

from __future__ import annotations

from asyncctx_trace_tui.filters import Predicate, parse
from asyncctx_trace_tui.tracks import Lane, Shares, Tracks

__all__ = ["SORTS", "Ordering"]

SORTS = ("first seen", "total wait", "total hold")
_NEVER = 1 << 62


class Ordering:
    """How the viewer wants the lanes arranged."""

    def __init__(self) -> None:
        self.sort = SORTS[0]
        self.pinned: set[int] = set()
        self.folded: set[int] = set()
        """Tasks whose nested acquisitions are hidden."""
        self.expression = ""
        self._filter: Predicate | None = None
        self._seen = 0
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
        self._matching.clear()
        self.revision += 1

    def arrange(self, tracks: Tracks, now: int) -> list[Lane]:
        """The lanes to show, from the top; the same list as long as nothing has changed."""
        timeline = tracks.timeline
        # A sum or a length may change with every fact, but the order of lanes need not jump.
        key = self.revision, len(timeline), timeline.end if self._filter else None
        if key != self._arranged[0]:
            self._arranged = key, self._arrange(tracks, now)
        return self._arranged[1]

    def _arrange(self, tracks: Tracks, now: int) -> list[Lane]:
        lanes = list(tracks.lanes.values())
        if self._filter is not None:
            self._match(tracks, now)
            lanes = [lane for lane in lanes if lane.task in self._matching]
        if self.sort != SORTS[0]:
            phase = SORTS.index(self.sort) - 1
            lanes.sort(key=lambda lane: -_total(lane, now)[phase])
        return sorted(lanes, key=lambda lane: lane.task not in self.pinned)

    def _match(self, tracks: Tracks, now: int) -> None:
        timeline, filter = tracks.timeline, self._filter
        assert filter is not None
        # What is in flight may come to match; what has ended is asked once.
        for row in [*timeline.in_flight, *range(self._seen, len(timeline))]:
            if timeline.task[row] not in self._matching and filter(timeline, row, now):
                self._matching.add(timeline.task[row])
        self._seen = len(timeline)


def _total(lane: Lane, now: int) -> Shares:
    spent = [track.elapsed(_NEVER, now) for track in lane.tracks]
    return Shares(*(sum(each[phase] for each in spent) for phase in range(3)))
