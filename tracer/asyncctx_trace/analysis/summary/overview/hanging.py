"""What hangs at this moment, while the program runs."""

from __future__ import annotations

from asyncctx_trace.analysis.deadlocks.cycles import MIN_AGE, deadlocks_at
from asyncctx_trace.analysis.deadlocks.description import describe_cycle
from asyncctx_trace.analysis.deadlocks.stuck_groups import describe_stuck, groups_beyond
from asyncctx_trace.analysis.occupancy import contends
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.last_moment import PendingWait, pending_waits
from asyncctx_trace.analysis.summary.overview import histories
from asyncctx_trace.analysis.summary.overview.model import Item
from asyncctx_trace.analysis.summary.overview.remedies import REMEDIES
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.text import count

__all__ = ["hanging"]

_WAITS = 3
"""The number of waits that are shown."""
_LEAST = 100_000_000
"""The length from which a wait is shown, in ns."""


def hanging(snapshot: Snapshot) -> list[Item]:
    """Return deadlocks, then the longest waits for resources at ``snapshot.now``."""
    items, stuck = _deadlocks(snapshot)
    timeline = snapshot.timeline
    waits = [
        wait
        for wait in pending_waits(snapshot)
        if wait.phase == "enter"
        and snapshot.now - wait.since >= _LEAST
        and stuck.isdisjoint(timeline.task[row] for row in wait.rows)
        and contends(timeline.resources.get(timeline.resource[wait.rows[0]]))
    ]
    waits.sort(key=lambda wait: sum(snapshot.wait_length(row) for row in wait.rows), reverse=True)
    return items + [_wait(snapshot, wait) for wait in waits[:_WAITS]]


def _deadlocks(snapshot: Snapshot) -> tuple[list[Item], set[int]]:
    """Return the deadlocks, and the tasks in them."""
    timeline = snapshot.timeline
    cycles = deadlocks_at(timeline, snapshot.now)
    items = [
        _deadlock(
            snapshot,
            describe_cycle(snapshot, cycle),
            kind="deadlock",
            certain=cycle.certain,
            since=cycle.since,
            row=cycle.waits[0],
            tasks=len(cycle.waits),
        )
        for cycle in cycles
    ]
    stuck = {timeline.task[row] for cycle in cycles for row in (*cycle.waits, *cycle.behind)}
    for group in groups_beyond(snapshot, stuck):
        if snapshot.now - group.since < MIN_AGE:
            continue
        rows = [member.row for member in group.members if member.row is not None]
        kind = "deadlock" if group.holds or not group.quiescent else "still-waiting"
        items.append(
            _deadlock(
                snapshot,
                describe_stuck(snapshot, group),
                kind=kind,
                certain=group.certain,
                since=group.since,
                row=next(iter((*rows, *group.holds)), None),
                tasks=len(group.members),
            )
        )
        stuck.update(member.task for member in group.members)
    return items, stuck


def _deadlock(
    snapshot: Snapshot,
    sentence: str,
    *,
    kind: str,
    certain: bool,
    since: int,
    row: int | None,
    tasks: int,
) -> Item:
    timeline = snapshot.timeline
    return Item(
        kind=kind,
        severity="error",
        certain=certain,
        title=f"{'' if certain else 'possible '}{kind} of {count(tasks, 'task')}",
        sentence=sentence,
        cost=tasks * (snapshot.now - since),
        at=snapshot.now,
        remedy=REMEDIES[kind],
        row=row,
        resource=None if row is None else timeline.resource[row],
        site=None if row is None else timeline.site[row],
    )


def _wait(snapshot: Snapshot, wait: PendingWait) -> Item:
    timeline, now = snapshot.timeline, snapshot.now
    first = wait.rows[0]
    tasks = list(dict.fromkeys(timeline.task[row] for row in wait.rows))
    many = len(tasks) > 1
    sentence = (
        f"{snapshot.task_names(tasks, most=2)} {'wait' if many else 'waits'} for "
        f"{snapshot.acquisition_label(first)}, {'the first ' if many else ''}for "
        f"{format_duration(now - wait.since)}"
    )
    remedy = "No task holds it: what it opens or waits for itself takes that long."
    if wait.holders:
        hold = wait.holders[0]
        held = format_duration(now - timeline.enter_ended[hold])
        others = f" and {len(wait.holders) - 1} more" if len(wait.holders) > 1 else ""
        sentence += f", held by {snapshot.task_name(snapshot.holder(hold, now))}{others} for {held}"
        remedy = (
            f"Look at the holder: it acquired it at {snapshot.site_label(timeline.site[hold])}."
        )
    resource = timeline.resource[first]
    return Item(
        kind="wait",
        severity="warning",
        title=f"{count(len(tasks), 'task')} waiting for {snapshot.acquisition_label(first)}",
        sentence=sentence,
        cost=sum(snapshot.wait_length(row) for row in wait.rows),
        history=histories.waiting(snapshot, [resource]),
        history_of="waiting",
        at=now,
        remedy=remedy,
        row=wait.holders[0] if wait.holders else first,
        resource=resource,
        site=timeline.site[first],
    )
