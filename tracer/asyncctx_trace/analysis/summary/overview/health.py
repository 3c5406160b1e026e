"""How the program is, in numbers, and the resources that it uses most."""

from __future__ import annotations

from heapq import nlargest

from asyncctx_trace.analysis.contention.costs import ResourceUse
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.overview import histories
from asyncctx_trace.analysis.summary.overview.culprits import group_label
from asyncctx_trace.analysis.summary.overview.model import Health, Item
from asyncctx_trace.analysis.summary.report import Report
from asyncctx_trace.analysis.summary.resource_groups import ResourceGroup
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.model.command_line import program_processes
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.text import count, percent

__all__ = ["busiest", "health"]

_BUSY = 5
"""The number of resources that are shown."""


def health(report: Report) -> Health:
    """Return the numbers of the whole recording, up to an interruption."""
    snapshot = report.snapshot
    timeline = snapshot.timeline
    outcomes = [cause.first.outcome for cause in report.root_causes]
    stalls = [stall for line in report.stalls for stall in line.stalls]
    watched = bool(stalls or len(timeline.waits))
    return Health(
        tasks=len(timeline.rows_of_task.keys() | timeline.waits.rows_of_task.keys()),
        processes=len(program_processes(timeline.processes.values())),
        acquisitions=len(timeline),
        waits=len(timeline.waits),
        waiting=sum(timeline.enter_ended[row] == NOT_YET for row in timeline.in_flight),
        errors=outcomes.count(Outcome.ERROR),
        timeouts=outcomes.count(Outcome.TIMED_OUT),
        cancellations=outcomes.count(Outcome.CANCELLED),
        stalls=len(stalls) if watched else None,
        stalled=sum(stall.length for stall in stalls),
        longest_stall=max((stall.length for stall in stalls), default=0),
        lost=tuple(f"{what}: {why}" for what, why in report.losses),
    )


def busiest(report: Report) -> list[Item]:
    """Return the resources that tasks held most, for those that have a limit."""
    used = [(group, use) for group, use in report.grouped_uses if use.contends and use.hold.total]
    most = nlargest(_BUSY, used, key=lambda each: _share(report.snapshot, each[1]))
    return [_item(report.snapshot, group, use) for group, use in most]


def _share(snapshot: Snapshot, use: ResourceUse) -> float:
    """Return how much of the time it was held; by several holders, the sum of theirs."""
    held = use.hold.total + use.cleanup.total
    return held / max(1, snapshot.now - snapshot.start) / (use.capacity or 1)


def _item(snapshot: Snapshot, group: ResourceGroup, use: ResourceUse) -> Item:
    size = f" of {use.capacity}" if use.capacity is not None and use.kind != "lock" else ""
    label = group_label(snapshot, group)
    used = percent(_share(snapshot, use) / len(group))
    longest = (
        f"; {count(use.contended, 'acquisition')} waited, at most {format_duration(use.wait.max)}"
        if use.contended
        else "; no task waited for it"
    )
    times = "once" if use.acquisitions == 1 else f"{use.acquisitions:,} times"
    at = use.most_waiters_at
    first = snapshot.timeline.rows_of_resource[use.resource][0]
    return Item(
        kind="resource",
        severity="note",
        title=f"{label} in use {used} of the time",
        sentence=(
            f"{label} ({use.kind}{size}) was acquired {times} and in use "
            f"{used} of the time{longest}"
        ),
        cost=use.wait.total if use.contended else 0,
        history=histories.holding(snapshot, group.resources),
        history_of="holding",
        at=snapshot.timeline.enter_started[first] if at is None else at,
        resource=use.resource,
    )
