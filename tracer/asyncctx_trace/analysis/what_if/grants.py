"""Who was given a unit of a resource, when, and in which order: as the recording shows it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.analysis.what_if.model import Discipline

__all__ = ["Grants", "grants_of"]

_RELEASES, _EXITS, _ASKS, _ENTERS = range(4)
_RUNS = 50_000
"""ns: about what a task needs from being woken to the end of its enter."""
_CLEAR = 0.98
"""The share of choices that must follow one order for it to be that of the resource."""


@dataclass(slots=True)
class Grants:
    """How the units of one resource were passed on."""

    capacity: int
    granted: dict[int, int] = field(default_factory=dict)
    """Row that had to wait -> when a unit became free for it (monotonic ns)."""
    early: dict[int, int] = field(default_factory=dict)
    """Row whose unit was passed on before the end of its exit -> when, at the latest."""
    discipline: Discipline = "fifo"
    excess: int = 0
    """How many entered although no unit was free."""


def grants_of(timeline: Timeline, resource: int, capacity: int | None) -> Grants:
    """Return how the units of ``resource`` were passed on, in O(n log n) for n acquisitions.

    ``capacity``: ``None`` if unknown; then it is the largest number of holders.

    Whoever enters has the unit that has been free for longest. Who enters next among those that
    wait shows the order: first come first served, last come first served, or neither.
    """
    rows = timeline.rows_of_resource[resource]
    return _Passing(timeline, capacity or _most_holders(timeline, resource)).run(rows)


def _most_holders(timeline: Timeline, resource: int) -> int:
    moves = []
    for row in timeline.rows_of_resource[resource]:
        if timeline.entered(row):
            moves.append((timeline.enter_ended[row], 1))
            if timeline.exit_started[row] != NOT_YET:
                moves.append((timeline.exit_started[row], -1))
    most = holders = 0
    for _, by in sorted(moves):
        holders += by
        most = max(most, holders)
    return max(1, most)


class _Passing:
    """One pass over the events of a resource, in order of time."""

    def __init__(self, timeline: Timeline, capacity: int) -> None:
        self._timeline = timeline
        self._result = Grants(capacity)
        self._free = deque([timeline.start or 0] * capacity)
        """When each free unit became free."""
        self._waiting: dict[int, None] = {}
        """Rows that have asked and not entered, in the order of asking."""
        self._exiting: dict[int, None] = {}
        self._choices = {"fifo": 0, "lifo": 0, "mixed": 0}

    def run(self, rows: Iterable[int]) -> Grants:
        """Process the rows of the resource."""
        for at, what, row in self._events(rows):
            match what:
                case 0:
                    if self._exiting.pop(row, 0) is None:  # not passed on before
                        self._free.append(at)
                case 1:
                    self._exiting[row] = None
                case 2:
                    self._waiting[row] = None
                case 3:
                    self._enter(at, row)
        self._result.discipline = self._order()
        return self._result

    def _events(self, rows: Iterable[int]) -> list[tuple[int, int, int]]:
        timeline = self._timeline
        events: list[tuple[int, int, int]] = []
        for row in rows:
            if not timeline.entered(row):
                continue
            events.append((timeline.enter_started[row], _ASKS, row))
            events.append((timeline.enter_ended[row], _ENTERS, row))
            if timeline.exit_ended[row] != NOT_YET:
                events.append((timeline.exit_started[row], _EXITS, row))
                events.append((timeline.exit_ended[row], _RELEASES, row))
        # An exit that takes no time starts before it ends.
        return sorted(events, key=lambda event: (event[0], _rank(timeline, event), event[2]))

    def _enter(self, at: int, row: int) -> None:
        """Give ``row`` a unit: one that is free, or that of an acquisition in its exit."""
        timeline, result = self._timeline, self._result
        if self._free:
            since = self._free.popleft()
        else:
            giver = min(self._exiting, key=timeline.exit_ended.__getitem__, default=None)
            if giver is None:
                result.excess += 1
                since = timeline.enter_started[row]
            else:
                del self._exiting[giver]
                since = max(timeline.enter_started[row], timeline.exit_started[giver], at - _RUNS)
                result.early[giver] = since
        if since > timeline.enter_started[row]:
            result.granted[row] = since
        waiting = self._waiting
        if len(waiting) > 1:
            first, last = next(iter(waiting)) == row, next(reversed(waiting)) == row
            self._choices["fifo" if first else "lifo" if last else "mixed"] += 1
        del waiting[row]

    def _order(self) -> Discipline:
        whole = sum(self._choices.values())
        if self._choices["fifo"] >= _CLEAR * whole:
            return "fifo"
        return "lifo" if self._choices["lifo"] >= _CLEAR * whole else "mixed"


def _rank(timeline: Timeline, event: tuple[int, int, int]) -> int:
    """Order events of one time: a release before those who ask, an exit before its release."""
    _, what, row = event
    at_once = timeline.exit_started[row] == timeline.exit_ended[row]
    return -1 if what == _EXITS and at_once else what
