"""The numpy implementation of track sums, equal to the plain one in ``tracks``."""

from __future__ import annotations

from array import array
from collections.abc import Sequence, Set
from typing import TYPE_CHECKING

import numpy as np

from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace_tui.view.lanes.shares import NEVER, TrackColumns, WaitRun, WaitTrackColumns
from asyncctx_trace_tui.view.viewport import Viewport

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]
    Truths = NDArray[np.bool_]

__all__ = [
    "ColumnSums",
    "Columns",
    "ended_badly",
    "open_at",
    "sum_up",
    "sum_up_waits",
    "totals",
    "wait_runs",
]

_AT_ONCE = 100_000
"""Rows that are processed at a time, to limit memory."""


def sum_up(track: TrackColumns) -> None:
    """Add the new rows of ``track`` to its sums."""
    rows = _view(track.rows)[max(0, len(track.starts) - 1) :]
    entered, body, exit, ended = _edges(track.timeline, rows, track.holds_only, track.groups)
    new = len(track.rows) - len(track.starts)
    del rows  # the array cannot grow while a view of it exists
    track.starts.frombytes(entered[-new:].tobytes())
    for column, begun, over in zip(
        track.sums, (entered, body, exit), (body, exit, ended), strict=True
    ):
        spent = np.cumsum(over[:-1] - begun[:-1])
        if column:
            spent += column[-1]
        else:
            spent = np.concatenate([np.zeros(1, np.int64), spent])
        column.frombytes(spent.tobytes())


def ended_badly(timeline: Timeline, rows: array[int]) -> list[int]:
    """Return those of ``rows`` with a phase that ended badly."""
    which = _view(rows)
    outcomes = (
        np.frombuffer(column, np.uint8)[which]
        for column in (timeline.enter_outcome, timeline.body_outcome, timeline.exit_outcome)
    )
    worst = np.maximum.reduce(np.stack(list(outcomes)))
    found: list[int] = which[worst > Outcome.OK].tolist()
    return found


def open_at(track: TrackColumns, times: Sequence[int]) -> list[bool]:
    """Return for each of ``times`` whether an acquisition of ``track`` is open."""
    index = np.searchsorted(_view(track.starts), times, side="right") - 1
    if not len(track.rows):
        return [False] * len(times)
    rows = _view(track.rows)[np.maximum(index, 0)]
    ended = _edges(track.timeline, rows, track.holds_only, track.groups)[3]
    found: list[bool] = ((index >= 0) & (np.asarray(times) < ended)).tolist()
    return found


def sum_up_waits(track: WaitTrackColumns) -> None:
    """Add the new waits of ``track`` to its sums."""
    known, before = len(track.starts), track.before
    rows = _view(track.rows)[max(0, known - 1) :]
    started, ended = _view(track.columns.started)[rows], _view(track.columns.ended)[rows]
    following = started[1:]
    spent = np.where(ended[:-1] == NOT_YET, following, np.minimum(ended[:-1], following))
    sums = np.cumsum(spent - started[:-1])
    sums = sums + before[-1] if known else np.concatenate([np.zeros(1, np.int64), sums])
    new = started[1:] if known else started
    del rows  # the array cannot grow while a view of it exists
    track.starts.frombytes(new.tobytes())
    before.frombytes(sums.tobytes())


def wait_runs(track: WaitTrackColumns, viewport: Viewport, now: int) -> list[WaitRun]:
    """Return the columns in which a task waits, from left to right."""
    starts, rows, step = _view(track.starts), _view(track.rows), viewport.per_column
    edges = viewport.start + step * np.arange(viewport.width + 1)
    index = np.searchsorted(starts, edges, side="right") - 1
    begun, known = index >= 0, np.maximum(index, 0)
    until = _wait_ends(track, starts, rows, known, now)
    spent = np.maximum(0, np.minimum(edges, until) - starts[known])
    share = np.diff(np.where(begun, _view(track.before)[known] + spent, 0))
    whole = begun[:-1] & (until[:-1] >= edges[1:])
    middle = edges[:-1] + step // 2
    inside = np.searchsorted(starts, middle, side="right") - 1
    inside_known = np.maximum(inside, 0)
    covered = (inside >= 0) & (_wait_ends(track, starts, rows, inside_known, now) > middle)
    last = np.maximum(np.searchsorted(starts, edges[1:] - 1, side="right") - 1, 0)
    which = np.where(whole, known[:-1], np.where(covered, inside_known, last))
    goes_on = np.concatenate([[False], whole[1:] & whole[:-1] & (index[1:-1] == index[:-2])])
    firsts = np.flatnonzero((share > 0) & ~goes_on)
    ends = np.flatnonzero((share > 0) & ~np.concatenate([goes_on[1:], [False]]))
    return list(
        map(
            WaitRun,
            firsts.tolist(),
            (ends - firsts + 1).tolist(),
            rows[which[firsts]].tolist(),
            share[firsts].tolist(),
        )
    )


def _wait_ends(
    track: WaitTrackColumns, starts: Integers, rows: Integers, index: Integers, now: int
) -> Integers:
    following = np.where(
        index + 1 < len(starts), starts[np.minimum(index + 1, len(starts) - 1)], now
    )
    ended = _view(track.columns.ended)[rows[index]]
    ends: Integers = np.minimum(np.where(ended == NOT_YET, following, ended), following)
    return np.minimum(ends, now)


def totals(timeline: Timeline, phase: int, now: int, groups: Set[int] = frozenset()) -> list[int]:
    """Return the time that each task spent in a phase, in the order of ``rows_of_task``."""
    tasks = np.fromiter(timeline.rows_of_task, np.int64, len(timeline.rows_of_task))
    order = np.argsort(tasks)
    spent = np.zeros(len(tasks), np.int64)
    for first in range(0, len(timeline), _AT_ONCE):
        rows = np.arange(first, min(first + _AT_ONCE, len(timeline)))
        edges = _edges(timeline, rows, False, groups)
        took = np.minimum(edges[phase + 1], now) - np.minimum(edges[phase], now)
        place = np.searchsorted(tasks[order], _view(timeline.task)[rows])
        np.add.at(spent, order[place], took)
    found: list[int] = spent.tolist()
    return found


class Columns:
    """The result of :meth:`Track.runs` per column, from exact times at the column edges."""

    def __init__(self, track: TrackColumns, viewport: Viewport, now: int) -> None:
        track.sum_up()
        starts = _view(track.starts)
        edges = viewport.start + viewport.per_column * np.arange(viewport.width + 1)
        index = np.searchsorted(starts, edges, side="right") - 1
        begun, known = index >= 0, np.maximum(index, 0)
        rows = _view(track.rows)
        entered, body, exit, ended = _edges(
            track.timeline, rows[known], track.holds_only, track.groups
        )
        at = np.minimum(edges, now)
        self.wait, self.hold, self.cleanup = (
            np.diff(
                np.where(
                    begun,
                    _view(column)[known] + np.maximum(0, np.minimum(at, until) - since),
                    0,
                )
            )
            for column, since, until in zip(
                track.sums, (entered, body, exit), (body, exit, ended), strict=True
            )
        )
        alive = begun & (edges < now) & (edges < ended)
        phase = np.where(edges < body, 0, np.where(edges < exit, 1, 2))
        until = np.minimum(np.where(edges < body, body, np.where(edges < exit, exit, ended)), now)
        self.left: Truths = alive[:-1]
        begins = begun & (starts[known] == edges)
        self.right: Truths = (alive & ~begins)[1:]
        self._whole: Truths = alive[:-1] & (until[:-1] >= edges[1:])
        """Whether the column is within one phase of one acquisition."""
        last = np.where(self._whole, index[:-1], (index - begins)[1:])
        self.row: Integers = rows[np.maximum(last, 0)]
        """The acquisition that starts last in each column or reaches into it."""
        self._state = 3 * index[:-1] + phase[:-1]

    def bars(self, longer_than: int) -> list[tuple[int, int, int]]:
        """Return column, length and row of phases that fill more than ``longer_than`` columns."""
        whole, state = self._whole, self._state
        goes_on = whole[1:] & whole[:-1] & (state[1:] == state[:-1])
        firsts = np.flatnonzero(whole & ~np.concatenate([[False], goes_on]))
        lasts = np.flatnonzero(whole & ~np.concatenate([goes_on, [False]]))
        lengths = lasts - firsts + 1
        long = lengths > longer_than
        rows = self.row[firsts[long]]
        return list(zip(firsts[long].tolist(), lengths[long].tolist(), rows.tolist(), strict=True))


class ColumnSums:
    """The time that the outermost acquisitions of all tasks spent in each column."""

    def __init__(self, viewport: Viewport, now: int) -> None:
        self._viewport = viewport
        self._now = now
        # Per phase boundary and column: the number of boundaries in the column, and the sum of the
        # times from each to the end of the column. The last column is for those after the viewport.
        self._counts = np.zeros((3, viewport.width + 1), np.int64)
        self._rests = np.zeros((3, viewport.width + 1), np.int64)

    def add(self, timeline: Timeline, first: int, last: int) -> None:
        """Add the outermost acquisitions of the rows from ``first`` to before ``last``."""
        viewport = self._viewport
        rows = first + np.flatnonzero(
            np.frombuffer(timeline.depth, timeline.depth.typecode)[first:last] == 0
        )
        entered, body, _, ended = _edges(timeline, rows, False)
        for number, times in enumerate((entered, body, ended)):
            passed = np.minimum(times, self._now) - viewport.start
            column, within = np.divmod(np.clip(passed, 0, viewport.span), viewport.per_column)
            self._counts[number] += np.bincount(column, minlength=viewport.width + 1)
            np.add.at(self._rests[number], column, viewport.per_column - within)

    @property
    def waits(self) -> list[int]:
        """Time spent waiting, per column in ns."""
        return self._between(0, 1)

    @property
    def holds(self) -> list[int]:
        """Time spent holding or cleaning up, per column in ns."""
        return self._between(1, 2)

    def _between(self, begin: int, end: int) -> list[int]:
        counts = self._counts[begin] - self._counts[end]
        rests = self._rests[begin] - self._rests[end]
        spent = (np.cumsum(counts) - counts) * self._viewport.per_column + rests
        found: list[int] = spent[:-1].tolist()
        return found


def _view(column: array[int]) -> Integers:
    return np.frombuffer(column, np.int64)


def _edges(
    timeline: Timeline, rows: Integers, holds_only: bool, groups: Set[int] = frozenset()
) -> tuple[Integers, Integers, Integers, Integers]:
    """Return :meth:`Track.edges` of many rows."""
    entered = _view(timeline.enter_started)[rows]
    body = _view(timeline.enter_ended)[rows]
    waiting = body == NOT_YET
    body = np.where(waiting, NEVER, body)
    if holds_only:
        entered = np.where(waiting, entered, body)
    got_in = np.frombuffer(timeline.enter_outcome, np.uint8)[rows] == Outcome.OK
    out = waiting | ~got_in
    exit = _view(timeline.exit_started)[rows]
    exit = np.where(out, body, np.where(exit == NOT_YET, NEVER, exit))
    ended = _view(timeline.exit_ended)[rows]
    ended = np.where(out, body, np.where(ended == NOT_YET, NEVER, ended))
    if groups:
        exit = np.where(np.isin(_view(timeline.resource)[rows], list(groups)), ended, exit)
    return entered, body, exit, ended
