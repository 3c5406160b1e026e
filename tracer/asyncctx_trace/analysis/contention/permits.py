"""Permits of a semaphore, which have no identity: their holder is not always known."""

from __future__ import annotations

from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline

__all__ = ["handed_over", "is_anonymous"]


_COUNTED = ("semaphore", "signal")


def is_anonymous(timeline: Timeline, row: int) -> bool:
    """Return whether any task may release ``row``: a semaphore's permit, taken by a call.

    Whether its holder releases it is never certain.
    """
    definition = timeline.resources.get(timeline.resource[row])
    return bool(timeline.by_call[row]) and definition is not None and definition.kind in _COUNTED


def handed_over(snapshot: Snapshot) -> dict[int, bool]:
    """Return the semaphores whose permits, taken by calls, were released by other tasks.

    The value says whether that was so every time: then a task that takes one need not release one.
    """
    timeline = snapshot.timeline
    others: dict[int, int] = {}
    for rows in snapshot.ended_for_others.values():
        for row in rows:
            if is_anonymous(timeline, row):
                resource = timeline.resource[row]
                others[resource] = others.get(resource, 0) + 1
    return {
        resource: count
        == sum(
            timeline.by_call[row] and timeline.exit_started[row] != NOT_YET
            for row in timeline.rows_of_resource[resource]
        )
        for resource, count in others.items()
    }
