"""The numpy implementation of track sums, equal to the plain one in the other modules."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Sequence, Set
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.analysis.timeline.wait_columns import WaitColumns
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace_tui.view.time_axis.viewport import Viewport
from asyncctx_trace_tui.view.tracks.shares import NEVER, TrackColumns, WaitRun, WaitTrackColumns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]
    Truths = NDArray[np.bool_]

__all__ = [
    "ColumnSums",
    "Columns",
    "FlatColumns",
    "ended_badly",
    "curve_means",
    "later_ends",
    "merge_lives",
    "open_at",
    "steps_of_intervals",
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
    worst = np.stack(list(outcomes)).max(axis=0)
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


def wait_runs(track: WaitTrackColumns, viewport: Viewport, now: int, merged: bool) -> list[WaitRun]:
    """Return the columns in which a task waits: :meth:`WaitTrack.runs` or ``merged_runs``."""
    starts, rows, step = _view(track.starts), _view(track.rows), viewport.per_column
    edges = _column_edges(viewport)
    index = np.searchsorted(starts, edges, side="right") - 1
    begun, known = index >= 0, np.maximum(index, 0)
    until = _wait_ends(track, starts, rows, known, now)
    spent = np.maximum(0, np.minimum(edges, until) - starts[known])
    waited = np.where(begun, _view(track.before)[known] + spent, 0)
    share = waited[1:] - waited[:-1]
    whole = begun[:-1] & (until[:-1] >= edges[1:])
    middle = edges[:-1] + step // 2
    inside = np.searchsorted(starts, middle, side="right") - 1
    inside_known = np.maximum(inside, 0)
    covered = (inside >= 0) & (_wait_ends(track, starts, rows, inside_known, now) > middle)
    last = np.maximum(np.searchsorted(starts, edges[1:] - 1, side="right") - 1, 0)
    which = np.where(whole, known[:-1], np.where(covered, inside_known, last))
    joined = whole[1:] & whole[:-1] & (index[1:-1] == index[:-2])
    if merged:
        kind = np.frombuffer(track.columns.kind, np.uint8)[rows[which]].astype(np.int64)
        style = np.where(share < step, 2 * kind + (2 * share >= step), -1)
        joined |= (style[1:] == style[:-1]) & (style[1:] >= 0) & (share[1:] > 0) & (share[:-1] > 0)
    some = np.flatnonzero(share > 0)
    firsts = some[~np.concatenate([[False], joined])[some]]
    ends = some[~np.concatenate([joined, [False]])[some]]
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


def steps_of_intervals(starts: Sequence[int], ends: Sequence[int]) -> tuple[array[int], array[int]]:
    """Return the times at which the number of open intervals changes, and these numbers."""
    times = np.concatenate([np.asarray(starts, np.int64), np.asarray(ends, np.int64)])
    changes = np.concatenate([np.ones(len(starts), np.int64), -np.ones(len(ends), np.int64)])
    order = np.argsort(times, kind="stable")
    times, levels = times[order], np.cumsum(changes[order])
    last = np.concatenate([times[1:] != times[:-1], [True]])
    found = array("q"), array("q")
    found[0].frombytes(times[last].tobytes())
    found[1].frombytes(levels[last].tobytes())
    return found


def curve_means(
    times: array[int], levels: array[int], before: array[int], viewport: Viewport
) -> list[float]:
    """Return the mean of a step curve in each column of ``viewport``."""
    edges = _column_edges(viewport)
    at, level, sums = _view(times), _view(levels), _view(before)
    step = np.searchsorted(at, edges, side="right") - 1
    known = np.clip(step, 0, len(at) - 1)
    within = np.where(step + 1 < len(at), (edges - at[known]) * level[known], 0)
    spent = np.where(step < 0, 0, sums[known] + within)
    found: list[float] = (np.diff(spent) / viewport.per_column).tolist()
    return found


def later_ends(timeline: Timeline, tasks: Sequence[int]) -> dict[int, int]:
    """Return task -> the last end of an acquisition that ended after its task, if there is one."""
    ids = np.sort(np.asarray(tasks, np.int64))
    ended = np.fromiter((timeline.task_ended[task] for task in ids.tolist()), np.int64, len(ids))
    found: dict[int, int] = {}
    for first in range(0, len(timeline), _AT_ONCE):
        rows = slice(first, first + _AT_ONCE)
        of = _view(timeline.task)[rows]
        place = np.minimum(np.searchsorted(ids, of), len(ids) - 1)
        until = np.maximum(_view(timeline.enter_ended)[rows], _view(timeline.exit_ended)[rows])
        late = (ids[place] == of) & (until > ended[place])
        for task, end in zip(of[late].tolist(), until[late].tolist(), strict=True):
            found[task] = max(end, found.get(task, 0))
    return found


def merge_lives(starts: array[int], ends: array[int], viewport: Viewport) -> list[tuple[int, int]]:
    """Return start and end of lives that follow each other; see ``packed_lane.merge_lives``."""
    since, until = _view(starts), _view(ends)
    apart = (since[1:] - viewport.start) // viewport.per_column > (
        (until[:-1] - viewport.start) // viewport.per_column + 1
    )
    firsts = np.concatenate([[True], apart])
    lasts = np.concatenate([apart, [True]])
    return list(zip(since[firsts].tolist(), until[lasts].tolist(), strict=True))


class Columns:
    """The result of :meth:`Track.runs` per column, from exact times at the column edges."""

    def __init__(self, track: TrackColumns, viewport: Viewport, now: int) -> None:
        track.sum_up()
        starts = _view(track.starts)
        edges = _column_edges(viewport)
        index = starts.searchsorted(edges, side="right") - 1
        begun, known = index >= 0, np.maximum(index, 0)
        rows = _view(track.rows)
        times = _edges(track.timeline, rows[known], track.holds_only, track.groups)
        _, body, exit, ended = times
        spent = np.minimum(np.minimum(edges, now), times[1:])
        spent -= times[:3]
        np.maximum(spent, 0, out=spent)
        for phase, column in zip(spent, track.sums, strict=True):
            phase += _view(column)[known]
        if index[0] < 0:
            spent *= begun
        self.shares: Integers = spent[:, 1:] - spent[:, :-1]
        """Time spent waiting, holding and cleaning up, per column in ns."""
        alive = begun & (edges < now) & (edges < ended)
        phase = np.where(edges < body, 0, np.where(edges < exit, 1, 2))
        until = np.minimum(np.where(edges < body, body, np.where(edges < exit, exit, ended)), now)
        self.left: Truths = alive[:-1]
        begins = begun & (starts[known] == edges)
        self.right: Truths = (alive & ~begins)[1:]
        self.whole: Truths = alive[:-1] & (until[:-1] >= edges[1:])
        """Whether the column is within one phase of one acquisition."""
        last = np.where(self.whole, index[:-1], (index - begins)[1:])
        self.row: Integers = rows[np.maximum(last, 0)]
        """The acquisition that starts last in each column or reaches into it."""
        self.state: Integers = 3 * index[:-1] + phase[:-1]
        """A number for each phase of each acquisition."""

    def bars(self, longer_than: int) -> list[tuple[int, int, int]]:
        """Return column, length and row of phases that fill more than ``longer_than`` columns."""
        return _bars(self.whole, self.state, self.row, longer_than)


class FlatColumns:
    """The columns of several tracks that lie within each other, as in ``FlatTrack.runs``."""

    def __init__(self, layers: Sequence[Columns]) -> None:
        """``layers``: the outermost first, at least one."""
        outer, depths = layers[0], len(layers)
        wait, hold, cleanup = self.shares = outer.shares.copy()
        self.left, self.right, self.row = outer.left, outer.right, outer.row
        self._whole, self._state = outer.whole, outer.state * depths
        for depth, inner in enumerate(layers[1:], 1):
            rest = inner.shares.sum(axis=0)
            busy = rest > 0
            if not busy.any():
                continue
            for phase in (hold, wait, cleanup):
                taken = np.minimum(phase, rest)
                phase -= taken
                rest -= taken
            self.shares += inner.shares
            self.left, self.right = self.left | inner.left, self.right | inner.right
            self.row = np.where(busy, inner.row, self.row)
            self._whole = np.where(busy, inner.whole, self._whole)
            self._state = np.where(busy, inner.state * depths + depth, self._state)

    def bars(self, longer_than: int) -> list[tuple[int, int, int]]:
        """Return column, length and row of phases that fill more than ``longer_than`` columns."""
        return _bars(self._whole, self._state, self.row, longer_than)


class ColumnSums:
    """The time that all tasks spent in each column."""

    def __init__(self, viewport: Viewport, now: int) -> None:
        self._viewport = viewport
        self._now = now
        # Per boundary and column: the number of boundaries in the column, and the sum of the times
        # from each to the end of the column. The last column is for those after the viewport.
        # Boundaries: start, body and end of the outermost; start and body of others.
        self._counts = np.zeros((5, viewport.width + 1), np.int64)
        self._rests = np.zeros((5, viewport.width + 1), np.int64)

    def add(self, timeline: Timeline, first: int, last: int) -> None:
        """Add the rows from ``first`` to before ``last``."""
        depth = np.frombuffer(timeline.depth, timeline.depth.typecode)[first:last]
        entered, body, _, ended = _edges(timeline, first + np.flatnonzero(depth == 0), False)
        for number, times in enumerate((entered, body, ended)):
            self._add(number, times)
        entered, body, _, _ = _edges(timeline, first + np.flatnonzero(depth > 0), False)
        self._add(3, entered)
        self._add(4, body)

    def add_awaits(
        self, waits: WaitColumns, first: int, last: int, without: Collection[int]
    ) -> None:
        """Add waits for other things, without those of some kinds."""
        kind = np.frombuffer(waits.kind, np.uint8)[first:last]
        rows = first + np.flatnonzero(~np.isin(kind, list(map(int, without))))
        ended = _view(waits.ended)[rows]
        self._add(0, _view(waits.started)[rows])
        self._add(1, np.where(ended == NOT_YET, NEVER, ended))

    def _add(self, number: int, times: Integers) -> None:
        viewport = self._viewport
        passed = np.minimum(times, self._now) - viewport.start
        column, within = np.divmod(np.clip(passed, 0, viewport.span), viewport.per_column)
        self._counts[number] += np.bincount(column, minlength=viewport.width + 1)
        np.add.at(self._rests[number], column, viewport.per_column - within)

    @property
    def waits(self) -> list[int]:
        """Time spent waiting for a resource, per column in ns."""
        found: list[int] = (self._between(0, 1) + self._between(3, 4)).tolist()
        return found

    @property
    def holds(self) -> list[int]:
        """Time spent holding or cleaning up without waiting, per column in ns."""
        found: list[int] = np.maximum(0, self._between(1, 2) - self._between(3, 4)).tolist()
        return found

    @property
    def awaits(self) -> list[int]:
        """Time spent in waits for other things, per column in ns."""
        found: list[int] = self._between(0, 1).tolist()
        return found

    def _between(self, begin: int, end: int) -> Integers:
        counts = self._counts[begin] - self._counts[end]
        rests = self._rests[begin] - self._rests[end]
        spent: Integers = (np.cumsum(counts) - counts) * self._viewport.per_column + rests
        return spent[:-1]


def _bars(
    whole: Truths, state: Integers, row: Integers, longer_than: int
) -> list[tuple[int, int, int]]:
    goes_on = whole[1:] & whole[:-1] & (state[1:] == state[:-1])
    firsts = np.flatnonzero(whole & ~np.concatenate([[False], goes_on]))
    lasts = np.flatnonzero(whole & ~np.concatenate([goes_on, [False]]))
    lengths = lasts - firsts + 1
    long = lengths > longer_than
    rows = row[firsts[long]]
    return list(zip(firsts[long].tolist(), lengths[long].tolist(), rows.tolist(), strict=True))


def _view(column: array[int]) -> Integers:
    return np.frombuffer(column, np.int64)


def _edges(
    timeline: Timeline, rows: Integers, holds_only: bool, groups: Set[int] = frozenset()
) -> Integers:
    """Return :meth:`Track.edges` of many rows, as an array with four lines."""
    times = np.empty((4, len(rows)), np.int64)
    for edge, column in zip(
        times,
        (
            timeline.enter_started,
            timeline.enter_ended,
            timeline.exit_started,
            timeline.exit_ended,
        ),
        strict=True,
    ):
        _view(column).take(rows, out=edge, mode="clip")  # the default mode makes a copy
    entered, body, exit, ended = times
    waiting = body == NOT_YET
    if holds_only:
        entered[:] = np.where(waiting, entered, body)
    times[1:][times[1:] == NOT_YET] = NEVER
    got_in = np.frombuffer(timeline.enter_outcome, np.uint8)[rows] == Outcome.OK
    out = waiting | ~got_in
    if out.any():
        times[2:] = np.where(out, body, times[2:])
    if groups:
        exit[:] = np.where(np.isin(_view(timeline.resource)[rows], list(groups)), ended, exit)
    return times


@lru_cache(maxsize=4)
def _column_edges(viewport: Viewport) -> Integers:
    """Return the start of each column, and the end of the last, in ns; all lines share them."""
    edges: Integers = viewport.start + viewport.per_column * np.arange(viewport.width + 1)
    edges.setflags(write=False)
    return edges
