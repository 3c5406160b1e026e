"""What a critical path needs to know of its tasks."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import count

import numpy as np

from asyncctx_trace.analysis.kernels.path_steps import Segment, Step
from asyncctx_trace.analysis.kernels.vectorized.arrays import (
    Integers,
    bisect,
    column,
    ranges,
    view,
)
from asyncctx_trace.analysis.timeline.phases import NOT_YET, PHASES, Phase
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.outcomes import Outcome

__all__ = ["event_times", "last_event_times", "path_steps"]

_FEW_LEVELS = 16
"""The number of enclosing acquisitions that are looked at one by one."""
_PHASES: tuple[Phase | None, ...] = (None, *PHASES)
"""The phases by the numbers of :func:`_phase_numbers`."""


def event_times(
    timeline: Timeline, rows: Sequence[int], for_others: Sequence[int], now: int
) -> array[int]:
    """Return the times up to ``now`` of the events of one task, in order."""
    own = view(rows)
    exited = own[view(timeline.exit_task)[own] == view(timeline.task)[own]]
    exited = np.concatenate([exited, view(for_others)])
    enters, exits = timeline.times[:2], timeline.times[2:]
    times = np.concatenate(
        [view(times)[own] for times in enters] + [view(times)[exited] for times in exits]
    )
    times = times[(times > NOT_YET) & (times <= now)]
    times.sort()
    return column(times)


def last_event_times(timeline: Timeline) -> dict[int, int]:
    """Return task -> the time of its last event."""
    asked, got_in, left, over = map(view, timeline.times)
    entered, ended = np.maximum(asked, got_in), np.maximum(left, over)
    own = view(timeline.exit_task) == view(timeline.task)
    last = np.where(own, np.maximum(entered, ended), entered)
    result = {task: int(last[view(rows)].max()) for task, rows in timeline.rows_of_task.items()}
    foreign = np.flatnonzero(~own)
    tasks, at = view(timeline.exit_task)[foreign].tolist(), ended[foreign].tolist()
    for task, ended_at in zip(tasks, at, strict=True):
        result[task] = max(result.get(task, NOT_YET), ended_at)
    return result


def path_steps(
    timeline: Timeline,
    parents: array[int],
    segments: Sequence[Segment],
    event_times: Callable[[int], array[int]],
) -> Iterator[Step]:
    """Yield the segments of a path, each cut where the activity of its task changed."""
    # A column is iterated without a list of as many numbers.
    cuts = [column(values) for values in _cut(timeline, parents, segments, event_times)]
    before = -1
    for index, start, end, row, phase in zip(*cuts, strict=True):
        task, _, _, link, by = segments[index]
        if index == before:
            link, by = "same task", None
        before = index
        yield Step(start, end, task, _PHASES[phase], row if row >= 0 else None, link, by)


def _cut(
    timeline: Timeline,
    parents: array[int],
    segments: Sequence[Segment],
    event_times: Callable[[int], array[int]],
) -> tuple[Integers, ...]:
    """Return for each step the index of its segment, start, end, row and number of the phase."""
    tasks, starts, ends = (np.array([segment[field] for segment in segments]) for field in range(3))
    seen = dict.fromkeys(tasks.tolist())
    times, first, last = _chained([event_times(task) for task in seen], [*seen], tasks)
    first, last = bisect(times, starts, first, last), bisect(times, ends - 1, first, last)
    inside = times[ranges(first, np.maximum(first, last))]
    segment = np.repeat(np.arange(len(segments)), np.maximum(0, last - first))
    segment = np.concatenate([np.arange(len(segments)), segment])
    since = np.concatenate([starts, inside])
    order = np.lexsort((since, segment))
    segment, since = segment[order], since[order]

    row, phase = _innermost(timeline, parents, tasks[segment], since)
    kept = np.ones(len(segment), np.bool_)
    kept[1:] = (segment[1:] != segment[:-1]) | (row[1:] != row[:-1]) | (phase[1:] != phase[:-1])
    segment, since = segment[kept], since[kept]
    is_last = np.append(segment[1:] != segment[:-1], True)
    until = np.where(is_last, ends[segment], np.append(since[1:], 0))
    return segment, since, until, row[kept], phase[kept]


def _chained(
    columns: list[array[int]], tasks: list[int], wanted: Integers
) -> tuple[Integers, Integers, Integers]:
    """Return ``columns`` of ``tasks`` in one array, and the bounds of each one ``wanted``."""
    lengths = np.array([len(values) for values in columns])
    ends = np.cumsum(lengths)
    known = np.array(tasks)
    order = np.argsort(known)
    which = order[np.searchsorted(known[order], wanted)]
    last = ends[which]
    chained = np.concatenate([np.zeros(0, np.int64), *map(view, columns)])
    return chained, last - lengths[which], last


def _innermost(
    timeline: Timeline, parents: array[int], tasks: Integers, at: Integers
) -> tuple[Integers, Integers]:
    """Return the row in which each task was at that time, -1 for none, and its phase's number."""
    seen = dict.fromkeys(tasks.tolist())
    nothing = array("q")
    of_tasks = [timeline.rows_of_task.get(task, nothing) for task in seen]
    rows, first, last = _chained(of_tasks, [*seen], tasks)
    last = bisect(view(timeline.enter_started)[rows], at, first, last) - 1
    result = np.full(len(at), -1)
    result[last >= first] = rows[last[last >= first]]
    phase = np.zeros(len(at), np.int64)
    enclosing = view(parents)
    left = np.flatnonzero(result >= 0)
    ancestors: _Ancestors | None = None
    for level in count():
        if level >= _FEW_LEVELS and len(left):
            ancestors = ancestors or _Ancestors(timeline, enclosing)
            result[left] = ancestors.not_ended(result[left], at[left])
            left = left[result[left] >= 0]
        if not len(left):
            return result, phase
        phase[left] = _phase_numbers(timeline, result[left], at[left])
        left = left[phase[left] == 0]
        result[left] = enclosing[result[left]]
        left = left[result[left] >= 0]
    raise AssertionError  # count() has no end


class _Ancestors:
    """Lookups in long chains of enclosing acquisitions, in O(log n) steps (binary lifting)."""

    def __init__(self, timeline: Timeline, enclosing: Integers) -> None:
        outside = len(enclosing)
        up = np.append(np.where(enclosing < 0, outside, enclosing), outside)
        _, got_in, left, over = map(view, timeline.times)
        never = np.iinfo(np.int64).max
        inside = view(timeline.enter_outcome) == Outcome.OK
        last = np.where(inside, np.maximum(got_in, np.maximum(left, over)), got_in)
        lasts = (got_in == NOT_YET) | (inside & ((left == NOT_YET) | (over == NOT_YET)))
        ends = np.append(np.where(lasts, never, last), never)
        self._levels = [(up, ends)]
        """By n: the ancestor ``2**n`` above each row, and the latest end of all below it."""
        while np.any(up != outside):
            up, ends = up[up], np.maximum(ends, ends[up])
            self._levels.append((up, ends))

    def not_ended(self, rows: Integers, at: Integers) -> Integers:
        """Return each row or its first ancestor that had not ended at that time, -1 for none."""
        for up, ends in reversed(self._levels):
            rows = np.where(ends[rows] <= at, up[rows], rows)
        return np.where(rows == len(self._levels[0][0]) - 1, -1, rows)


def _phase_numbers(timeline: Timeline, rows: Integers, at: Integers) -> Integers:
    """Return the phases, as ``Timeline.phase_at`` does, as numbers: 1 to 3, and 0 for none."""
    asked, got_in, left, over = (view(times)[rows] for times in timeline.times)
    inside = view(timeline.enter_outcome)[rows] == Outcome.OK
    phase = np.where((over == NOT_YET) | (at < over), 3, 0)
    phase = np.where((left == NOT_YET) | (at < left), 2, phase)
    phase = np.where(inside, phase, 0)
    phase = np.where((got_in == NOT_YET) | (at < got_in), 1, phase)
    numbers: Integers = np.where(at < asked, 0, phase)
    return numbers
