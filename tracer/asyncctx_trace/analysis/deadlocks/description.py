"""Deadlocks in words."""

from __future__ import annotations

from asyncctx_trace.analysis.deadlocks.cycles import DeadlockCycle, is_group
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
            f"{snapshot.task(timeline.task[first])} waits for {snapshot.where(first)} which it "
            "holds "
            f"itself since {snapshot.place(timeline.site[cycle.holds[0]])}"
        )
    parts = []
    for row in cycle.waits[:_NAMED]:
        if is_group(timeline, row):
            task = snapshot.task(timeline.task[row])
            parts.append(f"{task} leaves {snapshot.where(row)} and waits for the tasks in it")
            continue
        resource = timeline.resource[row]
        keepers = [hold for hold in cycle.holds if timeline.resource[hold] == resource]
        holders = list(dict.fromkeys(snapshot.holder(hold, cycle.since) for hold in keepers))
        parts.append(
            f"{snapshot.task(timeline.task[row])} waits for {snapshot.where(row)} held by "
            f"{snapshot.tasks(holders)} (taken at {snapshot.place(timeline.site[holds[resource]])})"
        )
    left = len(cycle.waits) - len(parts)
    return "; ".join(parts) + (f"; and {left} more" if left else "")
