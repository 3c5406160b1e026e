"""The waits of all tasks, gathered with numpy."""

from __future__ import annotations

from array import array
from itertools import pairwise

import numpy as np

from asyncctx_trace.analysis.timeline import NOT_YET, Timeline
from asyncctx_trace.analysis.vectorised.columns import Integers, column, runs, view, waits_of
from asyncctx_trace.analysis.waits import innermost

__all__ = ["gathered"]


def gathered(
    timeline: Timeline, rows: array[int], now: int
) -> tuple[array[int], array[int], array[int], dict[int, tuple[int, int]]]:
    """Starts, ends and rows in the order of tasks and of time, and the place of each task."""
    starts, ends = waits_of(timeline, view(rows), now)
    ends = ends + (view(timeline.enter_ended)[view(rows)] == NOT_YET)
    some = starts < ends
    waits = np.stack([view(timeline.task)[view(rows)], starts, ends, view(rows)])[:, some]
    waits = _in_order(waits)
    task, starts, ends, _ = waits
    overlap = (task[1:] == task[:-1]) & (ends[:-1] > starts[1:])
    if overlap.any():  # an enter within an enter: such tasks are looked at one by one
        apart = np.isin(task, task[1:][overlap])
        nested = waits[:, apart]
        resolved = [
            (int(each[0, 0]), *wait)
            for each in np.split(nested, runs(nested[0])[1:], axis=1)
            for wait in innermost(zip(*each[1:].tolist(), strict=True))
        ]
        waits = _in_order(np.concatenate([waits[:, ~apart], np.array(resolved).T], axis=1))
    task, starts, ends, of_rows = waits
    begins = runs(task)
    places = pairwise([*begins.tolist(), len(task)])
    return (
        column(starts),
        column(ends),
        column(of_rows),
        dict(zip(task[begins].tolist(), places, strict=True)),
    )


def _in_order(waits: Integers) -> Integers:
    return waits[:, np.lexsort((waits[1], waits[0]))]
