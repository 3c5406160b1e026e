"""The waits of all tasks, gathered with numpy."""

from __future__ import annotations

from array import array
from itertools import pairwise

import numpy as np

from asyncctx_trace.analysis.contention.waits import innermost
from asyncctx_trace.analysis.kernels.columns import Integers, column, runs, view, waits_of
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline

__all__ = ["gathered"]


def gathered(
    timeline: Timeline, rows: array[int], now: int
) -> tuple[array[int], array[int], array[int], dict[int, tuple[int, int]]]:
    """Starts, ends and rows in the order of tasks and of time, and the place of each task."""
    starts, ends = waits_of(timeline, view(rows), now)
    ends += view(timeline.enter_ended)[view(rows)] == NOT_YET
    some = np.flatnonzero(starts < ends)
    task = view(timeline.task)[view(rows)[some]]
    order = some[np.lexsort((starts[some], task))]
    task, starts, ends, of_rows = np.sort(task), starts[order], ends[order], view(rows)[order]
    overlap = (task[1:] == task[:-1]) & (ends[:-1] > starts[1:])
    if overlap.any():
        task, starts, ends, of_rows = _apart(task, starts, ends, of_rows, task[1:][overlap])
    begins = runs(task)
    places = pairwise([*begins.tolist(), len(task)])
    return (
        column(starts),
        column(ends),
        column(of_rows),
        dict(zip(task[begins].tolist(), places, strict=True)),
    )


def _apart(
    task: Integers, starts: Integers, ends: Integers, of_rows: Integers, nested: Integers
) -> Integers:
    """The same of which the tasks ``nested``, with an enter within an enter, are resolved."""
    waits = np.stack([task, starts, ends, of_rows])
    looked_at = np.isin(task, nested)
    resolved = [
        (int(each[0, 0]), *wait)
        for each in np.split(waits[:, looked_at], runs(task[looked_at])[1:], axis=1)
        for wait in innermost(zip(*each[1:].tolist(), strict=True))
    ]
    waits = np.concatenate([waits[:, ~looked_at], np.array(resolved).T], axis=1)
    return waits[:, np.lexsort((waits[1], waits[0]))]
