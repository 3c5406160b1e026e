"""Deadlocks through awaited tasks that a cancellation or a deadline has ended."""

from __future__ import annotations

from collections.abc import Iterator

from asyncctx_trace.analysis.deadlocks.blocked_tasks import BlockedTask
from asyncctx_trace.analysis.deadlocks.components import components
from asyncctx_trace.analysis.deadlocks.cycles import MIN_AGE
from asyncctx_trace.analysis.deadlocks.stuck_groups import StuckGroup, group_of
from asyncctx_trace.analysis.occupancy import contends, limit_of
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.row_lookup import rows_with
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.waits import WaitKind

__all__ = ["broken_groups"]

_ALL_OF = frozenset({WaitKind.TASK, WaitKind.TASKS})


def broken_groups(snapshot: Snapshot) -> list[StuckGroup]:
    """Return the cycles with awaited tasks that ended with the cancellation of a member.

    They are looked at right before that. Left out are those younger than a tenth of a second, or in
    a loop that stood still, in which a cancelled task may not have run yet; and those in which a
    task got later what it waited for: somebody gave up as planned.
    """
    found: dict[frozenset[tuple[int, int]], StuckGroup] = {}
    if not len(snapshot.timeline.waits):
        return []
    for at, task in sorted(_cancellations(snapshot)):
        members = _cycle(snapshot, task, at)
        if all(each.wait is None for each in members):
            continue
        since = max(each.since for each in members)
        key = frozenset((each.task, each.since) for each in members)
        if (
            at - since >= MIN_AGE
            and key not in found
            and not _stood_still(snapshot, since, at)
            and not _got_it_later(snapshot, members)
        ):
            found[key] = group_of(snapshot, members, quiescent=False, until=at)
    return list(found.values())


def _cancellations(snapshot: Snapshot) -> Iterator[tuple[int, int]]:
    """Yield the time right before the cancellation of each wait that had lasted, and its task."""
    timeline, waits = snapshot.timeline, snapshot.timeline.waits
    for row, (kind, outcome) in enumerate(zip(waits.kind, waits.outcome, strict=True)):
        if outcome == Outcome.CANCELLED and kind in _ALL_OF:
            at = waits.ended[row] - 1
            if at - waits.started[row] >= MIN_AGE and at <= snapshot.now:
                yield at, waits.task[row]
    for row in rows_with(timeline.enter_outcome, Outcome.CANCELLED, Outcome.TIMED_OUT):
        at = timeline.enter_ended[row] - 1
        if at - timeline.enter_started[row] >= MIN_AGE and at <= snapshot.now:
            yield at, timeline.task[row]


def _stood_still(snapshot: Snapshot, since: int, at: int) -> bool:
    timeline = snapshot.timeline
    return any(
        stall.since <= at
        and (
            stall.stall not in timeline.stalls_ended
            or timeline.stalls_ended[stall.stall].at > since
        )
        for stall in timeline.stalls.values()
    )


def _cycle(snapshot: Snapshot, task: int, at: int) -> list[BlockedTask]:
    """Return ``task`` and those it waits with for each other at ``at``; [] if it can go on."""
    blocked: dict[int, BlockedTask | None] = {}
    todo = [task]
    while todo:
        each = todo.pop()
        if each not in blocked:
            found = blocked[each] = _blocked(snapshot, each, at)
            todo.extend(() if found is None else found.on)
    stuck = {each: found for each, found in blocked.items() if found is not None}
    while free := [each for each, found in stuck.items() if _can_go_on(found, stuck)]:
        for each in free:
            del stuck[each]
    if task not in stuck:
        return []
    edges = {each: [other for other in found.on if other in stuck] for each, found in stuck.items()}
    component = next(each for each in components(edges) if task in each)
    if len(component) == 1 and task not in edges[task]:
        return []
    return [stuck[each] for each in component]


def _can_go_on(blocked: BlockedTask, stuck: dict[int, BlockedTask]) -> bool:
    stuck_ones = sum(task in stuck for task in blocked.on)
    return stuck_ones < len(blocked.on) if blocked.needs == "one" else not stuck_ones


def _blocked(snapshot: Snapshot, task: int, at: int) -> BlockedTask | None:
    timeline = snapshot.timeline
    row = snapshot.waiting_at(task, at)
    if row is not None:
        definition = timeline.resources.get(timeline.resource[row])
        held = snapshot.holders(timeline.resource[row], at)
        if not contends(definition) or len(held) < limit_of(definition):
            return None
        return BlockedTask(
            task=task,
            since=timeline.enter_started[row],
            site=timeline.site[row],
            row=row,
            wait=None,
            on=tuple(dict.fromkeys(snapshot.holder(hold, at) for hold in held)),
            holds=tuple(held),
            needs="one",
        )
    wait = timeline.waits.at(task, at)
    if wait is None or timeline.waits.kind[wait] not in _ALL_OF:
        return None
    never = at + 1
    awaited = [
        other
        for other in timeline.waits.tasks_awaited(wait)
        if timeline.task_ended.get(other, never) > at
    ]
    return BlockedTask(
        task=task,
        since=timeline.waits.started[wait],
        site=timeline.waits.site[wait],
        row=None,
        wait=wait,
        on=tuple(awaited),
        holds=(),
        needs="all",
    )


def _got_it_later(snapshot: Snapshot, members: list[BlockedTask]) -> bool:
    timeline = snapshot.timeline
    return any(each.row is not None and timeline.entered(each.row) for each in members)
