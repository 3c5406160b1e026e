"""Which task held a resource from when to when, gathered with numpy."""

from __future__ import annotations

from array import array

import numpy as np

from asyncctx_trace.analysis.kernels.columns import column, entered, holds_of, view
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline

__all__ = ["parts"]


def parts(
    timeline: Timeline, rows: array[int], now: int
) -> tuple[array[int], array[int], array[int], array[int]]:
    """Starts, ends, tasks and rows of the holds, in order of their starts."""
    inside = entered(timeline, view(rows))
    starts, ends = holds_of(timeline, inside, now)
    tasks, cleaners = view(timeline.task)[inside], view(timeline.exit_task)[inside]
    handed_over = view(timeline.exit_started)[inside]
    other = (cleaners != tasks) & (handed_over != NOT_YET)
    held = np.stack(
        [
            np.concatenate([starts, handed_over[other]]),
            np.concatenate([np.where(other, handed_over, ends), ends[other]]),
            np.concatenate([tasks, cleaners[other]]),
            np.concatenate([inside, inside[other]]),
        ]
    )
    held = held[:, held[0] < held[1]]
    held = held[:, np.lexsort((held[3], held[0]))]
    return column(held[0]), column(held[1]), column(held[2]), column(held[3])
