"""What a critical path looks up of its tasks, gathered with numpy."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from asyncctx_trace.analysis.contention.critical_path import Piece, Step
from asyncctx_trace.analysis.kernels.columns import Integers, bisect, column, ranges, view
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET, Phase, Timeline
from asyncctx_trace.model.outcomes import Outcome

__all__ = ["facts_of", "last_facts", "steps"]

_PHASES: tuple[Phase | None, ...] = (None, "enter", "body", "exit")


def facts_of(
    timeline: Timeline, rows: Sequence[int], for_others: Sequence[int], now: int
) -> array[int]:
    """When the task of ``rows`` did something up to ``now``, in order; it ended ``for_others``."""
    own = view(rows)
    ended = own[view(timeline.exit_task)[own] == view(timeline.task)[own]]
    ended = np.concatenate([ended, view(for_others)])
    begun, over = timeline.times[:2], timeline.times[2:]
    times = np.concatenate(
        [view(each)[own] for each in begun] + [view(each)[ended] for each in over]
    )
    times = times[(times > NOT_YET) & (times <= now)]
    times.sort()
    return column(times)


def last_facts(timeline: Timeline) -> dict[int, int]:
    """Task -> its last fact."""
    asked, got_in, left, over = map(view, timeline.times)
    entered, ended = np.maximum(asked, got_in), np.maximum(left, over)
    own = view(timeline.exit_task) == view(timeline.task)
    last = np.where(own, np.maximum(entered, ended), entered)
    found = {task: int(last[view(rows)].max()) for task, rows in timeline.rows_of_task.items()}
    foreign = np.flatnonzero(~own)
    tasks, at = view(timeline.exit_task)[foreign].tolist(), ended[foreign].tolist()
    for task, ended_at in zip(tasks, at, strict=True):
        found[task] = max(found.get(task, NOT_YET), ended_at)
    return found


def steps(
    snapshot: Snapshot, pieces: Sequence[Piece], facts: Callable[[int], array[int]]
) -> Iterator[Step]:
    """The pieces of a path, each cut wherever what its task did changed.

    ``facts`` of a task: when it did something, in order.
    """
    # Columns are gone through without a list of as many numbers.
    cuts = [column(each) for each in _cut(snapshot, pieces, facts)]
    before = -1
    for index, start, end, row, phase in zip(*cuts, strict=True):
        task, _, _, link, by = pieces[index]
        if index == before:
            link, by = "same task", None
        before = index
        yield Step(start, end, task, _PHASES[phase], row if row >= 0 else None, link, by)


def _cut(
    snapshot: Snapshot, pieces: Sequence[Piece], facts: Callable[[int], array[int]]
) -> tuple[Integers, ...]:
    """Of each step: the piece that it is of, from when to when, the row, and the phase."""
    tasks, starts, ends = (np.array([each[at] for each in pieces]) for at in range(3))
    seen = dict.fromkeys(tasks.tolist())
    times, first, last = _chained([facts(task) for task in seen], [*seen], tasks)
    first, last = bisect(times, starts, first, last), bisect(times, ends - 1, first, last)
    inside = times[ranges(first, np.maximum(first, last))]
    piece = np.repeat(np.arange(len(pieces)), np.maximum(0, last - first))
    piece = np.concatenate([np.arange(len(pieces)), piece])
    since = np.concatenate([starts, inside])
    order = np.lexsort((since, piece))
    piece, since = piece[order], since[order]

    row, phase = _innermost(snapshot, tasks[piece], since)
    kept = np.ones(len(piece), np.bool_)
    kept[1:] = (piece[1:] != piece[:-1]) | (row[1:] != row[:-1]) | (phase[1:] != phase[:-1])
    piece, since = piece[kept], since[kept]
    ends_it = np.append(piece[1:] != piece[:-1], True)
    until = np.where(ends_it, ends[piece], np.append(since[1:], 0))
    return piece, since, until, row[kept], phase[kept]


def _chained(
    columns: list[array[int]], tasks: list[int], wanted: Integers
) -> tuple[Integers, Integers, Integers]:
    """``columns`` of ``tasks`` one behind the other, and from where to where each wanted one is."""
    ends = np.cumsum([len(each) for each in columns])
    known = np.array(tasks)
    order = np.argsort(known)
    which = order[np.searchsorted(known[order], wanted)]
    last = ends[which]
    chained = np.concatenate([np.zeros(0, np.int64), *map(view, columns)])
    return chained, last - np.array([len(each) for each in columns])[which], last


def _innermost(snapshot: Snapshot, tasks: Integers, at: Integers) -> tuple[Integers, Integers]:
    """In which row each task was at that time, -1 for none, and in which phase of it."""
    timeline = snapshot.timeline
    seen = dict.fromkeys(tasks.tolist())
    nothing = array("q")
    of_tasks = [timeline.rows_of_task.get(task, nothing) for task in seen]
    rows, first, last = _chained(of_tasks, [*seen], tasks)
    last = bisect(view(timeline.enter_started)[rows], at, first, last) - 1
    found = np.full(len(at), -1)
    found[last >= first] = rows[last[last >= first]]
    phase = np.zeros(len(at), np.int64)
    parents = view(snapshot.parents)
    open_ = np.flatnonzero(found >= 0)
    while len(open_):
        phase[open_] = _phase(timeline, found[open_], at[open_])
        open_ = open_[phase[open_] == 0]
        found[open_] = parents[found[open_]]
        open_ = open_[found[open_] >= 0]
    return found, phase


def _phase(timeline: Timeline, rows: Integers, at: Integers) -> Integers:
    """As ``Timeline.phase_at``: 1 to 3, and 0 for none."""
    asked, got_in, left, over = (view(each)[rows] for each in timeline.times)
    inside = view(timeline.enter_outcome)[rows] == Outcome.OK
    phase = np.where((over == NOT_YET) | (at < over), 3, 0)
    phase = np.where((left == NOT_YET) | (at < left), 2, phase)
    phase = np.where(inside, phase, 0)
    phase = np.where((got_in == NOT_YET) | (at < got_in), 1, phase)
    found: Integers = np.where(at < asked, 0, phase)
    return found
