"""Who unblocked whom: for every enter that waited, the exit that let it in."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from itertools import compress, count

from asyncctx_trace.analysis import kernels
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET

__all__ = ["Wakeups", "wakeups"]

NOBODY = -1

# The order in which things happen that have the same time.
_LEAVES, _FREES, _ASKS, _GIVES_UP, _ENTERS = range(5)


class Wakeups(Mapping[int, int]):
    """Row that waited for a place and got in -> row whose exit let it in."""

    def __init__(self, givers: array[int]) -> None:
        """``givers``: by row, NOBODY where none is known."""
        self._givers = givers

    def __getitem__(self, row: int) -> int:
        giver = self._givers[row]
        if giver == NOBODY:
            raise KeyError(row)
        return giver

    def __iter__(self) -> Iterator[int]:
        return compress(count(), map(NOBODY.__ne__, self._givers))

    def __len__(self) -> int:
        return len(self._givers) - self._givers.count(NOBODY)


def wakeups(snapshot: Snapshot) -> Wakeups:
    """Who let whom in.

    Places go to those who wait in the order of their asking, each once; whoever got in before its
    turn has taken the place of the one whose turn it was. A place may be taken by somebody who is
    not in yet: so who waited need not have met a full resource. An enter for which no exit is known
    (a release by hand, a condition's ``wait``) is not among them.
    """
    givers = array("q", [NOBODY]) * len(snapshot.timeline)
    for resource in snapshot.limited:
        if snapshot.occupancy(resource).crowded and not _in_turn(snapshot, resource, givers):
            for row, giver in _Places(snapshot, resource).given().items():
                givers[row] = giver
    return Wakeups(givers)


def _in_turn(snapshot: Snapshot, resource: int, givers: array[int]) -> bool:
    if not kernels.pays(snapshot.timeline, snapshot.timeline.rows_of_resource[resource]):
        return False
    from asyncctx_trace.analysis.kernels.wakeups import take_turns

    return take_turns(snapshot, resource, givers)


class _Places:
    """The places of one resource: given out, given back, and passed on."""

    def __init__(self, snapshot: Snapshot, resource: int) -> None:
        self.snapshot = snapshot
        self.resource = resource
        occupancy = snapshot.occupancy(resource)
        self.met = set(compress(occupancy.rows, occupancy.met))
        known = snapshot.timeline.resources[resource]
        self.free: list[int | None] = [None] * (known.capacity or 0)
        """Rows that have held them last; ``None`` for a place that nobody has held yet."""
        self.queue: OrderedDict[int, None] = OrderedDict()
        self.reserved: dict[int, int | None] = {}
        """Row that waits no more for a place, but is not in yet -> the row that gave it."""
        self.leaving: dict[int, None] = {}

    def given(self) -> dict[int, int]:
        """Row -> the row that it has its place from, of those that had to wait for it."""
        timeline = self.snapshot.timeline
        found: dict[int, int] = {}
        for at, what, row in self._events():
            if what == _LEAVES:
                self.leaving[row] = None
            elif what == _FREES:
                if row in self.leaving:  # else its place has been taken in the course of its exit
                    del self.leaving[row]
                    self._pass_on(row)
            elif what == _ASKS:
                if self.free:
                    self.reserved[row] = self.free.pop(0)
                else:
                    self.queue[row] = None
            elif what == _GIVES_UP:
                self.queue.pop(row, None)
                if row in self.reserved:
                    self._pass_on(self.reserved.pop(row))
            else:
                giver = self._take(row)
                if giver is not None:
                    ended = timeline.exit_ended[giver]
                    freed = at if ended == NOT_YET else min(ended, at)
                    if freed > timeline.enter_started[row]:
                        found[row] = giver
        return found

    def _events(self) -> list[tuple[int, int, int]]:
        timeline = self.snapshot.timeline
        events: list[tuple[int, int, int]] = []
        for row in timeline.rows_of_resource[self.resource]:
            events.append((timeline.enter_started[row], _ASKS, row))
            moments = [
                (timeline.enter_ended[row], _ENTERS if timeline.entered(row) else _GIVES_UP),
                (timeline.exit_started[row], _LEAVES),
                (timeline.exit_ended[row], _FREES),
            ]
            events += [(at, what, row) for at, what in moments if at != NOT_YET]
        return sorted(events)

    def _pass_on(self, place: int | None) -> None:
        first = next(iter(self.queue), None)
        if first is None:
            self.free.append(place)
        else:
            del self.queue[first]
            self.reserved[first] = place

    def _take(self, row: int) -> int | None:
        """The giver of the place that ``row`` gets in by."""
        if row in self.reserved:
            return self.reserved.pop(row)
        del self.queue[row]
        if row not in self.met:
            return None
        overtaken = next((r for r, giver in self.reserved.items() if giver is not None), None)
        if overtaken is not None:
            self.queue[overtaken] = None
            self.queue.move_to_end(overtaken, last=False)
            return self.reserved.pop(overtaken)
        # Somebody has let go early in an exit that is still going on.
        early = next(iter(self.leaving), None)
        if early is not None:
            del self.leaving[early]
        return early
