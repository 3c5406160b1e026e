"""Cleanups counted, and their order checked, with numpy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from asyncctx_trace.analysis.kernels.columns import runs, spans_of, view
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.model.outcomes import Outcome

__all__ = ["counts", "ever_in_two"]


def counts(snapshot: Snapshot, overlapping: set[int]) -> Iterator[tuple[int, ...]]:
    """The fields of a Cleanup for each resource and site, in order of their first acquisition."""
    timeline = snapshot.timeline
    rows = np.flatnonzero(view(timeline.exit_started) != NOT_YET)
    if not len(rows):
        return
    rows = rows[np.lexsort((view(timeline.site)[rows], view(timeline.resource)[rows]))]
    begins = np.union1d(runs(view(timeline.resource)[rows]), runs(view(timeline.site)[rows]))
    starts, ends = spans_of(timeline.exit_started, timeline.exit_ended, rows, snapshot.now)
    ends -= starts
    slowest = np.maximum.reduceat(ends, begins)
    del starts, ends  # each takes as much room as a column of the timeline
    body, exit_ = view(timeline.body_outcome)[rows], view(timeline.exit_outcome)[rows]
    tallies = [
        body == Outcome.ERROR,
        (body == Outcome.CANCELLED) | (body == Outcome.TIMED_OUT),
        (exit_ == Outcome.ERROR) | (exit_ == Outcome.TIMED_OUT),
        exit_ == Outcome.CANCELLED,
        view(timeline.suppressed)[rows] != 0,
        np.isin(rows, np.fromiter(overlapping, np.int64, len(overlapping))),
    ]
    found = [
        view(timeline.resource)[rows[begins]],
        view(timeline.site)[rows[begins]],
        np.diff(np.append(begins, len(rows))),
        *(np.add.reduceat(each, begins, dtype=np.int64) for each in tallies),
        slowest,
    ]
    first = np.argsort(rows[begins])
    yield from zip(*(each[first].tolist() for each in found), strict=True)


def ever_in_two(timeline: Timeline) -> set[int]:
    """The tasks that began with something before they were done with what they had got into."""
    rows = np.flatnonzero(view(timeline.enter_outcome) == Outcome.OK)
    tasks = view(timeline.exit_task)[rows]
    order = np.argsort(tasks, kind="stable")
    rows, tasks = rows[order], tasks[order]
    over, begun = view(timeline.exit_ended)[rows[:-1]], view(timeline.enter_started)[rows[1:]]
    meanwhile = (tasks[1:] == tasks[:-1]) & ((over == NOT_YET) | (over > begun))
    return set(tasks[1:][meanwhile].tolist())
