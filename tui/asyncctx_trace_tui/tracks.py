"""What share of any slice of time a row of acquisitions spent waiting, holding, cleaning up."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from operator import attrgetter
from typing import NamedTuple

from asyncctx_trace.analysis.timeline import NOT_YET, Timeline
from asyncctx_trace.events import Outcome
from asyncctx_trace_tui.viewport import Viewport

__all__ = ["Lane", "Problem", "Run", "Shares", "Track", "Tracks", "Unit", "units"]

_OK = int(Outcome.OK)
_NEVER = 1 << 62


class Shares(NamedTuple):
    """Time spent in each phase, in ns."""

    wait: int
    hold: int
    cleanup: int

    def minus(self, other: Shares) -> Shares:
        """What came on top of ``other``."""
        return Shares(self.wait - other.wait, self.hold - other.hold, self.cleanup - other.cleanup)


_NOTHING = Shares(0, 0, 0)


class Run(NamedTuple):
    """Neighbouring columns in one and the same state, or a single column of several."""

    column: int
    length: int
    shares: Shares
    """Of one column."""
    row: int
    """The acquisition that begins last in it, or reaches into it; -1 while there is none."""
    touches: tuple[bool, bool]
    """Whether a phase reaches in from the left, or out to the right."""


class Problem(NamedTuple):
    """A phase that did not end well."""

    at: int
    outcome: Outcome
    row: int


_when = attrgetter("at")


class Track:
    """Acquisitions of one timeline that follow each other without overlap.

    Only the last may be in flight, which makes the sums of all others final.
    """

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self.rows = array("q")
        self._starts = array("q")
        self._waits = array("q")
        self._holds = array("q")
        self._cleanups = array("q")
        self._problems: list[Problem] = []
        """Of all rows but the last, in order."""

    def add(self, row: int) -> None:
        """The timeline's ``row`` comes next; the one before it has ended."""
        before = self.elapsed(_NEVER, _NEVER)
        if self.rows:
            self._problems += self._problems_of(self.rows[-1])
        self.rows.append(row)
        self._starts.append(self._edges(row)[0])
        self._waits.append(before.wait)
        self._holds.append(before.hold)
        self._cleanups.append(before.cleanup)

    def index_at(self, at: int) -> int:
        """The index of the last acquisition that has begun by ``at``, -1 if none has."""
        return bisect_right(self._starts, at) - 1

    def row_at(self, at: int) -> int | None:
        """The row of the acquisition that is in any phase at ``at``."""
        index = self.index_at(at)
        if index < 0:
            return None
        row = self.rows[index]
        return row if at < self._edges(row)[3] else None

    def elapsed(self, at: int, now: int) -> Shares:
        """The time spent in each phase until ``at``; what is in flight is so until ``now``."""
        return self._elapsed(self.index_at(at), at, now)

    def _elapsed(self, index: int, at: int, now: int) -> Shares:
        if index < 0:
            return _NOTHING
        entered, body, exit, ended = self._edges(self.rows[index])
        at = min(at, now)
        return Shares(
            self._waits[index] + max(0, min(at, body) - entered),
            self._holds[index] + max(0, min(at, exit) - body),
            self._cleanups[index] + max(0, min(at, ended) - exit),
        )

    def runs(self, viewport: Viewport, now: int) -> Iterator[Run]:
        """The columns of ``viewport`` that are not empty, from left to right."""
        column, width, step = 0, viewport.width, viewport.per_column
        at, index = viewport.start, self.index_at(viewport.start)
        state, until = self._state(index, at, now)
        before: Shares | None = None
        while column < width:
            same = min((until - at) // step, width - column)
            if same >= 1:
                if state is not None:
                    shares = Shares(*(step if state == phase else 0 for phase in range(3)))
                    yield Run(column, same, shares, self.rows[index], (True, True))
                column, at, before = column + same, at + same * step, None
                index = bisect_right(self._starts, at, lo=max(0, index)) - 1
                state, until = self._state(index, at, now)
                continue
            # What is known at the end of a column is known at the start of the next.
            end = at + step
            if before is None:
                before = self._elapsed(index, at, now)
            following = bisect_right(self._starts, end, lo=max(0, index)) - 1
            after = self._elapsed(following, end, now)
            state_after, until = self._state(following, end, now)
            shares = after.minus(before)
            if any(shares):
                begins_after = following >= 0 and self._starts[following] == end
                last = following - begins_after
                out = state_after is not None and not begins_after
                yield Run(column, 1, shares, self.rows[last], (state is not None, out))
            column, at, index, state, before = column + 1, end, following, state_after, after

    def problems(self, viewport: Viewport) -> Iterator[Problem]:
        """What did not end well, at most one in each column of ``viewport``."""
        known = self._problems
        index = bisect_left(known, viewport.start, key=_when)
        while index < len(known) and known[index].at < viewport.end:
            yield known[index]
            column = viewport.column_of(known[index].at)
            index = bisect_left(known, viewport.time_of(column + 1), lo=index + 1, key=_when)
        if self.rows:
            yield from (p for p in self._problems_of(self.rows[-1]) if viewport.shows(p.at))

    def stamp(self, now: int) -> tuple[int, ...]:
        """Differs whenever the track looks different; ``now`` counts while it is in flight."""
        if not self.rows:
            return ()
        row = self.rows[-1]
        _, body, exit, ended = self._edges(row)
        return (len(self.rows), body, exit, ended, now if ended == _NEVER else 0)

    def _problems_of(self, row: int) -> Iterator[Problem]:
        timeline = self._timeline
        for at, outcome in (
            (timeline.enter_ended[row], timeline.enter_outcome[row]),
            (timeline.exit_started[row], timeline.body_outcome[row]),
            (timeline.exit_ended[row], timeline.exit_outcome[row]),
        ):
            if outcome not in (0, _OK):
                yield Problem(at, Outcome(outcome), row)

    def _state(self, index: int, at: int, now: int) -> tuple[int | None, int]:
        """The phase at ``at`` (0, 1, 2, or None) and until when that stays so."""
        following = self._starts[index + 1] if index + 1 < len(self._starts) else _NEVER
        if index < 0 or at >= now:
            return None, following
        _, body, exit, ended = self._edges(self.rows[index])
        for phase, edge in enumerate((body, exit, ended)):
            if at < edge:
                return phase, min(edge, now)
        return None, following

    def _edges(self, row: int) -> tuple[int, int, int, int]:
        """When enter, body and exit begin and all ends; ``_NEVER`` where that has not come.

        An acquisition that did not get in ends with its enter, and so do its empty phases.
        """
        timeline = self._timeline
        entered = timeline.enter_started[row]
        body = timeline.enter_ended[row]
        if body == NOT_YET:
            return entered, _NEVER, _NEVER, _NEVER
        if timeline.enter_outcome[row] != _OK:
            return entered, body, body, body
        exit, ended = timeline.exit_started[row], timeline.exit_ended[row]
        return (
            entered,
            body,
            _NEVER if exit == NOT_YET else exit,
            _NEVER if ended == NOT_YET else ended,
        )


class Unit(Track):
    """What one unit of a resource's capacity was held by; waits are left out."""

    def _edges(self, row: int) -> tuple[int, int, int, int]:
        _, body, exit, ended = super()._edges(row)
        return body, body, exit, ended


def units(timeline: Timeline, resource: int) -> list[Unit]:
    """The units of a resource: each holder takes the first that is free when it gets in.

    Where none is, it takes over from one that cleans up: a release lets the next one in before
    the exit around it is over.
    """
    entered = sorted(
        (timeline.enter_ended[row], row)
        for row in timeline.rows_of_resource.get(resource, ())
        if timeline.enter_outcome[row] == _OK
    )
    found: list[Unit] = []
    free: list[int] = []
    busy: list[tuple[int, int, int]] = []
    for at, row in entered:
        while busy and busy[0][0] <= at:
            heappush(free, heappop(busy)[1])
        leaving = None if free else next((b for b in busy if _leaves(timeline, b[2], at)), None)
        if leaving is not None:
            busy.remove(leaving)
            heapify(busy)
            free.append(leaving[1])
        elif not free:
            free.append(len(found))
            found.append(Unit(timeline))
        number = heappop(free)
        found[number].add(row)
        ended = timeline.exit_ended[row]
        heappush(busy, (_NEVER if ended == NOT_YET else ended, number, row))
    return found


def _leaves(timeline: Timeline, row: int, at: int) -> bool:
    return NOT_YET != timeline.exit_started[row] <= at


@dataclass(slots=True)
class Lane:
    """The tracks of one task, outermost acquisitions first."""

    task: int
    tracks: list[Track]


class Tracks:
    """The lanes of a timeline, in the order in which their tasks were first seen."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.lanes: dict[int, Lane] = {}
        self._known = 0

    def update(self) -> None:
        """Take in the acquisitions that the timeline has got since the last call."""
        timeline = self.timeline
        for row in range(self._known, len(timeline)):
            task, depth = timeline.task[row], timeline.depth[row]
            lane = self.lanes.get(task)
            if lane is None:
                lane = self.lanes[task] = Lane(task, [])
            while len(lane.tracks) <= depth:
                lane.tracks.append(Track(timeline))
            lane.tracks[depth].add(row)
        self._known = len(timeline)

    def open_at(self, at: int) -> Iterator[int]:
        """The rows of all acquisitions that are in any phase at ``at``, lane by lane."""
        for lane in self.lanes.values():
            for track in lane.tracks:
                row = track.row_at(at)
                if row is not None:
                    yield row
