"""Locks that are held while their task waits for something else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from asyncctx_trace.analysis.deadlocks.cycles import cycles_of
from asyncctx_trace.analysis.findings.finding import Finding, times
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.occupancy import wait_of
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.model.durations import format_duration

__all__ = ["HeldAcrossWait"]


class HeldAcrossWait(Finding):
    """While a task waited for one resource, others waited for another one that it held.

    Left out are waits in a deadlock, which is reported itself.
    """

    kind = "held-across-wait"
    severity = "note"

    @classmethod
    def check(cls, snapshot: Snapshot, thresholds: Thresholds) -> Iterator[Finding]:
        """Yield one for each site of the hold and site of the wait, the worst first."""
        timeline = snapshot.timeline
        explained = {
            row for cycle in snapshot.once(cycles_of) for row in (*cycle.waits, *cycle.behind)
        }
        groups: dict[tuple[int, int, int], list[tuple[int, int]]] = defaultdict(list)
        cost: dict[tuple[int, int, int], int] = defaultdict(int)
        for inner, _, around in snapshot.nestings:
            if inner in explained or not snapshot.blocked_time(inner):
                continue
            span = wait_of(timeline, inner, snapshot.now)
            for outer in around:
                held = timeline.resource[outer]
                waited = snapshot.occupancy(held).blocked_between(*span)
                if waited:
                    key = held, timeline.site[outer], timeline.site[inner]
                    groups[key].append((outer, inner))
                    cost[key] += waited
        for key in sorted(groups, key=cost.__getitem__, reverse=True):
            if cost[key] < thresholds.held_across_wait:
                break
            outer, inner = groups[key][0]
            yield cls.of(
                snapshot,
                [row for pair in groups[key] for row in pair],
                f"{snapshot.task_name(timeline.task[outer])} held "
                f"{snapshot.acquisition_label(outer)} while it waited for "
                f"{snapshot.acquisition_label(inner)}, and others waited "
                f"{format_duration(cost[key])} for it meanwhile{times(len(groups[key]))}.",
                at=timeline.enter_started[inner],
                cost=cost[key],
                count=len(groups[key]),
            )
