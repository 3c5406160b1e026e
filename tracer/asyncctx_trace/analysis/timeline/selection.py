"""Read the part of a recording between two times."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from asyncctx_trace.analysis.numpy_choice import has_numpy
from asyncctx_trace.analysis.timeline import event_selection
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.events import Event
from asyncctx_trace.recording.reading.batch import Batch

__all__ = ["EventBatch", "between"]

EventBatch: TypeAlias = Batch | list[Event]
"""Events that have been read together."""


def between(
    batches: Iterable[EventBatch],
    since: int | None,
    until: int | None,
    *,
    since_at: int | None = None,
    until_at: int | None = None,
) -> tuple[Timeline, bool]:
    """Return what was going on between ``since`` and ``until``, and whether there is more after it.

    Both are ns from the first event; ``since_at`` and ``until_at`` are monotonic times instead.
    Acquisitions that ended before are left out; those that were open at ``until`` stay open.
    """
    left = deque(batches)
    select: Callable[[Any, int | None, Any], EventBatch] = event_selection.select
    event_times: Callable[[Any], list[int]] = event_selection.event_times
    ended_before: Callable[[Any, int, int | None], Any] = event_selection.ended_before
    if has_numpy() and all(isinstance(batch, Batch) for batch in left):
        from asyncctx_trace.analysis.timeline import numpy_selection  # numpy is slow to import

        select, event_times = numpy_selection.select, numpy_selection.event_times
        ended_before = numpy_selection.ended_before
    times = [at for batch in left for at in event_times(batch)]
    start, end = min(times, default=0), max(times, default=0)
    last = until_at if until is None else start + until
    first = since_at if since is None else start + since
    ended = set() if first is None else ended_before(left, first, last)
    timeline = Timeline()
    while left:  # the memory of each batch is freed as soon as the timeline contains it
        batch = left.popleft()
        if isinstance(batch, Batch):
            timeline.weights.update(batch.weights)
        timeline.extend(select(batch, last, ended))
    return timeline, last is not None and last < end
