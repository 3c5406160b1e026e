"""Deadlocks in words."""

from __future__ import annotations

from asyncctx_trace.analysis.deadlocks.cycles import DeadlockCycle
from asyncctx_trace.analysis.snapshot import Snapshot

__all__ = ["describe_cycle"]

_NAMED = 4
"""The number of members that are named."""


def describe_cycle(snapshot: Snapshot, cycle: DeadlockCycle) -> str:
    """Return a sentence that says who waits for what, and who holds it, around ``cycle``.

    Of many members, the first four are named.
    """
    timeline = snapshot.timeline
    first = cycle.waits[0]
    holds = {timeline.resource[row]: row for row in cycle.holds}
    if len(cycle.waits) == 1 and len(cycle.holds) == 1:
        return (
            f"{snapshot.task_name(timeline.task[first])} waits for "
            f"{snapshot.acquisition_label(first)} which it holds itself since "
            f"{snapshot.site_label(timeline.site[cycle.holds[0]])}"
        )
    parts = []
    for row in cycle.waits[:_NAMED]:
        if timeline.is_group(timeline.resource[row]):
            task = snapshot.task_name(timeline.task[row])
            parts.append(
                f"{task} leaves {snapshot.acquisition_label(row)} and waits for the tasks in it"
            )
            continue
        resource = timeline.resource[row]
        keepers = [hold for hold in cycle.holds if timeline.resource[hold] == resource]
        holders = list(dict.fromkeys(snapshot.holder(hold, cycle.since) for hold in keepers))
        parts.append(
            f"{snapshot.task_name(timeline.task[row])} waits for "
            f"{snapshot.acquisition_label(row)} held by "
            f"{snapshot.task_names(holders)} (taken at "
            f"{snapshot.site_label(timeline.site[holds[resource]])})"
        )
    left = len(cycle.waits) - len(parts)
    return "; ".join(parts) + (f"; and {left} more" if left else "")
