"""Sequences of acquisitions without overlap, with the time per phase for any slice of time."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence, Set
from operator import attrgetter
from typing import Any

from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.model.events import Outcome
from asyncctx_trace_tui.view.time_axis.viewport import Viewport
from asyncctx_trace_tui.view.tracks.kernels import numpy_for
from asyncctx_trace_tui.view.tracks.shares import NEVER, NO_TIME, Problem, Run, Shares

__all__ = ["Track", "UnitTrack"]

_OK = int(Outcome.OK)
_time_of = attrgetter("at")


class Track:
    """Acquisitions of one timeline that follow each other without overlap.

    Only the last may be open, so the prefix sums of all others are final. Rows are summed up when
    they are first needed, because most lanes of a large recording are never shown. A query is a
    binary search: O(log n) for n rows.
    """

    holds_only = False
    """Whether waits are excluded."""

    def __init__(
        self,
        timeline: Timeline,
        rows: array[int] | None = None,
        groups: Set[int] = frozenset(),
    ) -> None:
        self.timeline = timeline
        self.groups = groups
        """The resources whose exit waits for tasks: it is not cleanup, and drawn like the body."""
        self.rows = array("q") if rows is None else rows
        """The rows in order; the owner of the array may append to it."""
        self.starts = array("q")
        """The start of each row that has been summed up, in ns."""
        self.sums = (array("q"), array("q"), array("q"))
        """The time spent waiting, holding and cleaning up before each of them, in ns."""
        self._problems: list[Problem] = []
        """The problems of all summed up rows but the last, in order."""

    def sum_up(self) -> None:
        """Add the rows that were appended since the last call."""
        known, rows = len(self.starts), self.rows
        if known == len(rows):
            return
        fast = numpy_for(len(rows) - known)
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
        """Return the index of the last acquisition that started by ``at``, -1 if none has."""
        self.sum_up()
        return bisect_right(self.starts, at) - 1

    def row_at(self, at: int) -> int | None:
        """Return the row of the acquisition that is open at ``at``, if any."""
        index = self.index_at(at)
        if index < 0:
            return None
        row = self.rows[index]
        return row if at < self.edges(row)[3] else None

    def open_at(self, times: Sequence[int]) -> list[bool]:
        """Return for each of ``times`` whether an acquisition is open."""
        self.sum_up()
        fast = numpy_for(len(times))
        if fast is not None:
            found: list[bool] = fast.open_at(self, times)
            return found
        return [self.row_at(at) is not None for at in times]

    def reaches(self, viewport: Viewport) -> bool:
        """Return whether an acquisition may be visible."""
        last = self.index_at(viewport.end - 1)
        return last >= 0 and self.edges(self.rows[last])[3] >= viewport.start

    def elapsed(self, at: int, now: int) -> Shares:
        """Return the time spent in each phase until ``at``; open phases last until ``now``."""
        return self._elapsed(self.index_at(at), at, now)

    def _elapsed(self, index: int, at: int, now: int) -> Shares:
        if index < 0:
            return NO_TIME
        entered, body, exit, ended = self.edges(self.rows[index])
        at = min(at, now)
        waits, holds, cleanups = self.sums
        return Shares(
            waits[index] + max(0, min(at, body) - entered),
            holds[index] + max(0, min(at, exit) - body),
            cleanups[index] + max(0, min(at, ended) - exit),
        )

    def columns(self, viewport: Viewport, now: int) -> Any:
        """Return the columns as numpy computes them, or ``None`` if plain Python is faster."""
        fast = numpy_for(self.index_at(viewport.end) - self.index_at(viewport.start))
        return None if fast is None else fast.Columns(self, viewport, now)

    def runs(self, viewport: Viewport, now: int) -> Iterator[Run]:
        """Yield the columns of ``viewport`` that are not empty, from left to right."""
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
            # The values at the end of a column are those at the start of the next.
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
        """Yield phases that ended badly, at most one per column of ``viewport``."""
        self.sum_up()
        known = self._problems
        index = bisect_left(known, viewport.start, key=_time_of)
        while index < len(known) and known[index].at < viewport.end:
            yield known[index]
            column = viewport.column_of(known[index].at)
            index = bisect_left(known, viewport.time_of(column + 1), lo=index + 1, key=_time_of)
        if self.rows:
            yield from (p for p in self._problems_of(self.rows[-1]) if viewport.shows(p.at))

    def render_key(self, now: int) -> tuple[int, ...]:
        """Return a value that changes whenever the track looks different; ``now`` is in ns."""
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
        """Return the phase at ``at`` (0, 1, 2 or ``None``) and the time until which it lasts."""
        following = self.starts[index + 1] if index + 1 < len(self.starts) else NEVER
        if index < 0 or at >= now:
            return None, following
        _, body, exit, ended = self.edges(self.rows[index])
        for phase, edge in enumerate((body, exit, ended)):
            if at < edge:
                return phase, min(edge, now)
        return None, following

    def edges(self, row: int) -> tuple[int, int, int, int]:
        """Return the starts of enter, body and exit and the end; ``NEVER`` for future ones.

        If the enter failed, all later times are the end of the enter.
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
        if timeline.resource[row] in self.groups:
            exit = ended
        return (
            entered,
            body,
            NEVER if exit == NOT_YET else exit,
            NEVER if ended == NOT_YET else ended,
        )


class UnitTrack(Track):
    """The acquisitions that held one unit of a resource; waits are left out."""

    holds_only = True
