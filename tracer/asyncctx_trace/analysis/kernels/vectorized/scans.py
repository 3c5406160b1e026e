"""Operations that look at each acquisition once."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise

import numpy as np

from asyncctx_trace.analysis.kernels.columns import Waits, innermost_spans
from asyncctx_trace.analysis.kernels.vectorized.arrays import (
    Integers,
    column,
    runs,
    spans_of,
    view,
    waits_of,
)
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.model.outcomes import Outcome

__all__ = ["cleanup_counts", "parents", "tasks_with_overlaps", "waits"]


def parents(timeline: Timeline) -> array[int]:
    """Return, by row, the row of the enclosing acquisition; -1 if there is none."""
    ids, wanted = view(timeline.id), view(timeline.parent)
    result = np.full(len(ids), -1)
    some = np.flatnonzero(wanted)
    if len(some):
        wanted = wanted[some]
        order = np.argsort(ids, kind="stable")
        # If several rows have one id, the last one counts.
        index = np.searchsorted(ids[order], wanted, side="right") - 1
        rows = order[np.maximum(index, 0)]
        result[some] = np.where(ids[rows] == wanted, rows, -1)
    return column(result)


def tasks_with_overlaps(timeline: Timeline, tasks: Iterable[int]) -> Iterable[int]:
    """Return those of ``tasks`` that entered something before they had exited the one before."""
    rows = np.flatnonzero(view(timeline.enter_outcome) == Outcome.OK)
    exit_tasks = view(timeline.exit_task)[rows]
    order = np.argsort(exit_tasks, kind="stable")
    rows, exit_tasks = rows[order], exit_tasks[order]
    ended, started = view(timeline.exit_ended)[rows[:-1]], view(timeline.enter_started)[rows[1:]]
    overlap = (exit_tasks[1:] == exit_tasks[:-1]) & ((ended == NOT_YET) | (ended > started))
    overlapping = set(exit_tasks[1:][overlap].tolist())
    return filter(overlapping.__contains__, tasks)


def waits(timeline: Timeline, rows: array[int], now: int) -> Waits:
    """Return the waits of ``rows`` by task."""
    starts, ends = waits_of(timeline, view(rows), now)
    ends += view(timeline.enter_ended)[view(rows)] == NOT_YET
    some = np.flatnonzero(starts < ends)
    task = view(timeline.task)[view(rows)[some]]
    order = some[np.lexsort((starts[some], task))]
    task, starts, ends, wait_rows = np.sort(task), starts[order], ends[order], view(rows)[order]
    overlap = (task[1:] == task[:-1]) & (ends[:-1] > starts[1:])
    if overlap.any():
        task, starts, ends, wait_rows = _without_overlaps(
            np.stack([task, starts, ends, wait_rows]), task[1:][overlap]
        )
    begins = runs(task)
    ranges = dict(zip(task[begins].tolist(), pairwise([*begins.tolist(), len(task)]), strict=True))
    return Waits(column(starts), column(ends), column(wait_rows), ranges)


def _without_overlaps(waits: Integers, tasks: Integers) -> Integers:
    """Return ``waits`` with those of ``tasks``, one enter inside another, made disjoint.

    Four rows: task, start, end and row of each wait, in order of tasks and time.
    """
    affected = np.isin(waits[0], tasks)
    disjoint = [
        (int(of_task[0, 0]), *wait)
        for of_task in np.split(waits[:, affected], runs(waits[0, affected])[1:], axis=1)
        for wait in innermost_spans(zip(*of_task[1:].tolist(), strict=True))
    ]
    waits = np.concatenate([waits[:, ~affected], np.array(disjoint).T], axis=1)
    return waits[:, np.lexsort((waits[1], waits[0]))]


def cleanup_counts(
    timeline: Timeline, overlapping: Collection[int], now: int
) -> Iterator[tuple[int, ...]]:
    """Return the fields of a Cleanup for each resource and site, in order of their first row."""
    rows = np.flatnonzero(view(timeline.exit_started) != NOT_YET)
    if not len(rows):
        return
    rows = rows[np.lexsort((view(timeline.site)[rows], view(timeline.resource)[rows]))]
    begins = np.union1d(runs(view(timeline.resource)[rows]), runs(view(timeline.site)[rows]))
    starts, ends = spans_of(timeline.exit_started, timeline.exit_ended, rows, now)
    ends -= starts
    slowest = np.maximum.reduceat(ends, begins)
    del starts, ends  # each is as large as a column of the timeline
    body, exit_ = view(timeline.body_outcome)[rows], view(timeline.exit_outcome)[rows]
    conditions = [
        body == Outcome.ERROR,
        (body == Outcome.CANCELLED) | (body == Outcome.TIMED_OUT),
        (exit_ == Outcome.ERROR) | (exit_ == Outcome.TIMED_OUT),
        exit_ == Outcome.CANCELLED,
        view(timeline.suppressed)[rows] != 0,
        np.isin(rows, np.fromiter(overlapping, np.int64, len(overlapping))),
    ]
    fields = [
        view(timeline.resource)[rows[begins]],
        view(timeline.site)[rows[begins]],
        np.diff(np.append(begins, len(rows))),
        *(np.add.reduceat(condition, begins, dtype=np.int64) for condition in conditions),
        slowest,
    ]
    first = np.argsort(rows[begins])
    yield from zip(*(values[first].tolist() for values in fields), strict=True)
