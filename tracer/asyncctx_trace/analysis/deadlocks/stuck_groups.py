"""Groups of tasks that can never go on: what they wait for leads from one to the next."""

from __future__ import annotations

from dataclasses import dataclass

from asyncctx_trace.analysis.contention.permits import is_anonymous
from asyncctx_trace.analysis.deadlocks.blocked_tasks import (
    BlockedTask,
    all_quiescent,
    quiescent_processes,
    stuck_tasks,
)
from asyncctx_trace.analysis.deadlocks.components import components
from asyncctx_trace.analysis.deadlocks.cycles import cycles_of
from asyncctx_trace.analysis.deadlocks.enders import describe_enders
from asyncctx_trace.analysis.deadlocks.idle_workers import are_idle_workers
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.completeness import is_complete
from asyncctx_trace.analysis.wait_subjects import describe_subject
from asyncctx_trace.model.durations import format_duration

__all__ = ["StuckGroup", "describe_stuck", "group_of", "groups_beyond", "stuck_groups"]

_NAMED = 4
"""How many members of a group are named."""


@dataclass(frozen=True, slots=True)
class StuckGroup:
    """Tasks of which none can go on before another one of them does."""

    members: tuple[BlockedTask, ...]
    """In the order in which they wait for each other, as far as that goes."""
    since: int
    """When the last of them began to wait (monotonic ns)."""
    quiescent: bool
    """Whether it is proven by an event loop that nothing can wake, and not by a cycle."""
    certain: bool
    until: int
    """When it was looked at: now, or right before a member was cancelled."""
    broken: bool = False
    """Whether a member was cancelled then."""

    @property
    def holds(self) -> tuple[int, ...]:
        """The acquisitions that keep members out and that members hold."""
        tasks = {member.task for member in self.members}
        return tuple(
            dict.fromkeys(
                hold
                for member in self.members
                for hold in member.holds
                if not tasks.isdisjoint(member.on)
            )
        )


def stuck_groups(snapshot: Snapshot) -> list[StuckGroup]:
    """Return the groups at ``snapshot.now`` that a cycle of acquisitions alone does not explain."""
    if not len(snapshot.timeline.waits):
        return []
    timeline = snapshot.timeline
    return groups_beyond(
        snapshot,
        {
            timeline.task[row]
            for cycle in snapshot.once(cycles_of)
            for row in (*cycle.waits, *cycle.behind)
        },
    )


def groups_beyond(snapshot: Snapshot, explained: set[int]) -> list[StuckGroup]:
    """Return the groups without a task of ``explained``, at the end of the timeline.

    O(n) for n open acquisitions and waits.
    """
    stuck = stuck_tasks(snapshot)
    explained = set(explained)
    edges = {task: [other for other in each.on if other in stuck] for task, each in stuck.items()}
    groups = []
    for component in components(edges):
        members = [stuck[task] for task in component]
        if len(component) == 1 and component[0] not in edges[component[0]]:
            continue
        if explained.intersection(component) or all(each.wait is None for each in members):
            continue
        groups.append(group_of(snapshot, members, quiescent=False))
    explained.update(each.task for group in groups for each in group.members)
    behind = _behind(explained, stuck)
    for process in snapshot.once(quiescent_processes):
        members = [
            each
            for each in stuck.values()
            if snapshot.process_of(each.task) == process and each.task not in behind
        ]
        if members and not are_idle_workers(snapshot, members):
            groups.append(group_of(snapshot, members, quiescent=True))
    return groups


def describe_stuck(snapshot: Snapshot, group: StuckGroup) -> str:
    """Return a sentence that says what each member waits for, since when, and who could end it.

    Of many members, four different ones are described.
    """
    alike: dict[str, list[BlockedTask]] = {}
    for member in group.members:
        alike.setdefault(_describe(snapshot, member), []).append(member)
    parts = [
        _describe_alike(snapshot, waiting, members, group.until)
        for waiting, members in list(alike.items())[:_NAMED]
    ]
    left = len(group.members) - sum(map(len, list(alike.values())[:_NAMED]))
    more = f"; and {left} more" if left else ""
    alone = len(group.members) == 1
    end = (
        f"nothing in the program is left that could wake {'it' if alone else 'them'}"
        if group.quiescent
        else f"broken up from outside after {format_duration(group.until - group.since)}"
        if group.broken
        else "none of them can go on"
    )
    return f"{'; '.join(parts)}{more}: {end}"


def _describe_alike(
    snapshot: Snapshot, waiting: str, members: list[BlockedTask], until: int
) -> str:
    since = format_duration(until - min(member.since for member in members))
    names = snapshot.task_names([member.task for member in members])
    enders = ""
    if members[0].wait is not None:
        enders = describe_enders(snapshot, members[0].wait)
    return (
        f"{names} {waiting if len(members) == 1 else _plural(waiting)}, since {since}"
        f"{f' ({enders})' if enders else ''}"
    )


def _describe(snapshot: Snapshot, member: BlockedTask) -> str:
    """What a task does: ``waits for event `ready` at app.py:12``."""
    timeline = snapshot.timeline
    place = snapshot.site_label(member.site)
    if member.row is not None:
        where = snapshot.acquisition_label(member.row)
        if timeline.is_group(timeline.resource[member.row]):
            return f"leaves {where} and waits for {snapshot.task_names(list(member.on))}"
        taken = snapshot.site_label(timeline.site[member.holds[0]])
        holders = snapshot.task_names(list(member.on))
        return f"waits for {where}, held by {holders} (taken at {taken})"
    assert member.wait is not None
    if member.needs != "anybody":
        return f"waits for the end of {snapshot.task_names(list(member.on))} at {place}"
    return f"waits for {describe_subject(timeline, member.wait)} at {place}"


def _plural(verbs: str) -> str:
    return verbs.replace("waits for", "wait for", 1).replace("leaves", "leave", 1)


def _behind(explained: set[int], stuck: dict[int, BlockedTask]) -> set[int]:
    """Return ``explained``, the tasks that wait for one of them, those that wait for these, …."""
    waiting: dict[int, list[int]] = {}
    for each in stuck.values():
        for task in each.on:
            waiting.setdefault(task, []).append(each.task)
    result = set(explained)
    todo = list(explained)
    while todo:
        new = [task for task in waiting.get(todo.pop(), ()) if task not in result]
        result.update(new)
        todo.extend(new)
    return result


def group_of(
    snapshot: Snapshot, members: list[BlockedTask], *, quiescent: bool, until: int | None = None
) -> StuckGroup:
    """Return the group of ``members``, which lasts, or was broken up after ``until``."""
    timeline = snapshot.timeline
    tasks = {member.task for member in members}
    first, last = min(each.since for each in members), max(each.since for each in members)
    exact = (until is None and all_quiescent(snapshot, tasks)) or all(
        # Of a task group it is not known which tasks are in it.
        (member.needs == "all" and member.row is None)
        or (
            len(member.holds) == _capacity(snapshot, member)
            and not any(is_anonymous(timeline, hold) for hold in member.holds)
        )
        for member in members
    )
    return StuckGroup(
        members=tuple(_in_order(members)),
        since=last,
        quiescent=quiescent,
        certain=exact and is_complete(timeline, tasks, first, last),
        until=snapshot.now if until is None else until,
        broken=until is not None,
    )


def _capacity(snapshot: Snapshot, member: BlockedTask) -> int | None:
    if member.row is None:
        return None
    known = snapshot.timeline.resources.get(snapshot.timeline.resource[member.row])
    return None if known is None or known.kind == "condition" else known.capacity


def _in_order(members: list[BlockedTask]) -> list[BlockedTask]:
    """Each member followed by one that it waits for, those that hold something first."""
    left = {
        member.task: member
        for member in sorted(members, key=lambda each: (each.row is None, each.since))
    }
    order: list[BlockedTask] = []
    while left:
        member: BlockedTask | None = left.pop(next(iter(left)))
        while member is not None:
            order.append(member)
            member = next((left.pop(task) for task in member.on if task in left), None)
    return order
