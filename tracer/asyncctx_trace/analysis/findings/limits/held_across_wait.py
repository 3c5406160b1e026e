"""Locks that are held while their task waits for something else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from operator import attrgetter

from asyncctx_trace.analysis.contention.task_waits import TaskWait, TaskWaits
from asyncctx_trace.analysis.deadlocks.cycles import cycles_of
from asyncctx_trace.analysis.deadlocks.stuck_groups import stuck_groups
from asyncctx_trace.analysis.findings.finding import Finding, times
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.wait_subjects import describe_subject
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.waits import WaitKind

__all__ = ["HeldAcrossWait"]

_FOR_TASKS = frozenset(
    {
        WaitKind.QUEUE_GET,
        WaitKind.QUEUE_PUT,
        WaitKind.QUEUE_JOIN,
        WaitKind.EVENT,
        WaitKind.CONDITION,
        WaitKind.BARRIER,
        WaitKind.RECEIVE,
        WaitKind.SEND,
    }
)
"""Waits for what other tasks do. A semaphore or a pool that lets in several tasks bounds work, and
work is to sleep, to read and to await tasks; a lock is to protect what takes no time."""


class HeldAcrossWait(Finding):
    """While a task waited, others waited for a resource that it held.

    Left out are waits in a deadlock, which is reported itself, and those of the first task that
    acquired a lock if no later one waited there: it set something up for all.
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
        kernels = snapshot.kernels.for_rows(snapshot.nestings.inner)
        groups = kernels.held_waits(snapshot, snapshot.nestings, explained, snapshot.now)
        for found in sorted(groups.values(), key=attrgetter("cost"), reverse=True):
            if found.cost < thresholds.held_across_wait:
                break
            outer, inner = found.pairs[0]
            yield cls.of(
                snapshot,
                [row for pair in found.pairs for row in pair],
                f"{snapshot.task_name(timeline.task[outer])} held "
                f"{snapshot.acquisition_label(outer)} while it waited for "
                f"{snapshot.acquisition_label(inner)}, and others waited "
                f"{format_duration(found.cost)} for it meanwhile{times(found.count)}.",
                at=timeline.enter_started[inner],
                cost=found.cost,
                count=found.count,
            )
        yield from cls._across_other_waits(snapshot, thresholds)

    @classmethod
    def _across_other_waits(cls, snapshot: Snapshot, thresholds: Thresholds) -> Iterator[Finding]:
        timeline, waits = snapshot.timeline, snapshot.once(TaskWaits)
        stuck = {each.task for group in snapshot.once(stuck_groups) for each in group.members}
        groups: dict[tuple[int, int, int], list[tuple[int, TaskWait]]] = defaultdict(list)
        cost: dict[tuple[int, int, int], int] = defaultdict(int)
        for hold, wait in waits.while_holding:
            if wait.end >= snapshot.now and timeline.task[hold] in stuck:
                continue
            resource = timeline.resource[hold]
            if _bounds_work(snapshot, resource) and not _is_for_tasks(snapshot, wait):
                continue
            until = min(wait.end, snapshot.now)
            waited = snapshot.occupancy(resource).blocked_between(wait.start, until)
            if waited:
                key = resource, timeline.site[hold], waits.site(wait)
                groups[key].append((hold, wait))
                cost[key] += waited
        for key in sorted(groups, key=cost.__getitem__, reverse=True):
            if cost[key] < thresholds.held_across_wait:
                break
            hold, wait = groups[key][0]
            if len(groups[key]) == 1 and _sets_up(snapshot, hold):
                continue
            yield cls.of(
                snapshot,
                [hold for hold, _ in groups[key]],
                f"{snapshot.task_name(snapshot.holder(hold, wait.start))} held "
                f"{snapshot.acquisition_label(hold)} while it waited for "
                f"{_subject(snapshot, wait)} at {snapshot.site_label(key[2])}, and others waited "
                f"{format_duration(cost[key])} for it meanwhile{times(len(groups[key]))}.",
                at=wait.start,
                cost=cost[key],
                count=len(groups[key]),
                sites=[key[2]],
            )


def _bounds_work(snapshot: Snapshot, resource: int) -> bool:
    """Return whether several tasks may hold ``resource`` at once, as far as that is known."""
    definition = snapshot.timeline.resources.get(resource)
    if definition is None or definition.capacity is None:
        return definition is None or definition.kind not in ("condition", "lock")
    return definition.capacity > 1


def _is_for_tasks(snapshot: Snapshot, wait: TaskWait) -> bool:
    return wait.what == "wait" and snapshot.timeline.waits.kind[wait.row] in _FOR_TASKS


def _sets_up(snapshot: Snapshot, hold: int) -> bool:
    """Return whether ``hold`` was the first at its site, but not the last."""
    timeline = snapshot.timeline
    there = [
        row
        for row in timeline.rows_of_resource[timeline.resource[hold]]
        if timeline.site[row] == timeline.site[hold] and timeline.entered(row)
    ]
    return hold == there[0] and len(there) > 1


def _subject(snapshot: Snapshot, wait: TaskWait) -> str:
    if wait.what == "wait":
        return describe_subject(snapshot.timeline, wait.row)
    name = snapshot.resource_name(snapshot.timeline.resource[wait.row])
    return f"the tasks in `{name}`"
