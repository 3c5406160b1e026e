"""What share of any slice of time a row of acquisitions spent waiting, holding, cleaning up."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import compress, islice
from operator import attrgetter
from types import ModuleType
from typing import NamedTuple

from asyncctx_trace.analysis.timeline import NOT_YET, Timeline
from asyncctx_trace.events import Outcome
from asyncctx_trace_tui.view.interval_index import Presence
from asyncctx_trace_tui.view.viewport import Viewport

__all__ = [
    "NEVER",
    "Lane",
    "Problem",
    "Run",
    "Shares",
    "Track",
    "Tracks",
    "bulk_for",
]

_OK = int(Outcome.OK)
_MANY = 8
"""Rows above which numpy is worth its calls."""
NEVER = 1 << 62
"""Stands for the time of a fact that has not come."""


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

    Only the last may be in flight, which makes the sums of all others final. Rows are summed up
    when they are first asked for: most lanes of a large recording are never looked at.
    """

    holds_only = False
    """Whether waits are left out."""

    def __init__(self, timeline: Timeline, rows: array[int] | None = None) -> None:
        self.timeline = timeline
        self.rows = array("q") if rows is None else rows
        """In order; who gave them lets them grow at the end."""
        self.starts = array("q")
        """When each row that has been summed up begins."""
        self.sums = (array("q"), array("q"), array("q"))
        """The time spent waiting, holding and cleaning up before each of them."""
        self._problems: list[Problem] = []
        """Of all of them but the last, in order."""

    def sum_up(self) -> None:
        """Take in the rows that have come since the last call."""
        known, rows = len(self.starts), self.rows
        if known == len(rows):
            return
        fast = bulk_for(len(rows) - known)
        if fast is not None:
            fast.sum_up(self)
            badly = fast.ended_badly(self.timeline, rows[max(0, known - 1) : -1])
        else:
            for index in range(known, len(rows)):
                before = self._elapsed(index - 1, NEVER, NEVER)
                self.starts.append(self.edges(rows[index])[0])
                for column, spent in zip(self.sums, before, strict=True):
                    column.append(spent)
            badly = list(rows[max(0, known - 1) : -1])
        for row in badly:
            self._problems += self._problems_of(row)

    def index_at(self, at: int) -> int:
        """The index of the last acquisition that has begun by ``at``, -1 if none has."""
        self.sum_up()
        return bisect_right(self.starts, at) - 1

    def row_at(self, at: int) -> int | None:
        """The row of the acquisition that is in any phase at ``at``."""
        index = self.index_at(at)
        if index < 0:
            return None
        row = self.rows[index]
        return row if at < self.edges(row)[3] else None

    def elapsed(self, at: int, now: int) -> Shares:
        """The time spent in each phase until ``at``; what is in flight is so until ``now``."""
        return self._elapsed(self.index_at(at), at, now)

    def _elapsed(self, index: int, at: int, now: int) -> Shares:
        if index < 0:
            return _NOTHING
        entered, body, exit, ended = self.edges(self.rows[index])
        at = min(at, now)
        waits, holds, cleanups = self.sums
        return Shares(
            waits[index] + max(0, min(at, body) - entered),
            holds[index] + max(0, min(at, exit) - body),
            cleanups[index] + max(0, min(at, ended) - exit),
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
                index = bisect_right(self.starts, at, lo=max(0, index)) - 1
                state, until = self._state(index, at, now)
                continue
            # What is known at the end of a column is known at the start of the next.
            end = at + step
            if before is None:
                before = self._elapsed(index, at, now)
            following = bisect_right(self.starts, end, lo=max(0, index)) - 1
            after = self._elapsed(following, end, now)
            state_after, until = self._state(following, end, now)
            shares = after.minus(before)
            if any(shares):
                begins_after = following >= 0 and self.starts[following] == end
                last = following - begins_after
                out = state_after is not None and not begins_after
                yield Run(column, 1, shares, self.rows[last], (state is not None, out))
            column, at, index, state, before = column + 1, end, following, state_after, after

    def problems(self, viewport: Viewport) -> Iterator[Problem]:
        """What did not end well, at most one in each column of ``viewport``."""
        self.sum_up()
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
        _, body, exit, ended = self.edges(row)
        return (len(self.rows), body, exit, ended, now if ended == NEVER else 0)

    def _problems_of(self, row: int) -> Iterator[Problem]:
        timeline = self.timeline
        for at, outcome in (
            (timeline.enter_ended[row], timeline.enter_outcome[row]),
            (timeline.exit_started[row], timeline.body_outcome[row]),
            (timeline.exit_ended[row], timeline.exit_outcome[row]),
        ):
            if outcome not in (0, _OK):
                yield Problem(at, Outcome(outcome), row)

    def _state(self, index: int, at: int, now: int) -> tuple[int | None, int]:
        """The phase at ``at`` (0, 1, 2, or None) and until when that stays so."""
        following = self.starts[index + 1] if index + 1 < len(self.starts) else NEVER
        if index < 0 or at >= now:
            return None, following
        _, body, exit, ended = self.edges(self.rows[index])
        for phase, edge in enumerate((body, exit, ended)):
            if at < edge:
                return phase, min(edge, now)
        return None, following

    def edges(self, row: int) -> tuple[int, int, int, int]:
        """When enter, body and exit begin and all ends; ``NEVER`` where that has not come.

        An acquisition that did not get in ends with its enter, and so do its empty phases.
        """
        timeline = self.timeline
        entered = timeline.enter_started[row]
        body = timeline.enter_ended[row]
        if body == NOT_YET:
            return entered, NEVER, NEVER, NEVER
        if self.holds_only:
            entered = body
        if timeline.enter_outcome[row] != _OK:
            return entered, body, body, body
        exit, ended = timeline.exit_started[row], timeline.exit_ended[row]
        return (
            entered,
            body,
            NEVER if exit == NOT_YET else exit,
            NEVER if ended == NOT_YET else ended,
        )


class Lane:
    """The tracks of one task, outermost acquisitions first."""

    def __init__(self, timeline: Timeline, task: int, order: int) -> None:
        self.task = task
        self.order = order
        """Its place among all lanes, in the order in which their tasks were first seen."""
        self._timeline = timeline
        self._rows = timeline.rows_of_task[task]
        self._dealt = 0
        """How many of the rows have been dealt out to tracks; 0 while one track has them all."""
        self.tracks = [Track(timeline, self._rows)]

    def deal(self) -> None:
        """Give each row that is new to the track of its depth."""
        if not self._dealt:
            self.tracks = [Track(self._timeline)]
        tracks, depths = self.tracks, self._timeline.depth
        for row in self._rows[self._dealt :]:
            depth = depths[row]
            while len(tracks) <= depth:
                tracks.append(Track(self._timeline))
            tracks[depth].rows.append(row)
        self._dealt = len(self._rows)


class Tracks:
    """The lanes of a timeline, in the order in which their tasks were first seen."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.lanes: dict[int, Lane] = {}
        self.revision = 0
        """Grows when there are more lanes, or more tracks in one."""
        self._known = 0
        self._nested: set[int] = set()
        """Tasks that were in two acquisitions at once."""
        self._presence = Presence(timeline)

    def update(self) -> None:
        """Take in the acquisitions that the timeline has got since the last call."""
        timeline, lanes, known = self.timeline, self.lanes, self._known
        if known == len(timeline):
            return
        if len(lanes) < len(timeline.rows_of_task):
            for task in islice(timeline.rows_of_task, len(lanes), None):
                lanes[task] = Lane(timeline, task, len(lanes))
            self.revision += 1
        tasks = timeline.task[known:]
        self._nested.update(compress(tasks, timeline.depth[known:]))
        for task in self._nested.intersection(tasks):
            before = len(lanes[task].tracks)
            lanes[task].deal()
            self.revision += len(lanes[task].tracks) > before
        self._known = len(timeline)

    def totals(self, phase: int, now: int) -> list[int]:
        """By lane in order: all the time spent in a phase (0, 1, 2) until ``now``."""
        fast = bulk_for(len(self.timeline))
        if fast is not None:
            found: list[int] = fast.totals(self.timeline, phase, now)
            return found
        return [
            sum(track.elapsed(NEVER, now)[phase] for track in lane.tracks)
            for lane in self.lanes.values()
        ]

    def there_at(self, at: int) -> list[int]:
        """The rows that have begun by ``at`` and not ended before it, in order."""
        return self._presence.at(at)

    def open_at(self, at: int) -> Iterator[int]:
        """The rows of all acquisitions that are in any phase at ``at``, in order."""
        return (row for row in self.there_at(at) if self.timeline.phase_at(row, at) is not None)


def bulk_for(rows: int) -> ModuleType | None:
    """The room that handles many rows at once, if they are many; numpy may not be there."""
    if rows <= _MANY:
        return None
    try:
        from asyncctx_trace_tui.view import numpy_lanes
    except ImportError:
        return None
    return numpy_lanes
