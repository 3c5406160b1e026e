"""Wake-ups: for every enter that waited, the exit that let it in."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from itertools import compress, count

from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET

__all__ = ["Wakeups", "wakeups"]

_UNKNOWN = -1

# The order in which events that have the same time are processed.
_LEAVES, _FREES, _ASKS, _GIVES_UP, _ENTERS = range(5)


class Wakeups(Mapping[int, int]):
    """Row that waited for a unit and entered -> row whose exit let it in.

    Rows that the timeline got later, while the program runs on, are not among them.
    """

    def __init__(self, releasers: array[int]) -> None:
        """``releasers``: by row, -1 where none is known."""
        self._releasers = releasers

    def __getitem__(self, row: int) -> int:
        releaser = self._releasers[row] if row < len(self._releasers) else _UNKNOWN
        if releaser == _UNKNOWN:
            raise KeyError(row)
        return releaser

    def __iter__(self) -> Iterator[int]:
        return compress(count(), map(_UNKNOWN.__ne__, self._releasers))

    def __len__(self) -> int:
        return len(self._releasers) - self._releasers.count(_UNKNOWN)


def wakeups(snapshot: Snapshot) -> Wakeups:
    """Return who let whom in.

    Units of the capacity go to the waiters in the order of asking; one that entered earlier has
    taken the unit of the one whose turn it was. A unit may be reserved for a task that has not
    entered yet, so that a waiter need not have seen a full resource. Enters for which no exit is
    known (a release by hand, a condition's ``wait``) are left out.
    """
    timeline = snapshot.timeline
    releasers = array("q", [_UNKNOWN]) * len(timeline)
    for resource in snapshot.limited:
        if not snapshot.occupancy(resource).crowded:
            continue
        kernels = snapshot.kernels.for_rows(timeline.rows_of_resource[resource])
        if not kernels.fill_in_order(timeline, resource, releasers):
            for row, releaser in _Queue(snapshot, resource).hand_overs().items():
                releasers[row] = releaser
    return Wakeups(releasers)


class _Queue:
    """The waiters of one resource in order, with the units that are free or reserved."""

    def __init__(self, snapshot: Snapshot, resource: int) -> None:
        self._timeline = snapshot.timeline
        self._resource = resource
        occupancy = snapshot.occupancy(resource)
        self._blocked = set(compress(occupancy.rows, occupancy.blocked_times))
        capacity = snapshot.timeline.resources[resource].capacity or 0
        self._free: list[int | None] = [None] * capacity
        """Rows that held the free units last; ``None`` for a unit that has not been held."""
        self._queue: OrderedDict[int, None] = OrderedDict()
        self._reserved: dict[int, int | None] = {}
        """Row that has a unit, but has not entered -> the row that held the unit before."""
        self._leaving: dict[int, None] = {}

    def hand_overs(self) -> dict[int, int]:
        """Return row -> the row that held its unit before, for those that had to wait."""
        timeline = self._timeline
        result: dict[int, int] = {}
        for at, what, row in self._events():
            if what == _LEAVES:
                self._leaving[row] = None
            elif what == _FREES:
                if row in self._leaving:  # else its unit has been taken during its exit
                    del self._leaving[row]
                    self._pass_on(row)
            elif what == _ASKS:
                if self._free:
                    self._reserved[row] = self._free.pop(0)
                else:
                    self._queue[row] = None
            elif what == _GIVES_UP:
                self._queue.pop(row, None)
                if row in self._reserved:
                    self._pass_on(self._reserved.pop(row))
            else:
                releaser = self._take(row)
                if releaser is not None:
                    ended = timeline.exit_ended[releaser]
                    freed = at if ended == NOT_YET else min(ended, at)
                    if freed > timeline.enter_started[row]:
                        result[row] = releaser
        return result

    def _events(self) -> list[tuple[int, int, int]]:
        """Return time, kind and row of each event, in order."""
        timeline = self._timeline
        events: list[tuple[int, int, int]] = []
        for row in timeline.rows_of_resource[self._resource]:
            events.append((timeline.enter_started[row], _ASKS, row))
            moments = [
                (timeline.enter_ended[row], _ENTERS if timeline.entered(row) else _GIVES_UP),
                (timeline.exit_started[row], _LEAVES),
                (timeline.exit_ended[row], _FREES),
            ]
            events += [(at, what, row) for at, what in moments if at != NOT_YET]
        return sorted(events)

    def _pass_on(self, unit: int | None) -> None:
        """Reserve a unit for the first waiter; ``unit`` is the row that held it."""
        first = next(iter(self._queue), None)
        if first is None:
            self._free.append(unit)
        else:
            del self._queue[first]
            self._reserved[first] = unit

    def _take(self, row: int) -> int | None:
        """Return the row that held the unit which ``row`` now holds."""
        if row in self._reserved:
            return self._reserved.pop(row)
        del self._queue[row]
        if row not in self._blocked:
            return None
        overtaken = next((r for r, unit in self._reserved.items() if unit is not None), None)
        if overtaken is not None:
            self._queue[overtaken] = None
            self._queue.move_to_end(overtaken, last=False)
            return self._reserved.pop(overtaken)
        # A holder has released it during an exit that has not ended.
        early = next(iter(self._leaving), None)
        if early is not None:
            del self._leaving[early]
        return early
