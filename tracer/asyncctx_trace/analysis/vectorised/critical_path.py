"""What a critical path looks up of each task, gathered with numpy."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np

from asyncctx_trace.analysis.timeline import NOT_YET, Timeline
from asyncctx_trace.analysis.vectorised.columns import column, view

__all__ = ["facts_of", "last_facts"]


def facts_of(timeline: Timeline, rows: Sequence[int], now: int) -> array[int]:
    """When something happened in ``rows`` up to ``now``, in order."""
    times = np.concatenate([view(each)[view(rows)] for each in timeline.times])
    times = times[(times > NOT_YET) & (times <= now)]
    times.sort()
    return column(times)


def last_facts(timeline: Timeline) -> dict[int, int]:
    """Task -> its last fact."""
    first, *others = map(view, timeline.times)
    last = first.copy()
    for each in others:
        np.maximum(last, each, out=last)
    return {task: int(last[view(rows)].max()) for task, rows in timeline.rows_of_task.items()}
