"""Whose a semaphore's permits are: they have no identity, so a release by call ends a guess."""

from __future__ import annotations

from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline

__all__ = ["handed_over", "is_anonymous"]


_COUNTED = ("semaphore", "signal")


def is_anonymous(timeline: Timeline, row: int) -> bool:
    """Whether any task may end the acquisition in ``row``: a semaphore's permit, taken by a call.

    Nothing that rests on its holder giving it back, or not, is certain.
    """
    known = timeline.resources.get(timeline.resource[row])
    return bool(timeline.by_call[row]) and known is not None and known.kind in _COUNTED


def handed_over(snapshot: Snapshot) -> dict[int, bool]:
    """The semaphores whose permits, taken by calls, other tasks gave back.

    The value says whether it was so each time: whoever takes one need not give one back then.
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
